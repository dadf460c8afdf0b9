/**
 * Which nodes of the file a node of the runtime stands for. A runtime rewrites the graph while it loads it, and its
 * profile has only its own names. onnxruntime (1.30) keeps the name and the index of what it leaves alone, and builds
 * the names of what it makes out of the names of nodes, or of values, that these replace:
 *
 *   conv1/MatMulAddFusion   mul3/LayerNormFusion/   conv1_token_12   relu1_out_nchwc   If_0_then_branch__Inline_0__mul
 */
import type { Model, Node } from '../ir/types.ts';
import { forEachNode } from '../ir/walk.ts';
import { NameIndex } from './name-pieces.ts';
import type { NodeOrigin, RuntimeTrace, TraceNode } from './types.ts';

export interface MappedNode {
  readonly trace: TraceNode;
  readonly origin: NodeOrigin;
  /** Empty for what the runtime added; the first is the one that it is named after. */
  readonly nodes: readonly Node[];
}

export interface NodeMap {
  /** As in the trace. */
  readonly mapped: readonly MappedNode[];
  /** Nodes of the main graph that did not run themselves but are part of a node that the runtime made. */
  readonly absorbed: number;
  /** Those of which nothing in the trace speaks: computed while loading, or rewritten under names of the runtime's own. */
  readonly untraced: number;
}

export function mapNodes(trace: RuntimeTrace, model: Model): NodeMap {
  const names = namesOf(model);
  const groups = new Map<TraceNode, Node[]>();
  const ownerOf = new Map<Node, TraceNode>();
  const assign = (run: TraceNode, node: Node) => {
    ownerOf.set(node, run);
    const group = groups.get(run);
    if (group) group.push(node);
    else groups.set(run, [node]);
  };
  const origins = new Map<TraceNode, NodeOrigin>();

  for (const run of trace.nodes) {
    const node = names.node(run);
    if (!node || ownerOf.has(node)) continue;
    assign(run, node);
    origins.set(run, node.opType === run.opType ? 'file' : 'rewritten');
  }
  for (const run of trace.nodes) {
    if (groups.has(run)) continue;
    // What runs itself was not replaced.
    const node = names.pieces.ofLongestPiece(run.name, (found) => !ownerOf.has(found));
    if (!node) continue;
    assign(run, node);
    origins.set(run, 'rewritten');
  }
  const absorbed = absorb(model, ownerOf, (run) => origins.get(run) === 'rewritten', assign);
  const constants = (node: Node) => node.opType === 'Constant';
  const rest = model.graph.nodes.filter((node) => !ownerOf.has(node) && !constants(node)).length;
  return {
    mapped: trace.nodes.map((run) => ({
      trace: run,
      origin: origins.get(run) ?? 'runtime',
      nodes: groups.get(run) ?? [],
    })),
    absorbed,
    untraced: rest,
  };
}

interface Names {
  /** The node that this one is, by name, or, for nodes without one, by index. */
  node(run: TraceNode): Node | undefined;
  /** Nodes that a piece of a name may mean: one of this name, or the one that makes the value of this name. */
  readonly pieces: NameIndex<Node>;
}

function namesOf(model: Model): Names {
  const byName = new Map<string, Node | null>();
  const pieces = new NameIndex<Node>();
  forEachNode(model, (node) => {
    // Names need not be unique; one that is not says nothing.
    if (node.name !== '') byName.set(node.name, byName.has(node.name) ? null : node);
    for (const output of node.outputs) if (output !== '') pieces.add(output, node);
  });
  for (const [name, node] of byName) if (node) pieces.add(name, node);
  // The runtime turns Constant nodes into initializers before it counts.
  const byIndex = model.graph.nodes.filter(({ opType }) => opType !== 'Constant');
  return {
    node(run) {
      const named = byName.get(run.name);
      if (named) return named;
      const indexed = run.index === null ? undefined : byIndex[run.index];
      if (!indexed || indexed.opType !== run.opType) return undefined;
      const isSame = indexed.name === run.name || (indexed.name === '' && run.name === `${run.opType}_${run.index}`);
      return isSame ? indexed : undefined;
    },
    pieces,
  };
}

/**
 * Gives nodes that did not run to the made node beside them: one whose values go to a group alone belongs to it (the
 * DequantizeLinear of a weight), and so does one that only reads from a group (the activation behind a convolution).
 * @returns how many
 */
function absorb(
  model: Model,
  ownerOf: Map<Node, TraceNode>,
  isMade: (run: TraceNode) => boolean,
  assign: (run: TraceNode, node: Node) => void,
): number {
  const { nodes, initializers, outputs } = model.graph;
  const producers = new Map<string, Node>();
  const readers = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const output of node.outputs) if (output !== '') producers.set(output, node);
    for (const input of new Set(node.inputs)) {
      const list = readers.get(input);
      if (list) list.push(node);
      else readers.set(input, [node]);
    }
  }
  const results = new Set(outputs.map(({ name }) => name));
  let absorbed = 0;
  const take = (node: Node, run: TraceNode | undefined): boolean => {
    if (!run || !isMade(run)) return false;
    assign(run, node);
    absorbed += 1;
    return true;
  };
  const forwards = (node: Node): TraceNode | undefined => {
    const owners = new Set<TraceNode | undefined>();
    for (const input of node.inputs) {
      const producer = input === '' || initializers.has(input) ? undefined : producers.get(input);
      if (producer && producer.opType !== 'Constant') owners.add(ownerOf.get(producer));
    }
    // What is read from elsewhere (a residual) may run itself; what did not run must be of one group.
    const made = [...owners].filter((run) => run !== undefined && isMade(run));
    return made.length === 1 && !owners.has(undefined) ? made[0] : undefined;
  };
  const backwards = (node: Node): TraceNode | undefined => {
    const owners = new Set<TraceNode | undefined>();
    for (const output of node.outputs) {
      if (results.has(output)) return undefined;
      for (const reader of readers.get(output) ?? []) owners.add(ownerOf.get(reader));
    }
    return owners.size === 1 ? [...owners][0] : undefined;
  };
  const isOpen = (node: Node) => !ownerOf.has(node) && node.opType !== 'Constant';
  // Each sweep follows chains of any length in its direction; a second one reaches what the first made reachable.
  for (let sweep = 0; sweep < 2; sweep += 1) {
    for (let at = nodes.length - 1; at >= 0; at -= 1) if (isOpen(nodes[at]!)) take(nodes[at]!, backwards(nodes[at]!));
    // Sizes are read off a value, not made out of it.
    for (const node of nodes)
      if (isOpen(node) && node.opType !== 'Shape' && node.opType !== 'Size') take(node, forwards(node));
  }
  return absorbed;
}
