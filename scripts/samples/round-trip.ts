/**
 * Rounds every large float weight to a symmetric grid and back: what a weight-only quantizer does to a model, without any
 * of its file format. Shows how far a task's metric moves; it is no quantizer.
 */

import { readTensorFloats, tensorFromNumbers } from '../../src/core/ir/tensor.ts';
import type { Graph, Model, Tensor } from '../../src/core/ir/types.ts';
import { forEachGraph } from '../../src/core/ir/walk.ts';

const MIN_ELEMENTS = 64;

/**
 * Edits the model in place: initializers and Constant nodes, in subgraphs too; tensors of two axes or more.
 * @param granularity one scale for the tensor, or one for each output channel (axis 1 of matrices, axis 0 of the others)
 * @returns how many tensors were rounded
 */
export async function roundTripWeights(model: Model, bits: number, granularity: 'tensor' | 'channel'): Promise<number> {
  const graphs: Graph[] = [];
  forEachGraph(model, (graph) => {
    graphs.push(graph);
  });
  let count = 0;
  const rounded = async (tensor: Tensor): Promise<Tensor | undefined> => {
    const elements = tensor.dims.reduce((product, dim) => product * dim, 1);
    if (tensor.dtype !== 'float32' || tensor.dims.length < 2 || elements < MIN_ELEMENTS) return undefined;
    count += 1;
    const values = (await readTensorFloats(tensor)).slice();
    roundToGrid(values, tensor.dims, 2 ** (bits - 1) - 1, granularity);
    return tensorFromNumbers(tensor.name, 'float32', tensor.dims, values);
  };
  for (const graph of graphs) {
    for (const [name, tensor] of graph.initializers) graph.initializers.set(name, (await rounded(tensor)) ?? tensor);
    for (const node of graph.nodes) {
      const value = node.opType === 'Constant' ? node.attributes.get('value') : undefined;
      if (value?.type !== 'tensor') continue;
      const tensor = await rounded(value.value);
      if (tensor) node.attributes.set('value', { ...value, value: tensor });
    }
  }
  return count;
}

function roundToGrid(
  values: Float32Array,
  dims: readonly number[],
  levels: number,
  granularity: 'tensor' | 'channel',
): void {
  const axis = dims.length === 2 ? 1 : 0;
  const stride = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const channels = granularity === 'tensor' ? 1 : dims[axis]!;
  const channelOf = (i: number) => (granularity === 'tensor' ? 0 : Math.floor(i / stride) % channels);
  const peaks = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) peaks[channelOf(i)] = Math.max(peaks[channelOf(i)]!, Math.abs(values[i]!));
  for (let i = 0; i < values.length; i++) {
    const scale = peaks[channelOf(i)]! / levels || 1;
    values[i] = Math.round(values[i]! / scale) * scale;
  }
}
