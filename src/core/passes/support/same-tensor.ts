/** Comparing weights by content, without reading large ones more than needed. */
import { readTensorBytes, readTensorSlab, tensorByteLength } from '../../ir/tensor.ts';
import type { Tensor, TensorData } from '../../ir/types.ts';

/** Bytes looked at in each of three places of a large weight before it is worth comparing. */
const SAMPLE_BYTES = 128;
const PIECE_BYTES = 1 << 20;

/** Content does not change, so it is looked at once, however often the step runs. */
const keys = new WeakMap<TensorData, number>();

/** FNV-1a over bytes; only decides what is compared, never what is equal. */
function hashBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** What is known without reading: tensors with different shells differ. */
export const shellOf = (tensor: Tensor): string => `${tensor.dtype}[${tensor.dims.join(',')}]`;

/** Equal tensors have equal keys; tensors with equal keys are most likely equal. */
export async function likenessKey(tensor: Tensor): Promise<string> {
  let hash = keys.get(tensor.data);
  if (hash === undefined) {
    hash = await sampleHash(tensor);
    keys.set(tensor.data, hash);
  }
  return `${shellOf(tensor)}${hash}`;
}

async function sampleHash(tensor: Tensor): Promise<number> {
  if (tensor.data.kind === 'strings')
    return tensor.data.values.reduce((all, value) => hashBytes(value, all), 0x811c9dc5);
  let hash = 0x811c9dc5;
  for (const [start, length] of samples(tensorByteLength(tensor))) {
    hash = hashBytes(await readTensorSlab(tensor, start, length), hash);
  }
  return hash;
}

function samples(total: number): [number, number][] {
  if (total <= 3 * SAMPLE_BYTES) return [[0, total]];
  return [
    [0, SAMPLE_BYTES],
    [Math.floor(total / 2), SAMPLE_BYTES],
    [total - SAMPLE_BYTES, SAMPLE_BYTES],
  ];
}

/** Same dtype, dims and bytes. */
export async function sameTensor(a: Tensor, b: Tensor): Promise<boolean> {
  if (a.data === b.data && a.dtype === b.dtype && sameDims(a, b)) return true;
  if (a.dtype !== b.dtype || !sameDims(a, b)) return false;
  if (a.data.kind === 'strings' || b.data.kind === 'strings') return sameStrings(a, b);
  if (a.data.kind !== 'range' || b.data.kind !== 'range') {
    return sameBytes(await readTensorBytes(a), await readTensorBytes(b));
  }
  const total = tensorByteLength(a);
  for (let at = 0; at < total; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, total - at);
    if (!sameBytes(await readTensorSlab(a, at, length), await readTensorSlab(b, at, length))) return false;
  }
  return true;
}

const sameDims = (a: Tensor, b: Tensor) =>
  a.dims.length === b.dims.length && a.dims.every((dim, axis) => dim === b.dims[axis]);

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let at = 0; at < a.byteLength; at++) if (a[at] !== b[at]) return false;
  return true;
}

function sameStrings(a: Tensor, b: Tensor): boolean {
  const { data: left } = a;
  const { data: right } = b;
  if (left.kind !== 'strings' || right.kind !== 'strings') return false;
  return left.values.every((value, at) => sameBytes(value, right.values[at]!));
}
