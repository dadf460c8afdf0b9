import type { ByteRange, ByteSource } from './bytes.ts';
import { StudioError } from './errors/index.ts';

/** A source over bytes in memory. Reads are views: nothing is copied. */
export function memorySource(name: string, given: Uint8Array): ByteSource {
  const bytes = plainBytes(given);
  const readSync = (offset: number, length: number): Uint8Array => {
    checkRange(name, bytes.byteLength, offset, length);
    return bytes.subarray(offset, offset + length);
  };
  return {
    name,
    byteLength: bytes.byteLength,
    readSync,
    // An async function, so that a bad range rejects and never throws.
    read: async (offset, length) => readSync(offset, length),
  };
}

/** The whole of `bytes` as a range. */
export function memoryRange(name: string, bytes: Uint8Array): ByteRange {
  return { source: memorySource(name, bytes), offset: 0, byteLength: bytes.byteLength };
}

/** @throws StudioError file/truncated when [offset, offset + length) is not inside the source. */
export function checkRange(name: string, byteLength: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= byteLength) return;
  throw new StudioError('file/truncated', {
    name,
    what: 'a read',
    offset,
    needed: length,
    available: Math.max(0, byteLength - offset),
  });
}

/**
 * The same memory as a plain Uint8Array. Node's Buffer is a subclass whose `slice` is a view and no copy; code that
 * counts on a copy would keep, or change, somebody else's memory.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
