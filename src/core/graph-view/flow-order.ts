/** An order of nodes in which each stretch belongs together: the base of repeat detection and of drawing. */

/** By node, the nodes that make what it reads, in the order of its inputs. May repeat. */
export type Producers = readonly (readonly number[])[];

export interface FlowOrder {
  /** Node indices, producers before consumers except along `backEdges`. */
  readonly order: readonly number[];
  /** How many edges had to be ignored because they close cycles. */
  readonly backEdges: number;
}

/**
 * Depth-first postorder from the last nodes on: what leads to a node stands right before it, whatever the order of the
 * file, so equal layers become equal stretches. Linear in nodes and edges, no recursion; cycles are cut.
 * @param roots nodes to begin with; those that they do not reach come after, in their own order
 */
export function flowOrder(producers: Producers, roots: readonly number[]): FlowOrder {
  const count = producers.length;
  const state = new Uint8Array(count);
  const next = new Int32Array(count);
  const order: number[] = [];
  let backEdges = 0;
  const stack: number[] = [];
  const begin = (node: number) => {
    if (state[node] !== 0) return;
    state[node] = 1;
    stack.push(node);
  };
  const walk = (root: number) => {
    begin(root);
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      const reads = producers[node]!;
      if (next[node] === reads.length) {
        state[node] = 2;
        order.push(node);
        stack.pop();
        continue;
      }
      const producer = reads[next[node]!]!;
      next[node]! += 1;
      if (state[producer] === 1) backEdges += 1;
      else begin(producer);
    }
  };
  for (const root of roots) walk(root);
  for (let node = 0; node < count; node += 1) walk(node);
  return { order, backEdges };
}
