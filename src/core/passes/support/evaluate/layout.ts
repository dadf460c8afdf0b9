/**
 * Operators that only move elements (Slice, Concat, Transpose, Gather, Expand, Split) or only rename the shape
 * (Reshape, Squeeze, Unsqueeze, Flatten, Identity), computed on raw bytes: exact for every dtype of whole bytes.
 */
import { dtypeInfo } from '../../../ir/dtype.ts';
import { readTensorBytes, tensorFromBytes } from '../../../ir/tensor.ts';
import type { Tensor } from '../../../ir/types.ts';

export function product(dims: readonly number[]): number {
  return dims.reduce((total, dim) => total * dim, 1);
}

/** Bytes an element takes, or undefined for strings and packed types. */
export function elementBytes(tensor: Tensor): number | undefined {
  const { bits } = dtypeInfo[tensor.dtype];
  return bits >= 8 ? bits / 8 : undefined;
}

/** The same elements under other dims; shares the data, wherever it lies. */
export function withDims(tensor: Tensor, dims: readonly number[]): Tensor | undefined {
  if (product(dims) !== product(tensor.dims)) return undefined;
  return { ...tensor, dims: [...dims] };
}

/** Row-major strides, in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}

/**
 * Gathers a strided view into a fresh array.
 * @param dims of the result
 * @param strides elements of the source to step over per axis of the result; 0 repeats, negative walks back
 * @param offset first element
 */
export function copyStrided(
  source: Uint8Array,
  itemBytes: number,
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
): Uint8Array {
  const total = product(dims);
  const target = new Uint8Array(total * itemBytes);
  if (total === 0) return target;
  const { outer, outerStrides, run } = contiguousTail(dims, strides);
  const index = new Array<number>(outer.length).fill(0);
  let position = offset;
  for (let written = 0; written < total; written += run) {
    target.set(source.subarray(position * itemBytes, (position + run) * itemBytes), written * itemBytes);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      position += outerStrides[axis]!;
      if (++index[axis]! < outer[axis]!) break;
      position -= outerStrides[axis]! * outer[axis]!;
      index[axis] = 0;
    }
  }
  return target;
}

/** Splits the axes into those to loop over and a tail that lies in one piece in the source. */
function contiguousTail(dims: readonly number[], strides: readonly number[]) {
  let run = 1;
  let split = dims.length;
  while (split > 0 && (strides[split - 1] === run || dims[split - 1] === 1)) {
    run *= dims[split - 1]!;
    split -= 1;
  }
  return { outer: dims.slice(0, split), outerStrides: strides.slice(0, split), run };
}

async function strided(
  tensor: Tensor,
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
): Promise<Tensor | undefined> {
  const itemBytes = elementBytes(tensor);
  if (itemBytes === undefined) return undefined;
  const bytes = await readTensorBytes(tensor);
  return tensorFromBytes('', tensor.dtype, [...dims], copyStrided(bytes, itemBytes, dims, strides, offset));
}

export function transpose(tensor: Tensor, perm: readonly number[]): Promise<Tensor | undefined> {
  const strides = stridesOf(tensor.dims);
  return strided(
    tensor,
    perm.map((axis) => tensor.dims[axis]!),
    perm.map((axis) => strides[axis]!),
    0,
  );
}

/** Expand: multidirectional broadcasting against `shape`. */
export async function expand(tensor: Tensor, shape: readonly number[]): Promise<Tensor | undefined> {
  const dims = broadcastDims(tensor.dims, shape);
  if (dims === undefined) return undefined;
  return strided(tensor, dims, broadcastStrides(tensor.dims, dims), 0);
}

