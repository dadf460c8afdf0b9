/** Where the weights that a step makes go: small ones stay in memory, large ones in the host's store. */
import type { DType } from '../../ir/dtype.ts';
import { tensorFromBytes } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';

/** Steps look at tensors up to this size without waiting; larger ones need not be in memory. */
const IN_MEMORY_BYTES = 64 * 1024;

export async function keepTensor(
  ctx: Pick<StepContext, 'store'>,
  name: string,
  dtype: DType,
  dims: readonly number[],
  bytes: Uint8Array,
): Promise<Tensor> {
  if (bytes.byteLength <= IN_MEMORY_BYTES) return tensorFromBytes(name, dtype, dims, bytes);
  return { name, dtype, dims: [...dims], data: await ctx.store.put(bytes.byteLength, [bytes]) };
}
