/** Which nodes of two graphs are the same node. */
import type { GraphNode } from '../graph-view/document.ts';

export interface Matching {
  /** By node before: its node after, or -1. */
  readonly toAfter: Int32Array;
  readonly toBefore: Int32Array;
}

/**
 * Nodes are the same when they have the same operator and a name or an output that only they have; then, where exporters
 * renamed everything, when what they read is the same and they read it in the same way. Linear in nodes and edges.
 */
export function matchNodes(before: readonly GraphNode[], after: readonly GraphNode[]): Matching {
  const toAfter = new Int32Array(before.length).fill(-1);
  const toBefore = new Int32Array(after.length).fill(-1);
  const pair = (a: number, b: number) => {
    toAfter[a] = b;
    toBefore[b] = a;
  };
  const byKey = (keyOf: (node: GraphNode) => string | undefined) => {
    const found = unique(before, toAfter, keyOf);
    for (const [key, b] of unique(after, toBefore, keyOf)) {
      const a = found.get(key);
      if (a !== undefined) pair(a, b);
    }
  };
  byKey(({ name, op }) => (name === '' ? undefined : `${op}\n${name}`));
  byKey(({ outputs, op }) => (outputs[0] ? `${op}\n${outputs[0]}` : undefined));
  matchByInputs(before, after, toAfter, toBefore, pair);
  return { toAfter, toBefore };
}

/** Keys that exactly one unmatched node has. */
function unique(
  nodes: readonly GraphNode[],
  matched: Int32Array,
  keyOf: (node: GraphNode) => string | undefined,
): Map<string, number> {
  const found = new Map<string, number>();
  const several = new Set<string>();
  for (const [index, node] of nodes.entries()) {
    if (matched[index] !== -1) continue;
    const key = keyOf(node);
    if (key === undefined) continue;
    if (found.has(key)) several.add(key);
    else found.set(key, index);
  }
  for (const key of several) found.delete(key);
  return found;
}

/** In flow order, so that what a node reads is matched before it. */
function matchByInputs(
  before: readonly GraphNode[],
  after: readonly GraphNode[],
  toAfter: Int32Array,
  toBefore: Int32Array,
  pair: (a: number, b: number) => void,
): void {
  const beforeProducers = producersOf(before);
  const afterProducers = producersOf(after);
  /** Values before, in the words of the graph after; undefined where a producer has no counterpart. */
  const keyOf = (node: GraphNode, translate: (value: string) => string | undefined): string | undefined => {
    if (node.inputs.length === 0) return undefined;
    const parts: string[] = [node.op, node.attributes];
    for (const value of node.inputs) {
      const translated = translate(value);
      if (translated === undefined) return undefined;
      parts.push(translated);
    }
    for (const { input, dtype, dims } of node.weights) parts.push(`${input}:${dtype}[${dims}]`);
    return parts.join('\n');
  };
  const waiting = new Map<string, number[]>();
  const afterKey = (node: GraphNode) => keyOf(node, (value) => place(afterProducers.get(value), value));
  for (const [index, node] of after.entries()) {
    if (toBefore[index] !== -1) continue;
    const key = afterKey(node);
    if (key !== undefined) waiting.set(key, [...(waiting.get(key) ?? []), index]);
  }
  for (const [index, node] of before.entries()) {
    if (toAfter[index] !== -1) continue;
    const key = keyOf(node, (value) => {
      const producer = beforeProducers.get(value);
      if (!producer) return value;
      const other = toAfter[producer.node]!;
      return other === -1 ? undefined : `#${other}.${producer.output}`;
    });
    const candidates = key === undefined ? undefined : waiting.get(key);
    const free = candidates?.find((candidate) => toBefore[candidate] === -1);
    if (free !== undefined) pair(index, free);
  }
}

const place = (producer: Producer | undefined, value: string) =>
  producer ? `#${producer.node}.${producer.output}` : value;

interface Producer {
  readonly node: number;
  readonly output: number;
}

function producersOf(nodes: readonly GraphNode[]): Map<string, Producer> {
  const found = new Map<string, Producer>();
  for (const [node, { outputs }] of nodes.entries())
    for (const [output, value] of outputs.entries()) if (value !== '') found.set(value, { node, output });
  return found;
}