/** The shape two operands broadcast to (numpy's rule), or undefined when they do not. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims = new Array<number>(rank);
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    dims[axis] = left === 1 ? right : left;
  }
  return dims;
}

/** Strides with which an operand of dims `from` is read when broadcast to `to`. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => {
    const own = axis - missing;
    return own < 0 || from[own] === 1 ? 0 : strides[own]!;
  });
}

export interface SliceRange {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Slice with the clamping of ONNX Slice-13. */
export function slice(tensor: Tensor, ranges: readonly SliceRange[]): Promise<Tensor | undefined> {
  const dims = [...tensor.dims];
  const strides = stridesOf(tensor.dims);
  let offset = 0;
  for (const range of ranges) {
    const axis = range.axis < 0 ? range.axis + dims.length : range.axis;
    const size = tensor.dims[axis];
    if (size === undefined || range.step === 0) return Promise.resolve(undefined);
    const { first, count } = clampRange(range, size);
    offset += first * strides[axis]!;
    dims[axis] = count;
    strides[axis]! *= range.step;
  }
  return strided(tensor, dims, strides, product(dims) === 0 ? 0 : offset);
}

/** First index and number of elements of a slice of an axis of `size` elements. */
export function clampRange(range: Omit<SliceRange, 'axis'>, size: number): { first: number; count: number } {
  const { step } = range;
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, low), high);
  const first = step > 0 ? clamp(range.start) : Math.min(Math.max(clamp(range.start), 0), high);
  const count = Math.max(0, Math.ceil((clamp(range.end) - first) / step));
  return { first, count };
}

export async function concat(tensors: readonly Tensor[], axisGiven: number): Promise<Tensor | undefined> {
  const head = tensors[0];
  const itemBytes = head && elementBytes(head);
  if (head === undefined || itemBytes === undefined) return undefined;
  const rank = head.dims.length;
  const axis = axisGiven < 0 ? axisGiven + rank : axisGiven;
  const fits = (tensor: Tensor) =>
    tensor.dtype === head.dtype &&
    tensor.dims.length === rank &&
    tensor.dims.every((dim, at) => at === axis || dim === head.dims[at]);
  if (axis < 0 || axis >= rank || !tensors.every(fits)) return undefined;
  const dims = [...head.dims];
  dims[axis] = tensors.reduce((total, tensor) => total + tensor.dims[axis]!, 0);
  const target = new Uint8Array(product(dims) * itemBytes);
  const outer = product(dims.slice(0, axis));
  const rowBytes = product(dims.slice(axis)) * itemBytes;
  let column = 0;
  for (const tensor of tensors) {
    const bytes = await readTensorBytes(tensor);
    const pieceBytes = product(tensor.dims.slice(axis)) * itemBytes;
    for (let row = 0; row < outer; row++) {
      target.set(bytes.subarray(row * pieceBytes, (row + 1) * pieceBytes), row * rowBytes + column);
    }
    column += pieceBytes;
  }
  return tensorFromBytes('', head.dtype, dims, target);
}

/** Gather along one axis; undefined for an index out of range. */
export async function gather(
  tensor: Tensor,
  indices: readonly number[],
  indexDims: readonly number[],
  axisGiven: number,
): Promise<Tensor | undefined> {
  const itemBytes = elementBytes(tensor);
  const axis = axisGiven < 0 ? axisGiven + tensor.dims.length : axisGiven;
  const size = tensor.dims[axis];
  if (itemBytes === undefined || size === undefined) return undefined;
  if (indices.some((index) => index < -size || index >= size)) return undefined;
  const outer = product(tensor.dims.slice(0, axis));
  const blockBytes = product(tensor.dims.slice(axis + 1)) * itemBytes;
  const bytes = await readTensorBytes(tensor);
  const target = new Uint8Array(outer * indices.length * blockBytes);
  let written = 0;
  for (let row = 0; row < outer; row++) {
    for (const index of indices) {
      const at = (row * size + (index < 0 ? index + size : index)) * blockBytes;
      target.set(bytes.subarray(at, at + blockBytes), written);
      written += blockBytes;
    }
  }
  const dims = [...tensor.dims.slice(0, axis), ...indexDims, ...tensor.dims.slice(axis + 1)];
  return tensorFromBytes('', tensor.dtype, dims, target);
}
