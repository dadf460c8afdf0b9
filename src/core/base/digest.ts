/** SHA-256 of what comes in pieces. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

export class Digest {
  readonly #hash = sha256.create();
  readonly #text = new TextEncoder();

  /** Text counts as its UTF-8 bytes. */
  update(part: Uint8Array | string): this {
    this.#hash.update(typeof part === 'string' ? this.#text.encode(part) : part);
    return this;
  }

  /** 64 hexadecimal digits; ends it. */
  hex(): string {
    return bytesToHex(this.#hash.digest());
  }
}
