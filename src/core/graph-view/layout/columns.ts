/**
 * Horizontal places: Brandes and Köpf, "Fast and Simple Horizontal Coordinate Assignment" (2001). Four layouts, each
 * aligned to the upper or lower neighbours and packed to the left or right, are averaged; chains of long edges come out
 * straight. Compaction follows the order of blocks (as in the authors' later erratum) instead of their recursive one.
 */
import type { Neighbours } from './rows.ts';

export interface ColumnInput {
  readonly rows: readonly Int32Array[];
  readonly above: Neighbours;
  readonly below: Neighbours;
  readonly width: Float32Array;
  /** Vertices from this number on are points of long edges. */
  readonly boxes: number;
  /** Free space between two neighbours. */
  readonly gap: (a: number, b: number) => number;
}

/** @returns centres, from about 0 on */
export function assignColumns(input: ColumnInput, checkpoint: () => void): Float64Array {
  const { rows, above, below, width } = input;
  const vertices = width.length;
  const position = new Int32Array(vertices);
  for (const row of rows) for (const [at, vertex] of row.entries()) position[vertex] = at;
  const conflicts = markConflicts(input, position);
  const layouts: Float64Array[] = [];
  for (const [neighbours, down] of [
    [above, true],
    [below, false],
  ] as const)
    for (const left of [true, false]) {
      checkpoint();
      const root = alignBlocks(rows, neighbours, position, conflicts, down, left);
      layouts.push(compact(input, root, left));
    }
  return balance(layouts, width);
}

/** An edge that crosses an inner piece of a long edge yields to it. @returns by edge: 1 for such */
function markConflicts({ rows, above, boxes }: ColumnInput, position: Int32Array): Uint8Array {
  const marked = new Uint8Array(above.list.length);
  for (let at = 1; at < rows.length; at += 1) {
    const row = rows[at]!;
    const upperLast = rows[at - 1]!.length - 1;
    let from = 0;
    let low = 0;
    for (let l = 0; l < row.length; l += 1) {
      const inner = innerAbove(row[l]!, above, boxes);
      if (inner < 0 && l < row.length - 1) continue;
      const high = inner < 0 ? upperLast : position[inner]!;
      for (; from <= l; from += 1) {
        const vertex = row[from]!;
        for (let i = above.start[vertex]!; i < above.start[vertex + 1]!; i += 1) {
          const upper = above.list[i]!;
          const isInner = vertex >= boxes && upper >= boxes;
          if (!isInner && (position[upper]! < low || position[upper]! > high)) marked[above.edge[i]!] = 1;
        }
      }
      low = high;
    }
  }
  return marked;
}

function innerAbove(vertex: number, { start, list }: Neighbours, boxes: number): number {
  if (vertex < boxes) return -1;
  for (let i = start[vertex]!; i < start[vertex + 1]!; i += 1) if (list[i]! >= boxes) return list[i]!;
  return -1;
}

/** @returns by vertex the first vertex of the chain that shares its column */
function alignBlocks(
  rows: readonly Int32Array[],
  { start, list, edge }: Neighbours,
  position: Int32Array,
  conflicts: Uint8Array,
  down: boolean,
  left: boolean,
): Int32Array {
  const root = Int32Array.from(position, (_, vertex) => vertex);
  const align = root.slice();
  for (let step = 1; step < rows.length; step += 1) {
    const row = rows[down ? step : rows.length - 1 - step]!;
    let bound = left ? -1 : Number.POSITIVE_INFINITY;
    for (let k = 0; k < row.length; k += 1) {
      const vertex = row[left ? k : row.length - 1 - k]!;
      const from = start[vertex]!;
      const count = start[vertex + 1]! - from;
      if (count === 0) continue;
      const sorted = Array.from({ length: count }, (_, i) => from + i).sort(
        (a, b) => position[list[a]!]! - position[list[b]!]!,
      );
      const low = sorted[(count - 1) >> 1]!;
      const high = sorted[count >> 1]!;
      for (const slot of left ? [low, high] : [high, low]) {
        const other = list[slot]!;
        if (align[vertex] !== vertex || conflicts[edge[slot]!] === 1) continue;
        if (left ? position[other]! <= bound : position[other]! >= bound) continue;
        align[other] = vertex;
        root[vertex] = root[other]!;
        align[vertex] = root[vertex]!;
        bound = position[other]!;
      }
    }
  }
  return root;
}

/** Packs blocks to the left (or right), then moves each as near to its other neighbour as it may. */
function compact({ rows, width, gap }: ColumnInput, root: Int32Array, left: boolean): Float64Array {
  const vertices = root.length;
  const from: number[] = [];
  const to: number[] = [];
  const distance: number[] = [];
  for (const row of rows)
    for (let at = 1; at < row.length; at += 1) {
      const a = row[at - 1]!;
      const b = row[at]!;
      from.push(root[left ? a : b]!);
      to.push(root[left ? b : a]!);
      distance.push((width[a]! + width[b]!) / 2 + gap(a, b));
    }
  const waiting = new Int32Array(vertices);
  for (const block of to) waiting[block]! += 1;
  const start = new Int32Array(vertices + 1);
  for (const block of from) start[block + 1]! += 1;
  for (let v = 0; v < vertices; v += 1) start[v + 1]! += start[v]!;
  const fill = start.slice();
  const edges = new Int32Array(from.length);
  for (const [e, block] of from.entries()) {
    edges[fill[block]!] = e;
    fill[block]! += 1;
  }
  const x = new Float64Array(vertices);
  const order: number[] = [];
  for (let v = 0; v < vertices; v += 1) if (root[v] === v && waiting[v] === 0) order.push(v);
  for (let at = 0; at < order.length; at += 1) {
    const block = order[at]!;
    for (let i = start[block]!; i < start[block + 1]!; i += 1) {
      const e = edges[i]!;
      const next = to[e]!;
      x[next] = Math.max(x[next]!, x[block]! + distance[e]!);
      waiting[next]! -= 1;
      if (waiting[next] === 0) order.push(next);
    }
  }
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const block = order[at]!;
    let room = Number.POSITIVE_INFINITY;
    for (let i = start[block]!; i < start[block + 1]!; i += 1)
      room = Math.min(room, x[to[edges[i]!]!]! - distance[edges[i]!]!);
    if (Number.isFinite(room)) x[block] = Math.max(x[block]!, room);
  }
  return Float64Array.from(root, (block) => (left ? x[block]! : -x[block]!));
}

/** Moves all to the edges of the narrowest and takes the mean of the two middle ones. */
function balance(layouts: readonly Float64Array[], width: Float32Array): Float64Array {
  const extents = layouts.map((x) => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const [vertex, centre] of x.entries()) {
      low = Math.min(low, centre - width[vertex]! / 2);
      high = Math.max(high, centre + width[vertex]! / 2);
    }
    return { low, high };
  });
  const narrowest = extents.reduce((best, extent) => (extent.high - extent.low < best.high - best.low ? extent : best));
  const shift = extents.map(({ low, high }, at) => (at % 2 === 0 ? narrowest.low - low : narrowest.high - high));
  const four = [0, 0, 0, 0];
  return Float64Array.from(layouts[0]!, (_, vertex) => {
    for (let k = 0; k < 4; k += 1) four[k] = layouts[k]![vertex]! + shift[k]!;
    four.sort((a, b) => a - b);
    return (four[1]! + four[2]!) / 2;
  });
}
