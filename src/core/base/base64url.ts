/** Base64 for URLs without padding (RFC 4648 section 5). Node 20 and older browsers lack Uint8Array.toBase64. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));

export function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const characters = Math.min(4, bytes.length - i + 1);
    for (let c = 0; c < characters; c++) text += ALPHABET[(group >> (18 - 6 * c)) & 63];
  }
  return text;
}

/** @returns undefined for text that is not base64url */
export function fromBase64Url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  for (let i = 0; i < text.length; i += 4) {
    let group = 0;
    const characters = Math.min(4, text.length - i);
    for (let c = 0; c < 4; c++) {
      const value = c < characters ? VALUES.get(text[i + c]!) : 0;
      if (value === undefined) return undefined;
      group = (group << 6) | value;
    }
    for (let b = 0; b < characters - 1; b++) bytes[at++] = (group >> (16 - 8 * b)) & 255;
  }
  return bytes;
}
