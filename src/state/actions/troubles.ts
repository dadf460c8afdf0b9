/** What is not kept, told at once and shown for as long as it is so. */
import type { StudioError } from '../../core/base/errors/index.ts';
import { notify } from '../notices.ts';
import type { StorageNotice } from '../projects-slice.ts';
import { studio } from '../store.ts';

const troubles = new Map<StorageNotice['kind'], StorageNotice>();
/** The first that holds is the one that is shown. */
const ORDER = ['elsewhere', 'unavailable', 'full', 'model', 'data', 'figures'] as const;
type OfRoom = 'full' | 'model' | 'data' | 'figures';
const KEPT_AGAIN: Readonly<Record<OfRoom, string>> = {
  full: 'Changes are kept again.',
  model: 'The model is kept now.',
  data: 'Your data are kept now.',
  figures: 'Measured figures are kept again.',
};

function publish(): void {
  const kind = ORDER.find((one) => troubles.has(one));
  studio.setState({ storageNotice: kind ? troubles.get(kind)! : null });
}

/** @param quiet not as a toast as well */
export function raiseTrouble(notice: StorageNotice, quiet = false): void {
  const isNew = !troubles.has(notice.kind);
  troubles.set(notice.kind, notice);
  publish();
  if (isNew && !quiet) notify({ level: 'error', text: notice.text, advice: notice.advice });
}

/** @returns whether there was such trouble */
export function endTrouble(kind: StorageNotice['kind']): boolean {
  const was = troubles.delete(kind);
  if (was) publish();
  return was;
}

/** What found no room is written now. */
export function endLackOfRoom(kind: OfRoom): void {
  if (endTrouble(kind)) notify({ level: 'success', text: KEPT_AGAIN[kind] });
}

/** Whether something waits for room. */
export function lacksRoom(): boolean {
  return (Object.keys(KEPT_AGAIN) as OfRoom[]).some((kind) => troubles.has(kind));
}

/**
 * @param kind of what could not be written
 * @param what that means, as a sentence
 */
export function raiseStorageTrouble(kind: OfRoom, error: StudioError, what: string): void {
  const { message, advice, code } = error;
  raiseTrouble({ kind: code === 'storage/full' ? kind : 'unavailable', text: `${message} ${what}`, advice });
}
