/** Parts of a model: what lies between values that are given and values that are wanted, as a model of its own. */
import { StudioError } from '../base/errors/index.ts';
import { LARGEST_PROBE_BYTES } from '../calib/probe-model.ts';
import { attrInt } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import { cloneNode } from '../ir/clone.ts';
import { type DType, dtypeInfo } from '../ir/dtype.ts';
import { tensorByteLength } from '../ir/tensor.ts';
import type { Model, Node, ValueInfo } from '../ir/types.ts';
import { localValues, usedValuesOf } from '../ir/walk.ts';
import { modelToBytes } from '../onnx/write.ts';

export interface PartRequest {
  readonly model: Model;
  /** Values of the main graph that are inputs of the part; whatever makes them is left out. */
  readonly given: ReadonlySet<string>;
  /**
   * Values that are outputs of the part, as float32 where they are floating point. One that is given as well is what
   * its node makes of the given values: `given` cuts the graph at every layer.
   */
  readonly wanted: Iterable<string>;
  /** Of every value that is given, wanted, or an input of the graph. */
  readonly dtypeOf: (value: string) => DType | undefined;
  /** Type in which the caller has a value, where that differs from the model's (a float16 variant of a float32 model). */
  readonly feedTypeOf?: (value: string) => DType | undefined;
}

export interface ModelPart {
  readonly bytes: Uint8Array;
  /** What it reads (given values and inputs of the graph) -> the name of its input for it. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Wanted value -> the name of its output. */
  readonly outputs: ReadonlyMap<string, string>;
}

/**
 * The part as a ModelProto without external data, with the nodes in their order.
 * @throws StudioError calib/model-too-large
 */
export async function modelPart(request: PartRequest): Promise<ModelPart> {
  const { model, given, dtypeOf, feedTypeOf = dtypeOf } = request;
  const { graph } = model;
  const fresh = freshNames(localValues(graph));
  // A given value that is wanted too: its producer writes under another name, and everything reads the given one.
  const remade = new Map([...request.wanted].filter((name) => given.has(name)).map((name) => [name, fresh(name)]));
  const wanted = [...request.wanted].map((name) => remade.get(name) ?? name);
  const { nodes, read } = nodesBetween(graph.nodes, given, new Set(request.wanted));
  const kept = nodes.map((node) => producing(node, given, remade, fresh));

  const inputs = new Map<string, string>();
  const infos: ValueInfo[] = [];
  const casts: Node[] = [];
  const graphInputs = new Set(graph.inputs.map(({ name }) => name));
  for (const name of read) {
    if (!given.has(name) && !graphInputs.has(name)) continue;
    if (!given.has(name) && graph.initializers.has(name)) continue;
    const [has, feeds] = [dtypeOf(name), feedTypeOf(name)];
    const input = has !== feeds && has !== undefined && feeds !== undefined ? fresh(name) : name;
    if (input !== name) casts.push(castNode(input, name, has!));
    inputs.set(name, input);
    infos.push({ name: input, ...(feeds ? { type: { kind: 'tensor' as const, dtype: feeds } } : {}) });
  }
  const outputs = new Map<string, string>();
  const tail: Node[] = [];
  for (const [index, name] of [...request.wanted].entries()) {
    let output = wanted[index]!;
    const dtype = dtypeOf(name);
    if (dtype === 'float16' || dtype === 'bfloat16' || dtype === 'float64') {
      const cast = fresh(name);
      tail.push(castNode(output, cast, 'float32'));
      output = cast;
    }
    outputs.set(name, output);
  }
  const initializers = new Map([...graph.initializers].filter(([name]) => read.has(name) && !given.has(name)));
  const bytes = [...initializers.values()].reduce((sum, tensor) => sum + tensorByteLength(tensor), 0);
  if (bytes > LARGEST_PROBE_BYTES)
    throw new StudioError('calib/model-too-large', { bytes, limit: LARGEST_PROBE_BYTES });
  const part: Model = {
    ...model,
    // Before version 4 every initializer had to be an input as well.
    irVersion: Math.max(4, model.irVersion),
    docString: '',
    metadataProps: new Map(),
    trainingInfo: [],
    graph: {
      ...graph,
      nodes: [...casts, ...kept, ...tail],
      inputs: infos,
      outputs: [...outputs.values()].map((name) => ({ name })),
      initializers,
      sparseInitializers: graph.sparseInitializers.filter(({ values }) => read.has(values.name)),
      valueInfo: new Map(),
      quantizationAnnotations: [],
    },
  };
  return { bytes: await modelToBytes(part), inputs, outputs };
}

/**
 * The nodes that the wanted values come from without going past a given one, in their order, and all values that these
 * nodes read.
 */
export function nodesBetween(
  nodes: readonly Node[],
  given: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): { readonly nodes: readonly Node[]; readonly read: ReadonlySet<string> } {
  const needed = new Set(wanted);
  const read = new Set<string>();
  const kept: Node[] = [];
  // Topological order, backwards: every reader comes before what it reads.
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const node = nodes[at]!;
    if (!node.outputs.some((output) => needed.has(output) && (wanted.has(output) || !given.has(output)))) continue;
    kept.push(node);
    for (const value of usedValuesOf(node)) {
      read.add(value);
      needed.add(value);
    }
  }
  return { nodes: kept.reverse(), read };
}

/** A copy of the node that does not make what is given. */
function producing(
  node: Node,
  given: ReadonlySet<string>,
  remade: ReadonlyMap<string, string>,
  fresh: (name: string) => string,
): Node {
  if (!node.outputs.some((output) => given.has(output))) return node;
  const copy = cloneNode(node);
  copy.outputs = copy.outputs.map((output) => remade.get(output) ?? (given.has(output) ? fresh(output) : output));
  return copy;
}

function castNode(from: string, to: string, dtype: DType): Node {
  return makeNode({
    opType: 'Cast',
    inputs: [from],
    outputs: [to],
    attributes: { to: attrInt(dtypeInfo[dtype].onnx) },
  });
}

function freshNames(taken: Set<string>): (name: string) => string {
  return (name) => {
    let candidate = `${name}/part`;
    for (let i = 1; taken.has(candidate); i += 1) candidate = `${name}/part${i}`;
    taken.add(candidate);
    return candidate;
  };
}
