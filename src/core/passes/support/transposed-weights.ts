/** Finding matrices that are each other's transposes, a slab at a time. */
import { type CancelSignal, throwIfCancelled } from '../../base/cancel.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { elementCount, readTensorSlab, tensorByteLength, toTypedArray } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';

const SLAB_BYTES = 4 * 1024 * 1024;
/** Of the one matrix that is held while the other streams by: 500 MB are compared in 16 passes. */
const HELD_BYTES = 32 * 1024 * 1024;

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Elements as the bits they are, so that NaN equals itself and 0 differs from -0. */
function wordsOf(bits: number, bytes: Uint8Array): Words {
  const dtype = ({ 8: 'uint8', 16: 'uint16', 32: 'uint32', 64: 'uint64' } as const)[bits as 8];
  return toTypedArray(dtype, bytes.slice()) as Words;
}

async function* rowSlabs(tensor: Tensor, slabBytes: number, signal: CancelSignal) {
  const [rows] = tensor.dims as [number, number];
  const rowBytes = tensorByteLength(tensor) / rows;
  const step = Math.max(1, Math.floor(slabBytes / rowBytes));
  for (let start = 0; start < rows; start += step) {
    throwIfCancelled(signal);
    const count = Math.min(step, rows - start);
    const bytes = await readTensorSlab(tensor, start * rowBytes, count * rowBytes);
    yield { start, count, words: wordsOf(dtypeInfo[tensor.dtype].bits, bytes) };
  }
}

/** The sum over all elements of a hash of value, row and column: equal for a matrix and its transpose read the other way. */
export async function hashOfMatrix(tensor: Tensor, isTurned: boolean, signal: CancelSignal): Promise<number> {
  const columns = tensor.dims[1]!;
  let sum = 0;
  for await (const { start, count, words } of rowSlabs(tensor, SLAB_BYTES, signal))
    for (let row = 0, at = 0; row < count; row++)
      for (let column = 0; column < columns; column++, at++) {
        const [r, c] = isTurned ? [column, start + row] : [start + row, column];
        const word = words[at]!;
        const value = typeof word === 'bigint' ? Number(word & 0xffffffffn) ^ Number(word >> 32n) : word;
        let hash = Math.imul(value ^ Math.imul(r + 1, 0x9e3779b1), 0x85ebca77);
        hash = Math.imul(hash ^ (hash >>> 15) ^ Math.imul(c + 1, 0xc2b2ae3d), 0x27d4eb2f);
        sum = (sum + (hash ^ (hash >>> 13))) | 0;
      }
  return sum;
}

/** Is `b` the transpose of `a`, bit by bit? Both are of rank 2, of one dtype and of turned dims. */
export async function isTransposeOf(a: Tensor, b: Tensor, signal: CancelSignal): Promise<boolean> {
  const [rows, columns] = a.dims as [number, number];
  for await (const held of rowSlabs(a, HELD_BYTES, signal))
    for await (const { start, count, words } of rowSlabs(b, SLAB_BYTES, signal))
      for (let column = 0; column < count; column++)
        for (let row = 0; row < held.count; row++)
          if (held.words[row * columns + start + column] !== words[column * rows + held.start + row]) return false;
  return true;
}

/** Matrices of whole bytes from this size on. */
export function isLargeMatrix({ dims, dtype, data }: Tensor, minBytes: number): boolean {
  const { bits } = dtypeInfo[dtype];
  const isWhole = data.kind !== 'strings' && [8, 16, 32, 64].includes(bits);
  return isWhole && dims.length === 2 && (elementCount(dims) * bits) / 8 >= Math.max(1, minBytes);
}
