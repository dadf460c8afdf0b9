const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 to a string; undefined when the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

const cachedLength = 64;
const cacheSize = 4096;

/**
 * Decodes names. A value's name stands in the file once where it is made, again at each use and once more with its
 * type; operator and attribute names come back all the time. Finding one again by its bytes is cheaper than decoding
 * it, and the strings are shared.
 */
export class TextCache {
  readonly #slots: (string | undefined)[] = new Array(cacheSize);

  decode(bytes: Uint8Array, at: number, length: number): string | undefined {
    if (length === 0) return '';
    if (length > cachedLength) return decodeUtf8(bytes.subarray(at, at + length));
    let hash = length;
    for (let i = at; i < at + length; i += 1) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    const slot = (hash ^ (hash >>> 15)) & (cacheSize - 1);
    const cached = this.#slots[slot];
    if (cached !== undefined && isAscii(cached, bytes, at, length)) return cached;
    const text = decodeUtf8(bytes.subarray(at, at + length));
    this.#slots[slot] = text;
    return text;
  }
}

/** Whether the text is exactly these bytes, which then are ASCII: each character below 0x80 is one byte. */
function isAscii(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i);
    if (code !== bytes[at + i]! || code >= 0x80) return false;
  }
  return true;
}

const encoder = new TextEncoder();

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}
