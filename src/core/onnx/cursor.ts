import type { ByteSource } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import { plainBytes } from '../base/memory-source.ts';
import { TextCache } from './text.ts';
import { wire, wireName } from './wire.ts';

/** What a reader waits for: bytes of the model file, or an external data file by its location. */
export type Need =
  /** At least `least` bytes from `offset` on, at most `length`. */
  | { readonly kind: 'bytes'; readonly offset: number; readonly length: number; readonly least: number }
  | { readonly kind: 'external'; readonly location: string };

export type Answer = Uint8Array | ByteSource | undefined;

/**
 * A reader that can wait. Readers are generators and no async functions: the same code then parses a file in memory
 * without a single promise, and waits for a Blob only when the parse leaves the window.
 */
export type Reading<T> = Generator<Need, T, Answer>;

/** Room for a tag and a varint: what must be in the window before a field is looked at. */
export const headerBytes = 20;

const firstWindowBytes = 64 * 1024;
const jumpWindowBytes = 16 * 1024;
const largestWindowBytes = 4 * 1024 * 1024;

const floatBytes = new Uint8Array(4);
const floatView = new DataView(floatBytes.buffer);

/**
 * A position in a file of which a window is in memory. Methods that return values are synchronous and need their bytes
 * in the window: `if (cursor.lacks(n)) yield* cursor.load(n)` comes first. All positions are offsets in the file.
 */
export class Cursor {
  readonly source: ByteSource;
  /** Halves of the varint that was read last: bits 0-31 and 32-63, both as signed 32-bit integers. */
  low = 0;
  high = 0;
  /** Where the parse is, for messages: names and indices. */
  readonly #path: (string | number)[] = [];
  readonly #texts = new TextCache();
  #window: Uint8Array;
  #windowStart = 0;
  #index = 0;
  #nextWindowBytes = firstWindowBytes;

  constructor(source: ByteSource) {
    this.source = source;
    this.#window = source.readSync ? plainBytes(source.readSync(0, source.byteLength)) : new Uint8Array(0);
  }

  get position(): number {
    return this.#windowStart + this.#index;
  }

  /** Whether some of the next `length` bytes are outside the window although the file has them. */
  lacks(length: number): boolean {
    return (
      this.#index + length > this.#window.length && this.#windowStart + this.#window.length < this.source.byteLength
    );
  }

