/** Long edges become chains of points, one in each row they pass; a value that many boxes read has one chain. */
import type { Ranks } from './ranks.ts';
import type { Flow } from './types.ts';

/** A level as rows of vertices: boxes first, then the points of trunks. Every edge leads to the next row. */
export interface RowGraph {
  readonly vertices: number;
  readonly boxes: number;
  readonly rank: Int32Array;
  readonly rows: number;
  /** Edges, upper to lower vertex. */
  readonly upper: Int32Array;
  readonly lower: Int32Array;
  /** By flow: the vertices of its trunk from the source (left out) downwards. */
  readonly trunks: readonly (readonly number[])[];
  /** By flow, by target: whether it is drawn at all. */
  readonly drawn: readonly boolean[][];
}

/** Points of trunks that a level may have: more are slow to lay out, and no picture any more. */
const MIN_BUDGET = 30_000;
const POINTS_PER_BOX = 6;

export function buildRows(boxes: number, flows: readonly Flow[], ranks: Ranks): RowGraph {
  const { rank, forward, count } = ranks;
  const spans = flows.map(({ source, targets }, at) =>
    targets.map((target, index) => (forward[at]![index] ? rank[target]! - rank[source]! : 0)),
  );
  const limit = spanLimit(spans, Math.max(MIN_BUDGET, POINTS_PER_BOX * boxes), count);
  const drawn = spans.map((list) => list.map((span) => span > 0 && span <= limit));
  const rankOf: number[] = Array.from(rank);
  const upper: number[] = [];
  const lower: number[] = [];
  const trunks: number[][] = [];
  for (const [at, { source, targets }] of flows.entries()) {
    let longest = 0;
    for (const [index, span] of spans[at]!.entries()) if (drawn[at]![index]) longest = Math.max(longest, span);
    const trunk: number[] = [];
    for (let step = 1; step < longest; step += 1) {
      const vertex = rankOf.length;
      rankOf.push(rank[source]! + step);
      upper.push(trunk.at(-1) ?? source);
      lower.push(vertex);
      trunk.push(vertex);
    }
    for (const [index, target] of targets.entries()) {
      if (!drawn[at]![index]) continue;
      const span = spans[at]![index]!;
      upper.push(span === 1 ? source : trunk[span - 2]!);
      lower.push(target);
    }
    trunks.push(trunk);
  }
  return {
    vertices: rankOf.length,
    boxes,
    rank: Int32Array.from(rankOf),
    rows: count,
    upper: Int32Array.from(upper),
    lower: Int32Array.from(lower),
    trunks,
    drawn,
  };
}

/** The largest span with which all trunks together stay within the budget. */
function spanLimit(spans: readonly (readonly number[])[], budget: number, rows: number): number {
  const points = (limit: number): number => {
    let sum = 0;
    for (const list of spans) {
      let longest = 0;
      for (const span of list) if (span <= limit && span > longest) longest = span;
      sum += Math.max(0, longest - 1);
    }
    return sum;
  };
  if (points(rows) <= budget) return rows;
  let low = 1;
  let high = rows;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (points(middle) <= budget) low = middle;
    else high = middle;
  }
  return low;
}
