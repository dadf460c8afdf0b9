const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 to a string; undefined when the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  // Names are short and ASCII nearly always; for those a decoder's call costs more than the work.
  if (bytes.length <= 12) {
    let text = '';
    let ascii = true;
    for (let i = 0; i < bytes.length; i += 1) {
      const byte = bytes[i]!;
      if (byte >= 0x80) {
        ascii = false;
        break;
      }
      text += String.fromCharCode(byte);
    }
    if (ascii) return text;
  }
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

const encoder = new TextEncoder();

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}
