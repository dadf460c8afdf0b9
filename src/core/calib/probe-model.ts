/** The part of a model that makes given values, with these values as its outputs. */
import { StudioError } from '../base/errors/index.ts';
import { cloneModel } from '../ir/clone.ts';
import { tensorByteLength } from '../ir/tensor.ts';
import type { Model, Node } from '../ir/types.ts';
import { implicitInputsOf } from '../ir/walk.ts';
import { modelToBytes } from '../onnx/write.ts';

/** One protobuf file ends at 2 GiB, and a runtime holds the file and the weights at once. */
export const LARGEST_PROBE_BYTES = 1_000_000_000;

/**
 * @param wanted values of the main graph that nodes make
 * @returns a ModelProto without external data
 * @throws StudioError calib/model-too-large
 */
export async function probeModel(model: Model, wanted: ReadonlySet<string>): Promise<Uint8Array> {
  const probe = cloneModel(model);
  const { graph } = probe;
  const { nodes, values } = ancestors(graph.nodes, wanted);
  graph.nodes = nodes;
  graph.outputs = [...wanted].map((name) => ({ name }));
  for (const name of [...graph.initializers.keys()]) if (!values.has(name)) graph.initializers.delete(name);
  // Inputs stay, so that the same feeds fit every probe.
  graph.valueInfo = new Map([...graph.valueInfo].filter(([name]) => values.has(name) && !wanted.has(name)));
  const bytes = [...graph.initializers.values()].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
  if (bytes > LARGEST_PROBE_BYTES)
    throw new StudioError('calib/model-too-large', { bytes, limit: LARGEST_PROBE_BYTES });
  return modelToBytes(probe);
}

/** The nodes that the values come from, in their order, and all values that these read or make. */
function ancestors(nodes: readonly Node[], wanted: ReadonlySet<string>): { nodes: Node[]; values: Set<string> } {
  const values = new Set(wanted);
  const kept: Node[] = [];
  // Topological order, backwards: every reader comes before what it reads.
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const node = nodes[at]!;
    if (!node.outputs.some((output) => values.has(output))) continue;
    kept.push(node);
    for (const input of [...node.inputs, ...implicitInputsOf(node)]) values.add(input);
    for (const output of node.outputs) values.add(output);
  }
  return { nodes: kept.reverse(), values };
}
