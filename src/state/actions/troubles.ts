/** What is not kept, told at once and shown for as long as it is so. */
import type { StudioError } from '../../core/base/errors/index.ts';
import { notify } from '../notices.ts';
import type { StorageNotice } from '../projects-slice.ts';
import { studio } from '../store.ts';

const troubles = new Map<StorageNotice['kind'], StorageNotice>();
/** The first that holds is the one that is shown. */
const ORDER = ['elsewhere', 'unavailable', 'full', 'model'] as const;

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

/** @param what is not kept, as a sentence */
export function troubleOf(error: StudioError, what: string): StorageNotice {
  const { message, advice } = error;
  return { kind: error.code === 'storage/full' ? 'full' : 'unavailable', text: `${message} ${what}`, advice };
}
