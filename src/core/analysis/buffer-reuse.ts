/**
 * Whose memory an output may take over. onnxruntime's rule (allocation_planner.cc, FindReusableInput and
 * ComputeSingleStreamReusePlan): a kernel that declares an alias shares its input's buffer whatever else reads it; one
 * that declares an in-place pair may write into an input of the same size that nobody reads later; outputs of the graph
 * always get a buffer of their own. Which kernels declare what was measured: the heap of onnxruntime-web 1.30.0 around
 * one operator on 64 MiB, optimizer off (test/unit/core/analysis/buffer-reuse.test.ts repeats it for some). Arithmetic
 * (Add, Mul, Sqrt, Erf, Where, ...), Gelu and the fused activations do not write in place.
 */
import { viewOps } from './op-families.ts';

export type Reuse = 'view' | 'in-place';

/** Operators whose first output may replace their first input. Cast: only to a type of the same size. */
export const inPlaceOps: ReadonlySet<string> = new Set([
  ...['Cast', 'Celu', 'Clip', 'Elu', 'HardSigmoid', 'LeakyRelu', 'LogSoftmax', 'Relu', 'Selu', 'Shrink', 'Sigmoid'],
  ...['Softmax', 'Softplus', 'Softsign', 'Tanh', 'ThresholdedRelu', 'Trilu'],
]);

/** How output 0 of the operator may relate to input 0; undefined: it needs memory of its own. */
export function reuseOf(opType: string): Reuse | undefined {
  if (viewOps.has(opType)) return 'view';
  return inPlaceOps.has(opType) ? 'in-place' : undefined;
}
