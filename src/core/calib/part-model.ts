/** A part of a model as a model of its own, and a session to run it. */
import { StudioError } from '../base/errors/index.ts';
import { cloneNode } from '../ir/clone.ts';
import { tensorByteLength } from '../ir/tensor.ts';
import type { Model, ValueInfo } from '../ir/types.ts';
import { modelToBytes } from '../onnx/write.ts';
import type { Executor, ExecutorSession, HostTensor } from '../step/define.ts';
import { LARGEST_PROBE_BYTES } from './probe-model.ts';
import type { PartPlan } from './walk-plan.ts';

/**
 * @param example what the inputs are in some sample: their types become the part's
 * @param outputs values of the part's nodes
 * @returns a ModelProto without external data
 * @throws StudioError calib/model-too-large
 */
export async function partModel(
  model: Model,
  { nodes, inputs, weights }: PartPlan,
  example: ReadonlyMap<string, HostTensor>,
  outputs: Iterable<string>,
): Promise<Uint8Array> {
  const { graph } = model;
  const initializers = new Map([...graph.initializers].filter(([name]) => weights.has(name)));
  const bytes = [...initializers.values()].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
  if (bytes > LARGEST_PROBE_BYTES)
    throw new StudioError('calib/model-too-large', { bytes, limit: LARGEST_PROBE_BYTES });
  const wanted = new Set(outputs);
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const declared = new Map(graph.inputs.map((input) => [input.name, input]));
  return modelToBytes({
    ...model,
    // Before version 4 every initializer had to be an input as well.
    irVersion: Math.max(4, model.irVersion),
    docString: '',
    metadataProps: new Map(),
    trainingInfo: [],
    graph: {
      name: graph.name,
      nodes: nodes.map(cloneNode),
      inputs: [...inputs].map((name) => declared.get(name) ?? inputLike(name, example.get(name)!)),
      outputs: [...wanted].map((name) => ({ name })),
      initializers,
      sparseInitializers: graph.sparseInitializers,
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => made.has(name) && !wanted.has(name))),
      quantizationAnnotations: [],
    },
  });
}

/** Its sizes are left open: samples may differ in length. */
function inputLike(name: string, { dtype, dims }: HostTensor): ValueInfo {
  return { name, type: { kind: 'tensor', dtype, shape: dims.map(() => null) } };
}

/** A session that stays open where the executor can keep one. */
export async function openPart(executor: Executor, model: Uint8Array): Promise<ExecutorSession> {
  return (await executor.open?.(model)) ?? { run: (feeds) => executor.run(model, feeds), close: async () => {} };
}
