/** The model that is open, and the gallery it may have come from. Its bytes are in services/model-repository. */

import type { ModelCard } from '../core/analysis/card.ts';
import type { ErrorRecord } from '../core/base/errors/index.ts';
import type { Progress } from '../core/base/progress.ts';
import type { Sample } from '../core/study/samples.ts';
import type { ModelRef, Study } from '../core/study/schema.ts';
import type { SliceCreator } from './store.ts';

export interface LoadedModel {
  readonly ref: ModelRef;
  /** Names the bytes in the model repository. */
  readonly key: string;
  /** Of the graph file; null where it was too large to hash at once. */
  readonly sha256: string | null;
  /** File name. */
  readonly name: string;
  /** What the screen calls it: the sample's title, else the file name. */
  readonly title: string;
  /** Where it came with a description of its own (a repository's config.json): e.g. its architecture. */
  readonly about?: string;
  /** Data files included. */
  readonly fileBytes: number;
  readonly card: ModelCard;
  /** Set when the model came from the gallery. */
  readonly sampleId: string | null;
}

export interface OpeningModel {
  readonly name: string;
  readonly progress: Progress | null;
  readonly startedAt: number;
}

export interface ModelSlice {
  model: LoadedModel | null;
  opening: OpeningModel | null;
  openError: ErrorRecord | null;
  samples: readonly Sample[] | null;
  samplesError: ErrorRecord | null;
  /** From a link or a file, waiting for its model. */
  pendingStudy: Study | null;
}

export const createModelSlice: SliceCreator<ModelSlice> = () => ({
  model: null,
  opening: null,
  openError: null,
  samples: null,
  samplesError: null,
  pendingStudy: null,
});
