/** Which row each box of a level stands in: longest path from the top, with sources pulled down to their readers. */
import type { Flow } from './types.ts';

export interface Ranks {
  readonly rank: Int32Array;
  readonly count: number;
  /** By flow, by target: whether the target stands below the source. Others close cycles. */
  readonly forward: readonly boolean[][];
}

/**
 * @param pin by box: -1 stands in the first row, 1 in the last, alone; 0 anywhere between
 * @returns rows from 0; linear in boxes and edges, no recursion
 */
export function rankBoxes(boxes: number, flows: readonly Flow[], pin: Int8Array): Ranks {
  const forward = forwardEdges(boxes, flows);
  const hasTop = pin.includes(-1);
  const rank = new Int32Array(boxes).fill(hasTop ? 1 : 0);
  const waiting = new Int32Array(boxes);
  const out: number[][] = Array.from({ length: boxes }, () => []);
  for (const [at, { source, targets }] of flows.entries())
    for (const [index, target] of targets.entries()) {
      if (!forward[at]![index]) continue;
      out[source]!.push(target);
      waiting[target]! += 1;
    }
  const reads = Int32Array.from(waiting);
  const order: number[] = [];
  for (let box = 0; box < boxes; box += 1) {
    if (pin[box] === -1) rank[box] = 0;
    if (waiting[box] === 0) order.push(box);
  }
  for (let at = 0; at < order.length; at += 1) {
    const box = order[at]!;
    for (const target of out[box]!) {
      rank[target] = Math.max(rank[target]!, rank[box]! + 1);
      waiting[target]! -= 1;
      if (waiting[target] === 0) order.push(target);
    }
  }
  pullDown(order, out, reads, rank, pin);
  let last = 0;
  for (let box = 0; box < boxes; box += 1) if (pin[box] !== 1) last = Math.max(last, rank[box]!);
  for (let box = 0; box < boxes; box += 1) if (pin[box] === 1) rank[box] = last + 1;
  const count = compact(rank);
  return { rank, count, forward };
}

/** Boxes with more edges below than above stand better near their readers. */
function pullDown(
  order: readonly number[],
  out: readonly (readonly number[])[],
  reads: Int32Array,
  rank: Int32Array,
  pin: Int8Array,
): void {
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const box = order[at]!;
    const targets = out[box]!;
    if (pin[box] !== 0 || targets.length === 0 || reads[box]! >= targets.length) continue;
    let lowest = Number.POSITIVE_INFINITY;
    for (const target of targets) if (pin[target] !== 1) lowest = Math.min(lowest, rank[target]!);
    if (Number.isFinite(lowest)) rank[box] = Math.max(rank[box]!, lowest - 1);
  }
}

/** Removes rows in which nothing stands. @returns how many there are */
function compact(rank: Int32Array): number {
  let last = -1;
  for (const row of rank) last = Math.max(last, row);
  const used = new Int32Array(last + 1);
  for (const row of rank) used[row] = 1;
  let count = 0;
  for (const [row, isUsed] of used.entries()) {
    used[row] = count;
    count += isUsed;
  }
  for (const [box, row] of rank.entries()) rank[box] = used[row]!;
  return count;
}

/** Depth first from the first boxes on; edges to a box that is still open close a cycle. */
function forwardEdges(boxes: number, flows: readonly Flow[]): boolean[][] {
  const forward = flows.map(({ source, targets }) => targets.map((target) => target !== source));
  const out: { readonly flow: number; readonly index: number; readonly target: number }[][] = Array.from(
    { length: boxes },
    () => [],
  );
  const indegree = new Int32Array(boxes);
  for (const [flow, { source, targets }] of flows.entries())
    for (const [index, target] of targets.entries())
      if (target !== source) {
        out[source]!.push({ flow, index, target });
        indegree[target]! += 1;
      }
  const state = new Uint8Array(boxes);
  const next = new Int32Array(boxes);
  const stack: number[] = [];
  const walk = (root: number) => {
    if (state[root] !== 0) return;
    state[root] = 1;
    stack.push(root);
    while (stack.length > 0) {
      const box = stack[stack.length - 1]!;
      const edge = out[box]![next[box]!];
      if (!edge) {
        state[box] = 2;
        stack.pop();
        continue;
      }
      next[box]! += 1;
      if (state[edge.target] === 1) forward[edge.flow]![edge.index] = false;
      else if (state[edge.target] === 0) {
        state[edge.target] = 1;
        stack.push(edge.target);
      }
    }
  };
  // What nothing leads to first: then cycles are cut where they lead back to what came before.
  for (let box = 0; box < boxes; box += 1) if (indegree[box] === 0) walk(box);
  for (let box = 0; box < boxes; box += 1) walk(box);
  return forward;
}
