import type { Node } from './types.ts';
import { implicitInputsOf, usedValuesOf } from './walk.ts';

export interface TopologicalOrder {
  readonly order: Node[];
  /** Nodes of one cycle, each reading from the one before; undefined when there is none. */
  readonly cycle?: readonly Node[];
}

/**
 * Sorts nodes so that each comes after those it reads from, values captured by its subgraphs included. Stable: a list
 * in a valid order stays as it is, otherwise producers move up to just before their first reader. Values that nobody in
 * the list produces (inputs, initializers, outer scope) count as there. Linear in nodes and edges, no recursion.
 */
export function topologicalOrder(nodes: readonly Node[]): TopologicalOrder {
  if (isOrdered(nodes)) return { order: [...nodes] };
  const producers = new Map<string, Node>();
  for (const node of nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node);

  const state = new Map<Node, 'open' | 'done'>();
  const order: Node[] = [];
  for (const root of nodes) {
    if (state.has(root)) continue;
    const stack = [{ node: root, reads: usedValuesOf(root), next: 0 }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      if (frame.next === frame.reads.length) {
        state.set(frame.node, 'done');
        order.push(frame.node);
        stack.pop();
        continue;
      }
      const producer = producers.get(frame.reads[frame.next]!);
      frame.next += 1;
      if (!producer || state.get(producer) === 'done') continue;
      if (state.get(producer) === 'open') {
        const open = stack.map((entry) => entry.node);
        return { order, cycle: open.slice(open.indexOf(producer)) };
      }
      state.set(producer, 'open');
      stack.push({ node: producer, reads: usedValuesOf(producer), next: 0 });
    }
  }
  return { order };
}

/** The usual case, told without building anything for each node. */
function isOrdered(nodes: readonly Node[]): boolean {
  const madeAt = new Map<string, number>();
  for (const [at, node] of nodes.entries())
    for (const output of node.outputs) if (output !== '') madeAt.set(output, at);
  for (const [at, node] of nodes.entries()) {
    for (const input of node.inputs) if ((madeAt.get(input) ?? -1) >= at) return false;
    for (const value of implicitInputsOf(node)) if ((madeAt.get(value) ?? -1) >= at) return false;
  }
  return true;
}
