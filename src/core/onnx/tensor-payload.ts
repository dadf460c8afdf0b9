/** From the data fields of a TensorProto to `TensorData`: what is stored must be what type and shape ask for. */
import type { ByteRange } from '../base/bytes.ts';
import { StudioError } from '../base/errors/index.ts';
import { memoryRange } from '../base/memory-source.ts';
import { byteLengthOf, type DType } from '../ir/dtype.ts';
import { elementCount } from '../ir/tensor.ts';
import { decodeTypedField, typedEntryCount, typedFieldOf } from '../ir/typed-field.ts';
import type { TensorData, TypedDataField } from '../ir/types.ts';
import { type ReadContext, smallPayloadBytes } from './context.ts';
import type { Cursor, Reading } from './cursor.ts';
import { wire } from './wire.ts';
import { dataForms } from './wire-form.ts';

/** The data fields of a TensorProto as they were found. */
export interface StoredData {
  name: string;
  dims: number[];
  raw: ByteRange | undefined;
  /** The same bytes, when they are few. */
  rawBytes?: Uint8Array;
  typed: TypedSegments | undefined;
  strings: Uint8Array[] | undefined;
}

/**
 * Bytes of the payload in raw_data layout.
 * @throws StudioError model/bad-dims for a negative size or a product that no file can hold
 */
export function payloadBytes(tensor: string, dtype: DType, dims: readonly number[]): number {
  const refuse = (reason: string): StudioError =>
    new StudioError('model/bad-dims', { tensor, dims: shownDims(dims), reason });
  for (const dim of dims) {
    if (Number.isNaN(dim)) throw refuse('have a size beyond 2^53');
    if (dim < 0) throw refuse('have a negative size');
  }
  if (dims.length > 1024) throw refuse(`are ${dims.length} dimensions`);
  const bytes = byteLengthOf(dtype, elementCount(dims));
  // Not only the product itself: 0 * Infinity is NaN.
  if (!Number.isSafeInteger(bytes) && !dims.includes(0)) throw refuse('multiply to more than any file can hold');
  return dims.includes(0) ? 0 : bytes;
}

function shownDims(dims: readonly number[]): string {
  const shown = dims.slice(0, 16).join(', ');
  return dims.length > 16 ? `${shown}, ... ${dims.length} in all` : shown;
}

/** The occurrences of one typed field: packed payloads in the file, and elements that stand alone. */
export class TypedSegments {
  readonly field: TypedDataField;
  readonly #ranges: ByteRange[] = [];
  #loose = new Uint8Array(0);
  #looseBytes = 0;

  constructor(field: TypedDataField) {
    this.field = field;
  }

  *read(cursor: Cursor, tag: number, end: number, field: TypedDataField): Reading<void> {
    if (field !== this.field) throw cursor.malformed(`a tensor has both ${this.field} and ${field}`);
    if ((tag & 7) !== wire.bytes) {
      this.#readLoose(cursor, tag, end);
      return;
    }
    const byteLength = cursor.length(tag, end, field);
    this.#flushLoose();
    if (byteLength === 0) return;
    const offset = cursor.position;
    if (byteLength > smallPayloadBytes) {
      this.#ranges.push({ source: cursor.source, offset, byteLength });
      cursor.skip(byteLength);
      return;
    }
    if (cursor.lacks(byteLength)) yield* cursor.load(byteLength);
    this.#ranges.push(memoryRange(field, cursor.copy(byteLength)));
  }

