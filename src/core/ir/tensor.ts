/** Making tensors and reading their elements. All byte arrays have raw_data layout: little-endian, packed below 8 bits. */
import {
  bfloat16BitsToFloat32,
  float16BitsToFloat32,
  float32ToBfloat16Bits,
  float32ToFloat16Bits,
} from '../base/float16.ts';
import { bitsAt, packBits } from '../base/int4.ts';
import { float32ToMinifloat, type MinifloatKind, minifloatTable } from '../base/minifloat.ts';
import { byteLengthOf, type DType } from './dtype.ts';
import { decodeTypedField } from './typed-field.ts';
import type { Tensor } from './types.ts';

/** 1 for a scalar ([]). */
export function elementCount(dims: readonly number[]): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  return count;
}

/** Payload bytes in raw_data layout; for strings the sum of their UTF-8 lengths. */
export function tensorByteLength(tensor: Tensor): number {
  if (tensor.data.kind !== 'strings') return byteLengthOf(tensor.dtype, elementCount(tensor.dims));
  return tensor.data.values.reduce((sum, value) => sum + value.byteLength, 0);
}

/** @param bytes raw_data layout; kept, not copied */
export function tensorFromBytes(name: string, dtype: DType, dims: readonly number[], bytes: Uint8Array): Tensor {
  const expected = byteLengthOf(dtype, elementCount(dims));
  if (bytes.byteLength !== expected)
    throw new RangeError(`${name}: ${dtype} [${dims.join(', ')}] takes ${expected} bytes, got ${bytes.byteLength}`);
  return { name, dtype, dims: [...dims], data: { kind: 'bytes', bytes } };
}

/**
 * Floats are rounded to nearest, ties to even (beyond the range: infinity for float16/bfloat16/float32, the largest
 * finite number for 8 and 4 bits). Integers are rounded the same way and then clamped to the type's range; NaN is
 * refused. bool: anything but 0 is true.
 */
export function tensorFromNumbers(
  name: string,
  dtype: DType,
  dims: readonly number[],
  numbers: ArrayLike<number>,
): Tensor {
  if (numbers.length !== elementCount(dims))
    throw new RangeError(`${name}: [${dims.join(', ')}] has ${elementCount(dims)} elements, got ${numbers.length}`);
  return tensorFromBytes(name, dtype, dims, encodeNumbers(dtype, numbers));
}

/** int64. */
export function tensorFromInts(name: string, dims: readonly number[], values: readonly (bigint | number)[]): Tensor {
  const out = BigInt64Array.from(values, (value) => BigInt(value));
  return tensorFromBytes(name, 'int64', dims, bytesOf(out));
}

export function tensorFromStrings(name: string, dims: readonly number[], values: readonly string[]): Tensor {
  const encoder = new TextEncoder();
  return {
    name,
    dtype: 'string',
    dims: [...dims],
    data: { kind: 'strings', values: values.map((v) => encoder.encode(v)) },
  };
}

/** Above this many elements `smallValues` declines: an array of boxed numbers is the wrong form for weights. */
const smallValuesLimit = 1 << 20;

/**
 * The elements as numbers, without waiting: only for tensors in memory (all up to 4 KiB are, after reading) that are not
 * strings or complex and have at most 2^20 elements; otherwise undefined. 64-bit integers beyond 2^53 come back as the
 * nearest number, so that INT64_MAX in the `ends` of Slice still means "to the end"; `smallInts` is exact.
 */
export function smallValues(tensor: Tensor): number[] | undefined {
  if (tensor.data.kind !== 'bytes' || elementCount(tensor.dims) > smallValuesLimit) return undefined;
  const at = elementReader(tensor.dtype, tensor.data.bytes);
  return at && Array.from({ length: elementCount(tensor.dims) }, (_, i) => at(i));
}

/** Like `smallValues`, for integer and bool dtypes, exact. */
export function smallInts(tensor: Tensor): bigint[] | undefined {
  if (tensor.data.kind === 'bytes' && (tensor.dtype === 'int64' || tensor.dtype === 'uint64'))
    return Array.from(toTypedArray(tensor.dtype, tensor.data.bytes) as BigInt64Array);
  if (!/^(u?int\d+|bool)$/.test(tensor.dtype)) return undefined;
  return smallValues(tensor)?.map((value) => BigInt(value));
}

/**
 * The whole payload; decodes typed fields. May share memory with the tensor: treat it as read-only.
 * @throws StudioError file/unreadable, file/truncated, model/data-mismatch
 */
export async function readTensorBytes(tensor: Tensor): Promise<Uint8Array> {
  const { data } = tensor;
  switch (data.kind) {
    case 'bytes':
      return data.bytes;
    case 'range':
      return data.range.source.read(data.range.offset, data.range.byteLength);
    case 'typed-field': {
      const payloads = await Promise.all(data.payloads.map((p) => p.source.read(p.offset, p.byteLength)));
      return decodeTypedField(tensor, data.field, payloads, elementCount(tensor.dims));
    }
    case 'strings':
      throw new TypeError(`${tensor.name}: string tensors have no raw bytes`);
  }
}

/** Part of the payload, by byte offset in raw_data layout. Only a typed field of varints has to be decoded as a whole. */
export async function readTensorSlab(tensor: Tensor, byteOffset: number, byteLength: number): Promise<Uint8Array> {
  const total = tensorByteLength(tensor);
  if (byteOffset < 0 || byteLength < 0 || byteOffset + byteLength > total)
    throw new RangeError(`${tensor.name}: bytes ${byteOffset}..${byteOffset + byteLength} of ${total}`);
  if (tensor.data.kind === 'range') {
    const { source, offset } = tensor.data.range;
    return source.read(offset + byteOffset, byteLength);
  }
  return (await readTensorBytes(tensor)).subarray(byteOffset, byteOffset + byteLength);
}

