import type { BytePart } from './bytes.ts';

export function partsByteLength(parts: readonly BytePart[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}

/** The bytes of all parts, in order, in pieces of at most `chunkBytes`: peak memory does not depend on the parts. */
export async function* streamParts(
  parts: readonly BytePart[],
  chunkBytes = 4 * 1024 * 1024,
): AsyncGenerator<Uint8Array, void, void> {
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += chunkBytes) {
      const length = Math.min(chunkBytes, part.byteLength - at);
      yield part instanceof Uint8Array
        ? part.subarray(at, at + length)
        : await part.source.read(part.offset + at, length);
    }
  }
}

/** All parts in one array. */
export async function concatParts(parts: readonly BytePart[]): Promise<Uint8Array<ArrayBuffer>> {
  const out = new Uint8Array(partsByteLength(parts));
  let at = 0;
  for await (const chunk of streamParts(parts, 64 * 1024 * 1024)) {
    out.set(chunk, at);
    at += chunk.byteLength;
  }
  return out;
}
