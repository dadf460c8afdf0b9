/**
 * What the sender of a link measured. It stands beside own figures and is never mixed with them: no recipe, no verdict
 * of this device and no undo step knows of it.
 */

import type { Study } from '../core/study/schema.ts';
import type { SharedFigures } from '../core/study/shared-figures.ts';
import type { SliceCreator } from './store.ts';

export interface Sender {
  /** The link's: its figures are of these variants, targets, task and gate. */
  readonly study: Study;
  readonly figures: SharedFigures;
}

export interface SenderSlice {
  /** For the model that is open. */
  sender: Sender | null;
  /** Of a link whose model is not here yet. */
  pendingFigures: SharedFigures | null;
}

export const createSenderSlice: SliceCreator<SenderSlice> = () => ({ sender: null, pendingFigures: null });