/** Every numeric dtype but complex as float32 (64-bit types are rounded). May share memory: treat it as read-only. */
export async function readTensorFloats(tensor: Tensor): Promise<Float32Array> {
  return floatsOf(tensor.dtype, await readTensorBytes(tensor), elementCount(tensor.dims), tensor.name);
}

/** The first `count` elements of raw_data bytes as float32; see `readTensorFloats`. */
export function floatsOf(dtype: DType, bytes: Uint8Array, count: number, name = 'tensor'): Float32Array {
  if (dtype === 'float32') return (toTypedArray(dtype, bytes) as Float32Array).subarray(0, count);
  const at = elementReader(dtype, bytes);
  if (!at) throw new TypeError(`${name}: ${dtype} elements are no real numbers`);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 1) out[i] = at(i);
  return out;
}

export type AnyTypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const arrayTypes = {
  float32: Float32Array,
  complex64: Float32Array,
  float64: Float64Array,
  complex128: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

/**
 * Elements as a typed array: a view where alignment allows, else a copy. Types that JavaScript lacks come as their
 * bits: float16 and bfloat16 as Uint16Array, bool, 8-bit floats and everything below 8 bits (still packed) as
 * Uint8Array, complex as pairs.
 */
export function toTypedArray(dtype: DType, bytes: Uint8Array): AnyTypedArray {
  const Type = dtype in arrayTypes ? arrayTypes[dtype as keyof typeof arrayTypes] : Uint8Array;
  const size = Type.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new Type(aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(aligned.byteLength / size));
}

/** A view of a typed array's memory. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

/** Reads one element as a number; undefined for dtypes whose elements are none (string, complex, undefined). */
function elementReader(dtype: DType, bytes: Uint8Array): ((index: number) => number) | undefined {
  switch (dtype) {
    case 'string':
    case 'undefined':
    case 'complex64':
    case 'complex128':
      return undefined;
    case 'int4':
    case 'uint4':
      return (i) => bitsAt(bytes, i, 4, dtype === 'int4');
    case 'int2':
    case 'uint2':
      return (i) => bitsAt(bytes, i, 2, dtype === 'int2');
    case 'float4e2m1': {
      const table = minifloatTable(dtype);
      return (i) => table[bitsAt(bytes, i, 4, false)]!;
    }
    case 'float8e4m3fn':
    case 'float8e4m3fnuz':
    case 'float8e5m2':
    case 'float8e5m2fnuz':
    case 'float8e8m0': {
      const table = minifloatTable(dtype);
      return (i) => table[bytes[i]!]!;
    }
    case 'float16':
    case 'bfloat16': {
      const bits = toTypedArray(dtype, bytes) as Uint16Array;
      const decode = dtype === 'float16' ? float16BitsToFloat32 : bfloat16BitsToFloat32;
      return (i) => decode(bits[i]!);
    }
    default: {
      const array = toTypedArray(dtype, bytes);
      return (i) => Number(array[i]!);
    }
  }
}

const integerRanges: Partial<Record<DType, readonly [number, number]>> = {
  int2: [-2, 1],
  uint2: [0, 3],
  int4: [-8, 7],
  uint4: [0, 15],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
};

function encodeNumbers(dtype: DType, numbers: ArrayLike<number>): Uint8Array {
  switch (dtype) {
    case 'float32':
      return bytesOf(Float32Array.from(numbers));
    case 'float64':
      return bytesOf(Float64Array.from(numbers));
    case 'float16':
      return bytesOf(Uint16Array.from(numbers, float32ToFloat16Bits));
    case 'bfloat16':
      return bytesOf(Uint16Array.from(numbers, float32ToBfloat16Bits));
    case 'bool':
      return Uint8Array.from(numbers, (value) => (value === 0 ? 0 : 1));
    case 'int64':
      return bytesOf(BigInt64Array.from(numbers as number[], (v) => clampBig(v, -(2n ** 63n), 2n ** 63n - 1n)));
    case 'uint64':
      return bytesOf(BigUint64Array.from(numbers as number[], (v) => clampBig(v, 0n, 2n ** 64n - 1n)));
    case 'float8e4m3fn':
    case 'float8e4m3fnuz':
    case 'float8e5m2':
    case 'float8e5m2fnuz':
      return Uint8Array.from(numbers, (value) => float32ToMinifloat(dtype, value));
    case 'float4e2m1':
      return packBits(
        Array.from(numbers, (value) => float32ToMinifloat(dtype, value)),
        4,
      );
    default:
      return encodeIntegers(dtype, numbers);
  }
}

function encodeIntegers(dtype: DType, numbers: ArrayLike<number>): Uint8Array {
  const range = integerRanges[dtype];
  if (!range) throw new TypeError(`numbers cannot be stored as ${dtype satisfies DType | MinifloatKind}`);
  const rounded = Array.from(numbers, (value) => Math.min(range[1], Math.max(range[0], roundHalfToEven(value))));
  if (dtype === 'int4' || dtype === 'uint4') return packBits(rounded, 4);
  if (dtype === 'int2' || dtype === 'uint2') return packBits(rounded, 2);
  const Type = dtype === 'uint8' ? Uint8Array : arrayTypes[dtype as 'int32'];
  return bytesOf(Type.from(rounded));
}

function clampBig(value: number, low: bigint, high: bigint): bigint {
  const rounded = roundHalfToEven(value);
  if (rounded >= 2 ** 64) return high;
  if (rounded <= -(2 ** 64)) return low;
  const big = BigInt(rounded);
  return big < low ? low : big > high ? high : big;
}

function roundHalfToEven(value: number): number {
  if (Number.isNaN(value)) throw new RangeError('NaN cannot be stored as an integer');
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}
