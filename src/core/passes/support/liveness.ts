/** Which nodes of a graph contribute to its outputs. */
import type { Graph, Node } from '../../ir/types.ts';
import { usedValuesOf } from '../../ir/walk.ts';

/**
 * Nodes reachable from the outputs, and from nodes that must stay.
 * @param mustStay nodes that are kept whether anybody reads them or not
 */
export function liveNodes(graph: Graph, mustStay: (node: Node) => boolean): Set<Node> {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node);
  const live = new Set<Node>();
  const pending: Node[] = [];
  const mark = (node: Node | undefined) => {
    if (node === undefined || live.has(node)) return;
    live.add(node);
    pending.push(node);
  };
  for (const { name } of graph.outputs) mark(producers.get(name));
  for (const node of graph.nodes) if (mustStay(node)) mark(node);
  for (let node = pending.pop(); node; node = pending.pop()) {
    for (const value of usedValuesOf(node)) mark(producers.get(value));
  }
  return live;
}

/** Values that the graph's nodes (subgraphs included) or its outputs read. */
export function usedValues(graph: Graph): Set<string> {
  const used = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) for (const value of usedValuesOf(node)) used.add(value);
  return used;
}
