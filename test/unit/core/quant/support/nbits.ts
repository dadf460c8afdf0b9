/** What a blockwise quantized weight stands for, by the definition of com.microsoft.MatMulNBits. */
import { readTensorBytes, readTensorFloats } from '../../../../../src/core/ir/tensor.ts';
import type { NBitsMatrix } from '../../../../../src/core/quant/support/nbits-store.ts';
import { codeAt } from '../../../../../src/core/quant/support/pack-nbits.ts';

/** [K, N] in float64. */
export async function weightOf(matrix: NBitsMatrix): Promise<number[]> {
  const { K, N, bits, blockSize } = matrix;
  const packed = await readTensorBytes(matrix.packed);
  const scales = await readTensorFloats(matrix.scales);
  const zeroPoints = matrix.zeroPoints && (await readTensorBytes(matrix.zeroPoints));
  const blocks = Math.ceil(K / blockSize);
  const zeroPointRow = Math.ceil((blocks * bits) / 8);
  return Array.from({ length: K * N }, (_, index) => {
    const k = Math.floor(index / N);
    const n = index % N;
    const block = Math.floor(k / blockSize);
    const code = codeAt(packed, (n * blocks + block) * blockSize + (k % blockSize), bits);
    const zero = zeroPoints ? codeAt(zeroPoints.subarray(n * zeroPointRow), block, bits) : 2 ** (bits - 1);
    return (code - zero) * scales[n * blocks + block]!;
  });
}
