/** ByteSource over a file, for Node. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { ByteSource, FilePart } from '../core/base/bytes.ts';
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
  const source: ByteSource = {
    name,
    byteLength,
    fileDescriptor: descriptor,
    // Files are mostly in the page cache, where a synchronous read is several times faster than a queued one.
    read: async (offset, length) => {
      checkRange(name, byteLength, offset, length);
      const bytes = new Uint8Array(length);
      fill(bytes, { name, fileDescriptor: descriptor, offset, byteLength: length });
      return bytes;
    },
  };
  forgotten.register(source, descriptor);
  return source;
}

/**
 * A function that puts the bytes in the place of an input's `bytes` where that is a FilePart. They lie in memory that its
 * next call uses again: fresh memory costs a page fault for every 4 KB, which is most of what reading a cached file takes.
 * @throws StudioError file/truncated, file/unreadable (the function)
 */
export function fileReader(): (input: object) => object {
  let memory = new Uint8Array(0);
  return (input) => {
    const part = (input as { bytes?: unknown }).bytes;
    if (!isFilePart(part)) return input;
    if (memory.byteLength < part.byteLength) memory = new Uint8Array(part.byteLength);
    const bytes = memory.subarray(0, part.byteLength);
    fill(bytes, part);
    return { ...input, bytes };
  };
}

const isFilePart = (value: unknown): value is FilePart =>
  typeof value === 'object' && value !== null && 'fileDescriptor' in value;

/** Positioned reads: no two readers of a descriptor get in each other's way. */
function fill(bytes: Uint8Array, { name, fileDescriptor, offset, byteLength }: FilePart): void {
  for (let done = 0; done < byteLength; ) {
    const got = readInto(fileDescriptor, bytes, done, offset + done, name);
    if (got === 0)
      throw new StudioError('file/truncated', {
        name,
        what: 'a read',
        offset,
        needed: byteLength,
        available: done,
      });
    done += got;
  }
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
