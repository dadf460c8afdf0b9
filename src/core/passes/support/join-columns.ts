/** Matrices beside each other as one, a few rows at a time. */
import { readTensorSlab, tensorByteLength } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { keepTensor } from './keep.ts';

/** What is read of each matrix at once. */
const SLAB_BYTES = 4 * 1024 * 1024;

/**
 * @param matrices [rows, columns] each, of one dtype of whole bytes
 * @returns [rows, all columns], in memory where it is small, otherwise in the host's store
 */
export async function joinColumns(
  ctx: Pick<StepContext, 'store'>,
  name: string,
  matrices: readonly Tensor[],
): Promise<Tensor> {
  const { dtype, dims } = matrices[0]!;
  const rows = dims[0]!;
  const widths = matrices.map((matrix) => tensorByteLength(matrix) / rows);
  const width = widths.reduce((total, one) => total + one, 0);
  const joined = [rows, matrices.reduce((total, matrix) => total + matrix.dims[1]!, 0)];
  async function* slabs(): AsyncGenerator<Uint8Array> {
    const step = Math.max(1, Math.floor(SLAB_BYTES / Math.max(...widths)));
    for (let start = 0; start < rows; start += step) {
      const count = Math.min(step, rows - start);
      const slab = new Uint8Array(count * width);
      let offset = 0;
      for (const [at, matrix] of matrices.entries()) {
        const own = widths[at]!;
        const bytes = await readTensorSlab(matrix, start * own, count * own);
        for (let row = 0; row < count; row++)
          slab.set(bytes.subarray(row * own, (row + 1) * own), row * width + offset);
        offset += own;
      }
      yield slab;
    }
  }
  if (rows * width > SLAB_BYTES) return { name, dtype, dims: joined, data: await ctx.store.put(rows * width, slabs()) };
  const slab = (await slabs().next()).value as Uint8Array;
  return keepTensor(ctx, name, dtype, joined, slab);
}
