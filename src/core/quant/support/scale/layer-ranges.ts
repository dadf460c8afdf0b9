/** The magnitudes of a layer's weight by output and input channel. */
import { intAttr } from '../../../ir/attributes.ts';
import { elementCount } from '../../../ir/tensor.ts';
import type { Node } from '../../../ir/types.ts';
import { readNumbers } from '../../../passes/support/weights.ts';
import type { WeightSource } from '../weights.ts';
import type { LayerRanges } from './equalize-ranges.ts';

/**
 * @param source of the node's weight: Conv [M, C / groups, ...], ConvTranspose [C, M, ...] of one group, MatMul [K, N],
 *   Gemm [K, N] or transposed
 */
export async function layerRanges(
  node: Node,
  { tensor: weight, transposed }: Pick<WeightSource, 'tensor' | 'transposed'>,
): Promise<LayerRanges> {
  const values = await readNumbers(weight);
  const rank = weight.dims.length;
  const isConvolution = node.opType === 'Conv' || node.opType === 'ConvTranspose';
  const [first, second] = (isConvolution ? weight.dims.slice(0, 2) : weight.dims.slice(rank - 2)) as [number, number];
  const inner = isConvolution ? elementCount(weight.dims.slice(2)) : 1;
  const readRows = node.opType === 'Conv' || (node.opType === 'Gemm' && intAttr(node, 'transB', 0) !== 0);
  const outputsFirst = readRows !== transposed;
  const [outputs, inputs] = outputsFirst ? [first, second] : [second, first];
  const magnitudes = new Float64Array(first * second);
  for (let a = 0, at = 0; a < first; a += 1)
    for (let b = 0; b < second; b += 1) {
      let largest = 0;
      for (let i = 0; i < inner; i += 1, at += 1) largest = Math.max(largest, Math.abs(values[at]!));
      magnitudes[outputsFirst ? a * inputs + b : b * inputs + a] = largest;
    }
  return { magnitudes, outputs, inputs, groups: node.opType === 'Conv' ? intAttr(node, 'group', 1) : 1 };
}
