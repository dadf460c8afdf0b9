import type { ByteSource } from '../base/bytes.ts';
import { type CancelSignal, neverCancelled, throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import { plainBytes } from '../base/memory-source.ts';
import type { OnProgress } from '../base/progress.ts';
import type { Answer, Need, Reading } from './cursor.ts';

export interface DriveOptions {
  readonly resolveExternal?: (location: string) => ByteSource | undefined | Promise<ByteSource | undefined>;
  readonly signal?: CancelSignal;
  readonly onProgress?: OnProgress;
}

/** Runs a reader, and gets what it waits for. Without waits it runs through without a promise in between. */
export async function drive<T>(source: ByteSource, reading: Reading<T>, options: DriveOptions): Promise<T> {
  const { signal = neverCancelled, onProgress } = options;
  const externals = new Map<string, ByteSource | undefined>();
  let step = reading.next();
  while (!step.done) {
    throwIfCancelled(signal);
    const need: Need = step.value;
    let answer: Answer;
    if (need.kind === 'bytes') {
      answer = await readExactly(source, need.offset, need.length);
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

/** Hosts are not trusted to keep the contract: a file may change under us. */
export async function readExactly(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = source.readSync ? source.readSync(offset, length) : await source.read(offset, length);
  } catch (error) {
    if (error instanceof StudioError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('file/unreadable', { name: source.name, reason }, error);
  }
  if (bytes.byteLength === length) return plainBytes(bytes);
  const reason = `${length} bytes were asked for at ${offset}, ${bytes.byteLength} came`;
  throw new StudioError('file/unreadable', { name: source.name, reason });
}
