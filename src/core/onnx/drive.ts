import type { ByteSource } from '../base/bytes.ts';
import { type CancelSignal, neverCancelled, throwIfCancelled } from '../base/cancel.ts';
import type { OnProgress } from '../base/progress.ts';
import type { Answer, Need, Reading } from './cursor.ts';
import { Prefetcher } from './prefetch.ts';

export interface DriveOptions {
  readonly resolveExternal?: (location: string) => ByteSource | undefined | Promise<ByteSource | undefined>;
  readonly signal?: CancelSignal;
  readonly onProgress?: OnProgress;
}

/** Runs a reader, and gets what it waits for. Without waits it runs through without a promise in between. */
export async function drive<T>(source: ByteSource, reading: Reading<T>, options: DriveOptions): Promise<T> {
  const { signal = neverCancelled, onProgress } = options;
  const windows = new Prefetcher(source);
  const externals = new Map<string, ByteSource | undefined>();
  let step = reading.next();
  while (!step.done) {
    throwIfCancelled(signal);
    const need: Need = step.value;
    let answer: Answer;
    if (need.kind === 'bytes') {
      answer = await windows.read(need.offset, need.length, need.least);
      onProgress?.({ stage: 'reading the model', done: need.offset, total: source.byteLength, unit: 'bytes' });
    } else {
      if (!externals.has(need.location)) externals.set(need.location, await options.resolveExternal?.(need.location));
      answer = externals.get(need.location);
    }
    step = reading.next(answer);
  }
  throwIfCancelled(signal);
  onProgress?.({ stage: 'reading the model', done: source.byteLength, total: source.byteLength, unit: 'bytes' });
  return step.value;
}
