/** Clipping a weight's blocks to a part of their range. */
import { bytesOf, readTensorFloats, tensorFromBytes } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { LinearSite } from './linear-sites.ts';

/**
 * @param ratios [blocks, N]: each block of each column keeps [ratio * min, ratio * max], zero included
 * @returns float32, in the order of the stored weight
 */
export async function clipBlocks(
  { weight, K, N, order }: Pick<LinearSite, 'weight' | 'K' | 'N' | 'order'>,
  blockSize: number,
  ratios: Float32Array,
): Promise<Tensor> {
  const { tensor } = weight;
  const values = Float32Array.from(await readTensorFloats(tensor));
  const [kStride, nStride] = order === 'columns' ? [N, 1] : [1, K];
  for (let block = 0; block * blockSize < K; block += 1)
    for (let n = 0; n < N; n += 1) {
      const ratio = ratios[block * N + n]!;
      if (ratio === 1) continue;
      const start = block * blockSize * kStride + n * nStride;
      const size = Math.min(blockSize, K - block * blockSize);
      clipRun(values, start, size, kStride, ratio);
    }
  return tensorFromBytes(tensor.name, 'float32', tensor.dims, bytesOf(values));
}

function clipRun(values: Float32Array, start: number, size: number, stride: number, ratio: number): void {
  let [low, high] = [0, 0];
  for (let i = 0, at = start; i < size; i += 1, at += stride) {
    low = Math.min(low, values[at]!);
    high = Math.max(high, values[at]!);
  }
  low *= ratio;
  high *= ratio;
  for (let i = 0, at = start; i < size; i += 1, at += stride) values[at] = Math.min(Math.max(values[at]!, low), high);
}