  /** One element with a tag of its own, as old writers do; collected into a packed payload. */
  #readLoose(cursor: Cursor, tag: number, end: number): void {
    const width = this.field === 'float_data' ? 4 : this.field === 'double_data' ? 8 : 0;
    const wireType = width === 4 ? wire.fixed32 : width === 8 ? wire.fixed64 : wire.varint;
    cursor.expect(tag, wireType, this.field);
    const start = cursor.position;
    if (width === 0) cursor.varint(end);
    else if (start + width > end) throw cursor.malformed(`an element of ${this.field} passes the end of its tensor`);
    else cursor.skip(width);
    const length = cursor.position - start;
    cursor.skip(-length);
    if (this.#looseBytes + length > this.#loose.length) {
      const larger = new Uint8Array(Math.max(256, this.#loose.length * 2));
      larger.set(this.#loose);
      this.#loose = larger;
    }
    this.#loose.set(cursor.view(length), this.#looseBytes);
    this.#looseBytes += length;
  }

  #flushLoose(): void {
    if (this.#looseBytes === 0) return;
    this.#ranges.push(memoryRange(this.field, this.#loose.slice(0, this.#looseBytes)));
    this.#looseBytes = 0;
  }

  payloads(): readonly ByteRange[] {
    this.#flushLoose();
    return this.#ranges;
  }
}

/** @param expected bytes of the payload in raw_data layout */
export function* assembleData(
  context: ReadContext,
  stored: StoredData,
  dtype: DType,
  expected: number,
): Reading<TensorData> {
  const { cursor } = context;
  const payloads = stored.typed?.payloads() ?? [];
  const forms = [stored.raw && stored.raw.byteLength > 0, payloads.length > 0, stored.strings].filter(Boolean).length;
  if (forms > 1) throw cursor.malformed(`tensor "${stored.name}" has its data in more than one field`);
  if (dtype === 'string') return stringData(cursor, stored, payloads);
  if (stored.strings) throw cursor.malformed(`tensor "${stored.name}" (${dtype}) has its data in string_data`);
  if (payloads.length > 0) return yield* typedData(context, stored, dtype, expected, payloads);
  const actual = stored.raw?.byteLength ?? 0;
  if (actual !== expected) throw mismatch(stored, dtype, expected, actual);
  if (!stored.raw) return withoutData(dtype);
  return stored.rawBytes ? { kind: 'bytes', bytes: stored.rawBytes } : { kind: 'range', range: stored.raw };
}

function mismatch(stored: StoredData, dtype: DType, expected: number, actual: number): StudioError {
  const dims = shownDims(stored.dims);
  return new StudioError('model/data-mismatch', { tensor: stored.name, dtype, dims, expected, actual });
}

function withoutData(dtype: DType): TensorData {
  const data: TensorData = { kind: 'bytes', bytes: new Uint8Array(0) };
  dataForms.set(data, { dtype, payloads: [] });
  return data;
}

function stringData(cursor: Cursor, stored: StoredData, payloads: readonly ByteRange[]): TensorData {
  if ((stored.raw && stored.raw.byteLength > 0) || payloads.length > 0)
    throw cursor.malformed(`string tensor "${stored.name}" has its data in a field for numbers`);
  const values = stored.strings ?? [];
  const count = elementCount(stored.dims);
  if (values.length !== count)
    throw cursor.malformed(`tensor "${stored.name}" declares ${count} strings, ${values.length} are stored`);
  return { kind: 'strings', values };
}

function* typedData(
  context: ReadContext,
  stored: StoredData,
  dtype: DType,
  expected: number,
  payloads: readonly ByteRange[],
): Reading<TensorData> {
  const { field } = stored.typed!;
  if (typedFieldOf(dtype) !== field)
    throw context.cursor.malformed(`tensor "${stored.name}" (${dtype}) has its data in ${field}`);
  const count = elementCount(stored.dims);
  const actual = payloads.reduce((sum, payload) => sum + payload.byteLength, 0);
  if (isRawLayout(field)) {
    if (actual !== expected) throw mismatch(stored, dtype, expected, actual);
  } else if (actual < typedEntryCount(dtype, count) || actual > typedEntryCount(dtype, count) * 10)
    // A varint has 1 to 10 bytes; whether the count is right within these bounds shows when it is decoded.
    throw context.cursor.malformed(`tensor "${stored.name}" has ${actual} bytes of ${field} for ${count} elements`);
  if (expected <= smallPayloadBytes) {
    const loaded: Uint8Array[] = [];
    for (const { source, offset, byteLength } of payloads) {
      if (source.readSync) loaded.push(source.readSync(offset, byteLength));
      else loaded.push(yield* context.cursor.copyRange(offset, byteLength));
    }
    const bytes = decodeTypedField({ name: stored.name, dtype, dims: stored.dims }, field, loaded, count);
    const data: TensorData = { kind: 'bytes', bytes };
    dataForms.set(data, { dtype, field, payloads: loaded });
    return data;
  }
  const [only] = payloads;
  if (payloads.length > 1 || !isRawLayout(field)) return { kind: 'typed-field', field, payloads };
  const data: TensorData = { kind: 'range', range: only! };
  dataForms.set(data, { dtype, field, payloads });
  return data;
}

const isRawLayout = (field: TypedDataField): boolean => field === 'float_data' || field === 'double_data';
