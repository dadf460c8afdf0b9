/** What the constants of a layer cost in a file, and what identifies them. */
import { constantNodeTensor } from '../ir/constant.ts';
import { tensorByteLength } from '../ir/tensor.ts';
import type { Model, Tensor } from '../ir/types.ts';
import { nodesBetween } from './part.ts';

export interface SegmentFacts {
  /** The constants by which the value is made from matched ones, biases, scales and zero points included. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Matched values that are read. */
  readonly reads: readonly string[];
}

/** @param outputs values that are made from `matched` ones */
export function segmentFacts(model: Model, outputs: Iterable<string>, matched: ReadonlySet<string>): SegmentFacts {
  const { nodes, read } = nodesBetween(model.graph.nodes, matched, new Set(outputs));
  const constants = new Map<string, Tensor>();
  const graphInputs = new Set(model.graph.inputs.map(({ name }) => name));
  for (const node of nodes) {
    const tensor = constantNodeTensor(node);
    if (tensor) constants.set(node.outputs[0]!, tensor);
  }
  for (const name of read) {
    const tensor = model.graph.initializers.get(name);
    if (tensor) constants.set(name, tensor);
  }
  return { constants, reads: [...read].filter((name) => matched.has(name) || graphInputs.has(name)) };
}

export function constantBytes(constants: Iterable<Tensor>): number {
  let bytes = 0;
  for (const tensor of constants) bytes += tensorByteLength(tensor);
  return bytes;
}
