/** ByteSource over a file, for Node. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { ByteSource } from '../core/base/bytes.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { checkRange } from '../core/base/memory-source.ts';

/** Closes descriptors of sources that nobody holds any more. */
const forgotten = new FinalizationRegistry<number>((descriptor) => {
  try {
    closeSync(descriptor);
  } catch {
    // Already closed by the process's end.
  }
});

/**
 * Opens the file at once and keeps it open while the source is reachable, so that a file which is replaced meanwhile
 * is still read as it was.
 * @throws StudioError file/unreadable
 */
export function openFileSource(path: string): ByteSource {
  const name = basename(path);
  let descriptor: number;
  let byteLength: number;
  try {
    descriptor = openSync(path, 'r');
    byteLength = fstatSync(descriptor).size;
  } catch (error) {
    throw unreadable(name, error);
  }
  const readSyncAt = (offset: number, length: number): Uint8Array => {
    checkRange(name, byteLength, offset, length);
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const got = readInto(descriptor, bytes, done, offset + done, name);
      if (got === 0) {
        throw new StudioError('file/truncated', { name, what: 'a read', offset, needed: length, available: done });
      }
      done += got;
    }
    return bytes;
  };
  // Files are mostly in the page cache, where a synchronous read is several times faster than a queued one.
  const source: ByteSource = { name, byteLength, read: async (offset, length) => readSyncAt(offset, length) };
  forgotten.register(source, descriptor);
  return source;
}

/** Node reads at most 2 GiB in one call. */
const MAX_READ_BYTES = 2 ** 30;

function readInto(descriptor: number, bytes: Uint8Array, at: number, position: number, name: string): number {
  try {
    return readSync(descriptor, bytes, at, Math.min(bytes.byteLength - at, MAX_READ_BYTES), position);
  } catch (error) {
    throw unreadable(name, error);
  }
}

function unreadable(name: string, error: unknown): StudioError {
  return new StudioError(
    'file/unreadable',
    { name, reason: error instanceof Error ? error.message : String(error) },
    error,
  );
}
