/** The order of vertices within rows: sweeps by the barycentre of neighbours, the best of them by crossings. */
import type { RowGraph } from './trunks.ts';

/** Neighbours in the next row up and down, as slices: of vertex v, list[start[v]] to list[start[v + 1] - 1]. */
export interface Neighbours {
  readonly start: Int32Array;
  readonly list: Int32Array;
  /** Parallel to `list`: which edge it is. */
  readonly edge: Int32Array;
}

export function neighboursOf(from: Int32Array, to: Int32Array, vertices: number): Neighbours {
  const start = new Int32Array(vertices + 1);
  for (const vertex of from) start[vertex + 1]! += 1;
  for (let v = 0; v < vertices; v += 1) start[v + 1]! += start[v]!;
  const fill = start.slice();
  const list = new Int32Array(from.length);
  const edge = new Int32Array(from.length);
  for (let e = 0; e < from.length; e += 1) {
    const at = fill[from[e]!]!;
    fill[from[e]!] = at + 1;
    list[at] = to[e]!;
    edge[at] = e;
  }
  return { start, list, edge };
}

/** Sweeps, down and up in turn; with more vertices fewer, so that the time stays near linear. */
const sweepsFor = (vertices: number): number => (vertices > 60_000 ? 4 : vertices > 20_000 ? 6 : 12);

/** @returns rows of vertices from left to right */
export function orderRows(graph: RowGraph, above: Neighbours, below: Neighbours, checkpoint: () => void): Int32Array[] {
  let rows = initialRows(graph);
  const position = new Float64Array(graph.vertices);
  number(rows, position);
  let best = rows.map((row) => row.slice());
  let fewest = crossings(graph, rows, below, position);
  const sweeps = sweepsFor(graph.vertices);
  for (let sweep = 0, idle = 0; sweep < sweeps && fewest > 0 && idle < 4; sweep += 1) {
    checkpoint();
    const down = sweep % 2 === 0;
    for (let step = 1; step < rows.length; step += 1) {
      const at = down ? step : rows.length - 1 - step;
      sortRow(rows[at]!, down ? above : below, position);
    }
    const count = crossings(graph, rows, below, position);
    idle += 1;
    if (count < fewest) {
      fewest = count;
      best = rows.map((row) => row.slice());
      idle = 0;
    }
  }
  rows = best;
  number(rows, position);
  return rows;
}

function initialRows({ vertices, rank, rows }: RowGraph): Int32Array[] {
  const sizes = new Int32Array(rows);
  for (let v = 0; v < vertices; v += 1) sizes[rank[v]!]! += 1;
  const result = Array.from(sizes, (size) => new Int32Array(size));
  const fill = new Int32Array(rows);
  for (let v = 0; v < vertices; v += 1) {
    const row = rank[v]!;
    result[row]![fill[row]!] = v;
    fill[row]! += 1;
  }
  return result;
}

function number(rows: readonly Int32Array[], position: Float64Array): void {
  for (const row of rows) for (const [at, vertex] of row.entries()) position[vertex] = at;
}

/** Vertices without neighbours there keep their places between the others. */
function sortRow(row: Int32Array, { start, list }: Neighbours, position: Float64Array): void {
  const weights = new Map<number, number>();
  let last = -1;
  for (const vertex of row) {
    const from = start[vertex]!;
    const to = start[vertex + 1]!;
    let sum = 0;
    for (let i = from; i < to; i += 1) sum += position[list[i]!]!;
    if (to > from) last = sum / (to - from);
    weights.set(vertex, last);
  }
  // Typed arrays sort stably with a comparator, as arrays do.
  row.sort((a, b) => weights.get(a)! - weights.get(b)!);
  for (const [at, vertex] of row.entries()) position[vertex] = at;
}

/** Pairs of edges that cross, over all rows: by an accumulator tree, O(E log V) (Barth, Jünger, Mutzel 2002). */
export function crossings(
  graph: RowGraph,
  rows: readonly Int32Array[],
  { start, list }: Neighbours,
  position: Float64Array,
): number {
  let total = 0;
  for (let at = 0; at + 1 < rows.length; at += 1) {
    const width = rows[at + 1]!.length;
    if (width < 2 || rows[at]!.length < 2) continue;
    let size = 1;
    while (size < width) size *= 2;
    const tree = new Int32Array(2 * size);
    for (const vertex of rows[at]!) {
      const ends = Array.from(list.subarray(start[vertex]!, start[vertex + 1]!), (v) => position[v]!);
      ends.sort((a, b) => a - b);
      for (const end of ends) {
        let node = end + size;
        tree[node]! += 1;
        while (node > 1) {
          if (node % 2 === 0) total += tree[node + 1]!;
          node >>= 1;
          tree[node]! += 1;
        }
      }
    }
  }
  return graph.vertices === 0 ? 0 : total;
}
