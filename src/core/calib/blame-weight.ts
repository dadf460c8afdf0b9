/** NaN in a measured value often comes from a weight, and then it is the weight that the user should hear of. */
import { StudioError } from '../base/errors/index.ts';
import { constantNodeTensor } from '../ir/constant.ts';
import { elementCount, readTensorFloats } from '../ir/tensor.ts';
import type { Model, Tensor } from '../ir/types.ts';
import { forEachGraph } from '../ir/walk.ts';

const floatTypes: ReadonlySet<string> = new Set(['float32', 'float16', 'bfloat16', 'float64']);

/**
 * @param error of a calibration
 * @returns `pass/bad-weight` where a value that nodes make was not finite and a weight is to blame; else the error
 */
export async function blameWeight(model: Model, error: unknown): Promise<unknown> {
  if (!(error instanceof StudioError) || error.code !== 'calib/not-finite') return error;
  if (model.graph.inputs.some(({ name }) => name === error.data.tensor)) return error;
  const weights: [string, Tensor][] = [];
  forEachGraph(model, (graph) => {
    weights.push(...graph.initializers);
    for (const node of graph.nodes) {
      const tensor = constantNodeTensor(node);
      if (tensor) weights.push([node.outputs[0]!, tensor]);
    }
  });
  let infinite: string | undefined;
  for (const [name, tensor] of weights) {
    if (!floatTypes.has(tensor.dtype) || elementCount(tensor.dims) === 0) continue;
    const values = await readTensorFloats(tensor);
    // Vectors and masks may be infinite with good reason; matrices and kernels may not.
    if (values.some(Number.isNaN)) return badWeight(name, error);
    if (tensor.dims.length >= 2 && values.some((value) => !Number.isFinite(value))) infinite ??= name;
  }
  return infinite === undefined ? error : badWeight(infinite, error);
}

const badWeight = (tensor: string, cause: StudioError) =>
  new StudioError('pass/bad-weight', { tensor, reason: 'has NaN or infinite elements' }, cause);
