/** Nodes of one graph before they have their places: constants folded into their readers, inputs and outputs beside them. */
import { tensorBytes } from '../analysis/value-size.ts';
import { constantNodeTensor } from '../ir/constant.ts';
import type { Graph, Node, Tensor, ValueInfo } from '../ir/types.ts';
import { implicitInputsOf, isDefaultDomain, opName } from '../ir/walk.ts';
import type { GraphNode, WeightRef } from './document.ts';
import { nodeLabel } from './node-values.ts';

/** What of a graph (or of a function's body) is read here. */
export interface GraphParts {
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly graph: Graph | undefined;
  /** Constants of this graph and of those around it, by the name they are read by. */
  readonly constants: Constants;
}

export class Constants {
  readonly #own = new Map<string, Tensor>();
  readonly #hidden = new Set<string>();
  readonly #outer: Constants | undefined;

  constructor(outer?: Constants) {
    this.#outer = outer;
  }

  add(name: string, tensor: Tensor): void {
    this.#own.set(name, tensor);
  }

  /** A name that a graph computes itself, whatever it means outside. */
  hide(name: string): void {
    this.#hidden.add(name);
  }

  get(name: string): Tensor | undefined {
    const own = this.#own.get(name);
    if (own || this.#hidden.has(name)) return own;
    return this.#outer?.get(name);
  }
}

/** A node before it has its place. */
export interface Draft {
  readonly at: number;
  readonly kind: GraphNode['kind'];
  readonly index: number;
  readonly name: string;
  readonly op: string;
  readonly node: Node | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly weights: readonly WeightRef[];
}

/** Inputs, operators, outputs; constants are folded into their readers. */
export function draftsOf({ nodes, inputs, outputs, graph, constants }: GraphParts): Draft[] {
  const drafts: Draft[] = [];
  const add = (draft: Omit<Draft, 'at'>): void => void drafts.push({ ...draft, at: drafts.length });
  const value = (kind: 'input' | 'output', name: string, op: string, index: number) =>
    add({
      kind,
      index,
      name,
      op,
      node: undefined,
      inputs: kind === 'output' ? [name] : [],
      outputs: kind === 'input' ? [name] : [],
      weights: [],
    });
  const local = new Set<string>();
  for (const [index, { name }] of inputs.entries()) {
    // Before IR version 4 every initializer had to be listed among the inputs.
    if (graph?.initializers.has(name)) continue;
    local.add(name);
    value('input', name, 'Input', index);
  }
  const outputNames = new Set(outputs.map(({ name }) => name));
  for (const node of nodes) for (const output of node.outputs) local.add(output);
  const captured = new Set<string>();
  for (const [index, node] of nodes.entries()) {
    if (isFolded(node, outputNames)) continue;
    const read: string[] = [];
    const weights: WeightRef[] = [];
    const inside = node.attributes.size > 0 ? implicitInputsOf(node) : [];
    const names = inside.length > 0 ? [...node.inputs, ...inside] : node.inputs;
    for (let input = 0; input < names.length; input += 1) {
      const name = names[input]!;
      if (name === '') continue;
      const tensor = constants.get(name);
      if (tensor) weights.push(weightRef(name, input, tensor));
      else {
        read.push(name);
        if (!local.has(name)) captured.add(name);
      }
    }
    add({
      kind: 'op',
      index,
      name: nodeLabel(node),
      op: opName(node),
      node,
      inputs: read,
      outputs: node.outputs,
      weights,
    });
  }
  for (const [index, name] of [...captured].entries()) value('input', name, 'Outer value', index);
  for (const [index, { name }] of outputs.entries()) value('output', name, 'Output', index);
  return drafts;
}

const isFolded = (node: Node, outputs: ReadonlySet<string>): boolean =>
  node.opType === 'Constant' && isDefaultDomain(node.domain) && !outputs.has(node.outputs[0] ?? '');

export function constantsOf(nodes: readonly Node[], graph: Graph | undefined, outer: Constants | undefined): Constants {
  const constants = new Constants(outer);
  for (const input of graph?.inputs ?? []) constants.hide(input.name);
  for (const node of nodes) {
    for (const output of node.outputs) constants.hide(output);
    const tensor = constantNodeTensor(node);
    if (tensor && node.outputs[0]) constants.add(node.outputs[0], tensor);
  }
  for (const [name, tensor] of graph?.initializers ?? []) constants.add(name, tensor);
  for (const { values, dims } of graph?.sparseInitializers ?? []) constants.add(values.name, { ...values, dims });
  return constants;
}

function weightRef(name: string, input: number, tensor: Tensor): WeightRef {
  return { name, input, dtype: tensor.dtype, dims: tensor.dims, bytes: tensorBytes(tensor) };
}

/** So that what a layer gives (a key-value cache) stands with the layer. */
export function outputsBehindProducers(
  order: readonly number[],
  drafts: readonly Draft[],
  producers: readonly (readonly number[])[],
): number[] {
  const behind = new Map<number, number[]>();
  const first: number[] = [];
  for (const { at, kind } of drafts) {
    if (kind !== 'output') continue;
    const producer = producers[at]![0];
    if (producer === undefined) first.push(at);
    else behind.set(producer, [...(behind.get(producer) ?? []), at]);
  }
  return [...first, ...order.flatMap((at) => (drafts[at]!.kind === 'output' ? [] : [at, ...(behind.get(at) ?? [])]))];
}