  /**
   * Whether the window ends before the value of the field whose tag has just been read. Only length-delimited values
   * can be missing: everything else fits into the header that was asked for.
   */
  lacksValue(tag: number): boolean {
    return (tag & 7) === wire.bytes && this.lacks(headerBytes + this.#peekLength());
  }

  /** Loads that value; no more than its message has left, whatever its length says. */
  *loadValue(end: number): Reading<void> {
    yield* this.load(headerBytes + Math.min(this.#peekLength(), end - this.position));
  }

  /** The length that stands here; nothing is checked, since reading it will. */
  #peekLength(): number {
    const first = this.#window[this.#index]!;
    if (first < 0x80) return first;
    let length = 0;
    for (let i = 0; i < 5; i += 1) {
      const byte = this.#window[this.#index + i] ?? 0;
      length += (byte & 0x7f) * 128 ** i;
      if (byte < 0x80) break;
    }
    return length;
  }

  /** Moves the window so that it begins here and holds at least `length` bytes, or what the file has left. */
  *load(length: number): Reading<void> {
    const position = this.position;
    const windowEnd = this.#windowStart + this.#window.length;
    const sequential = this.#index <= this.#window.length || position - windowEnd < jumpWindowBytes;
    this.#nextWindowBytes =
      windowEnd === 0
        ? firstWindowBytes
        : sequential
          ? Math.min(this.#nextWindowBytes * 2, largestWindowBytes)
          : jumpWindowBytes;
    const left = this.source.byteLength - position;
    const wanted = Math.min(Math.max(length, this.#nextWindowBytes), left);
    const least = Math.min(length, left);
    this.#window = (yield { kind: 'bytes', offset: position, length: wanted, least }) as Uint8Array;
    this.#windowStart = position;
    this.#index = 0;
  }

  /** Where the parse is, e.g. `graph.node[3].attribute[0]`. */
  get path(): string {
    let text = '';
    for (const part of this.#path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
    return text === '' ? 'model' : text;
  }

  enter(field: string, index = -1): void {
    this.#path.push(field);
    if (index >= 0) this.#path.push(index);
  }

  leave(): void {
    while (typeof this.#path.pop() === 'number');
  }

  malformed(reason: string, offset = this.position): StudioError {
    return new StudioError('model/malformed', { offset, path: this.path, reason });
  }

  /** Reads a varint into `low` and `high`. `end` is the end of the message it stands in. */
  varint(end: number): void {
    const window = this.#window;
    let index = this.#index;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (index >= window.length || shift > 63) throw this.#badVarint(index, shift, end);
      const byte = window[index]!;
      index += 1;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= byte << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      if (byte < 0x80) break;
    }
    if (this.#windowStart + index > end) throw this.malformed('a varint passes the end of its message');
    this.low = low;
    this.high = high;
    this.#index = index;
  }

  #badVarint(index: number, shift: number, end: number): StudioError {
    if (shift > 63) return this.malformed('a varint is longer than 10 bytes');
    if (end < this.source.byteLength) return this.malformed('a varint passes the end of its message');
    return this.#truncated('a varint', 1, this.source.byteLength - (this.#windowStart + index));
  }

  /** The varint that was read last as a number, whatever its sign; NaN beyond 2^53. */
  get signed(): number {
    const value = this.high * 4294967296 + (this.low >>> 0);
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }

  get signedBig(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }

  /** A tag as field number times 8 plus wire type. */
  tag(end: number): number {
    const start = this.position;
    this.varint(end);
    if (this.high !== 0) throw this.malformed('a tag is longer than 32 bits', start);
    const tag = this.low >>> 0;
    if (tag < 8) throw this.malformed('a tag has field number 0', start);
    if ((tag & 7) > wire.fixed32) throw this.malformed(`a tag has wire type ${wireName(tag & 7)}`, start);
    return tag;
  }

  /** @throws StudioError model/malformed when the field that `tag` announces is encoded as something else */
  expect(tag: number, wireType: number, field: string): void {
    if ((tag & 7) === wireType) return;
    throw this.malformed(`field ${field} has wire type ${wireName(tag & 7)}, expected ${wireName(wireType)}`);
  }

  /** Steps into the message that is the value of a field; returns its end. `leave` steps out. */
  begin(tag: number, end: number, field: string, index = -1): number {
    const length = this.length(tag, end, field);
    this.enter(field, index);
    return this.position + length;
  }

  /** The length of a length-delimited field, checked against the end of its message. */
  length(tag: number, end: number, field: string): number {
    this.expect(tag, wire.bytes, field);
    this.varint(end);
    const length = (this.high >>> 0) * 4294967296 + (this.low >>> 0);
    const available = end - this.position;
    if (length <= available) return length;
    if (end === this.source.byteLength) throw this.#truncated(`field ${field}`, length, available);
    throw this.malformed(`field ${field} is ${length} bytes long, but its message has ${available} left`);
  }

  #truncated(what: string, needed: number, available: number): StudioError {
    return new StudioError('file/truncated', {
      name: this.source.name,
      what: `${what} of ${this.path}`,
      offset: this.position,
      needed,
      available: Math.max(0, available),
    });
  }

  float32(end: number): number {
    const at = this.#take(4, end);
    for (let i = 0; i < 4; i += 1) floatBytes[i] = this.#window[at + i]!;
    return floatView.getFloat32(0, true);
  }

  /** The next `length` bytes, which must be in the window; a view, valid until the next load. */
  view(length: number): Uint8Array {
    const at = this.#pass(length);
    return this.#window.subarray(at, at + length);
  }

  /**
   * Like `view`, but may be kept: a copy, so that a few bytes do not hold a window in memory. Where the whole file is
   * in memory anyway it is a view.
   */
  copy(length: number): Uint8Array {
    const bytes = this.view(length);
    return this.source.readSync ? bytes : new Uint8Array(bytes);
  }

  /** The next `length` bytes as UTF-8 text; undefined when they are none. */
  text(length: number): string | undefined {
    const at = this.#pass(length);
    return this.#texts.decode(this.#window, at, length);
  }

  #pass(length: number): number {
    const at = this.#index;
    this.#index += length;
    if (this.#index > this.#window.length) throw new Error(`${length} bytes at ${at} were not loaded`);
    return at;
  }

  skip(length: number): void {
    this.#index += length;
  }

  /** A copy of bytes anywhere in the file; the position stays. */
  *copyRange(offset: number, length: number): Reading<Uint8Array> {
    const at = offset - this.#windowStart;
    if (at >= 0 && at + length <= this.#window.length) return this.#window.slice(at, at + length);
    return new Uint8Array((yield { kind: 'bytes', offset, length, least: length }) as Uint8Array);
  }

  /** Passes over a field whose tag has just been read and returns all of it, tag included, as a copy. */
  *takeField(tag: number, tagOffset: number, end: number): Reading<Uint8Array> {
    if ((tag & 7) === wire.groupStart) yield* this.#skipGroup(tag >>> 3, end);
    else this.#skipValue(tag, end);
    return yield* this.copyRange(tagOffset, this.position - tagOffset);
  }

  /** The same where the whole field is in the window. */
  takeLoadedField(tag: number, tagOffset: number, end: number): Uint8Array {
    const step = this.takeField(tag, tagOffset, end).next();
    if (!step.done) throw this.malformed('a field passes the end of its message');
    return step.value;
  }

  #skipValue(tag: number, end: number): void {
    switch (tag & 7) {
      case wire.varint:
        this.varint(end);
        return;
      case wire.fixed64:
        this.#take(8, end);
        return;
      case wire.fixed32:
        this.#take(4, end);
        return;
      case wire.bytes:
        this.skip(this.length(tag, end, `${tag >>> 3}`));
        return;
      default:
        throw this.malformed(`a group ends (field ${tag >>> 3}) that has not begun`);
    }
  }

  /** Groups may nest; a list of open ones and no recursion, so that no file can exhaust the stack. */
  *#skipGroup(field: number, end: number): Reading<void> {
    const open = [field];
    while (open.length > 0) {
      if (this.lacks(headerBytes)) yield* this.load(headerBytes);
      if (this.position >= end) throw this.malformed(`group ${open.at(-1)} does not end`);
      const tag = this.tag(end);
      if ((tag & 7) === wire.groupStart) {
        open.push(tag >>> 3);
        if (open.length > 100) throw this.malformed('groups are nested more than 100 deep');
      } else if ((tag & 7) === wire.groupEnd) {
        const innermost = open.pop();
        if (innermost !== tag >>> 3) throw this.malformed(`group ${innermost} ends as group ${tag >>> 3}`);
      } else this.#skipValue(tag, end);
    }
  }

  #take(length: number, end: number): number {
    const at = this.#index;
    const available = Math.min(end, this.source.byteLength) - this.position;
    if (available < length) {
      if (end < this.source.byteLength)
        throw this.malformed(`a value of ${length} bytes passes the end of its message`);
      throw this.#truncated('a value', length, available);
    }
    this.#index += length;
    return at;
  }
}
