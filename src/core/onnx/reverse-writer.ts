import type { BytePart } from '../base/bytes.ts';
import { encodeUtf8 } from './text.ts';
import { wire } from './wire.ts';

const bufferBytes = 64 * 1024;
/** Arrays from this size on become parts of their own instead of being copied. */
const partBytes = 4096;

/**
 * Writes protobuf from the end to the beginning. A message's length stands before its content, so that a writer that
 * goes forward must measure every message first; going backward the length is known when it is due. Callers therefore
 * write fields, and elements of repeated fields, last one first. Payloads are handed through as parts, never loaded.
 */
export class ReverseWriter {
  readonly #parts: BytePart[] = [];
  readonly #buffer = new Uint8Array(bufferBytes);
  /** Where the used tail of the buffer begins. */
  #start = bufferBytes;
  /** Bytes in `#parts`. */
  #flushed = 0;

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#flushed + bufferBytes - this.#start;
  }

  /** The parts from first to last. Ends the writer. */
  finish(): BytePart[] {
    this.#flush();
    return this.#parts.reverse();
  }

  /** A varint of up to 53 bits, not negative. */
  varint(value: number): void {
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
    let at = this.#claim(length);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[at] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
      at += 1;
    }
    this.#buffer[at] = rest;
  }

  /** A varint of 64 bits; a negative number takes ten bytes. */
  bigVarint(value: bigint): void {
    if (value >= 0n && value <= 0x1fffffffffffffn) {
      this.varint(Number(value));
      return;
    }
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.bytes(Uint8Array.from(bytes));
  }

  float32(value: number): void {
    const at = this.#claim(4);
    new DataView(this.#buffer.buffer, at, 4).setFloat32(0, value, true);
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.byteLength >= partBytes) this.part(bytes);
    else if (bytes.byteLength > 0) this.#buffer.set(bytes, this.#claim(bytes.byteLength));
  }

  /** Takes a part over as it is. */
  part(part: BytePart): void {
    if (part instanceof Uint8Array && part.byteLength < partBytes) {
      this.bytes(part);
      return;
    }
    this.#flush();
    if (part.byteLength > 0) this.#parts.push(part);
    this.#flushed += part.byteLength;
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  varintField(field: number, value: number): void {
    this.varint(value);
    this.tag(field, wire.varint);
  }

  bigVarintField(field: number, value: bigint): void {
    this.bigVarint(value);
    this.tag(field, wire.varint);
  }

  floatField(field: number, value: number): void {
    this.float32(value);
    this.tag(field, wire.fixed32);
  }

  partField(field: number, part: BytePart): void {
    this.part(part);
    this.varint(part.byteLength);
    this.tag(field, wire.bytes);
  }

  textField(field: number, text: string): void {
    this.varint(this.#text(text));
    this.tag(field, wire.bytes);
  }

  /** Nothing for an empty text. */
  optionalText(field: number, text: string | undefined): void {
    if (text) this.textField(field, text);
  }

  /** A message: `write` writes its content, the field that stands last first. */
  message(field: number, write: () => void): void {
    const before = this.byteLength;
    write();
    this.varint(this.byteLength - before);
    this.tag(field, wire.bytes);
  }

  /** StringStringEntryProto messages. */
  entries(field: number, entries: ReadonlyMap<string, string> | undefined): void {
    if (!entries) return;
    for (const [key, value] of [...entries].reverse())
      this.message(field, () => {
        this.textField(2, value);
        this.textField(1, key);
      });
  }

  /** Returns the number of bytes. */
  #text(text: string): number {
    // Names are short and ASCII nearly always; encoding those by hand saves a call and a copy.
    if (text.length <= 64) {
      const at = this.#claim(text.length);
      let i = 0;
      for (; i < text.length; i += 1) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        this.#buffer[at + i] = code;
      }
      if (i === text.length) return text.length;
      this.#start = at + text.length;
    }
    const bytes = encodeUtf8(text);
    this.bytes(bytes);
    return bytes.byteLength;
  }

  /** Makes room for up to `partBytes` bytes in front and returns where they begin. */
  #claim(length: number): number {
    if (length > this.#start) this.#flush();
    this.#start -= length;
    return this.#start;
  }

  #flush(): void {
    const used = bufferBytes - this.#start;
    if (used === 0) return;
    this.#parts.push(this.#buffer.slice(this.#start));
    this.#flushed += used;
    this.#start = bufferBytes;
  }
}
