/** One level of the picture: boxes beside and below each other, and the edges between them. */
import { assignColumns } from './columns.ts';
import { rankBoxes } from './ranks.ts';
import { neighboursOf, orderRows } from './rows.ts';
import { buildRows, type RowGraph } from './trunks.ts';
import { type Flow, spacing } from './types.ts';

export interface LevelInput {
  readonly width: Float32Array;
  readonly height: Float32Array;
  /** -1: an edge from outside comes in here; 1: one leaves here; 0: a box. */
  readonly pin: Int8Array;
  readonly flows: readonly Flow[];
  /** By flow: where it leaves its source, from that box's left side; NaN: anywhere. */
  readonly leaveAt: Float64Array;
  /** By flow, by target: where it arrives, likewise. */
  readonly arriveAt: readonly Float64Array[];
}

export interface Piece {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  /** In the list of the same flow; -1: begins at the source. */
  readonly parent: number;
}

export interface Level {
  /** Upper left corners, from 0 on. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly width: number;
  readonly height: number;
  /** By flow. */
  readonly pieces: readonly (readonly Piece[])[];
  /** By flow, by target: its last piece, or -1 where the edge is not drawn. */
  readonly last: readonly (readonly number[])[];
}

/** @param checkpoint called between slices of work; throws to stop */
export function layOutLevel(input: LevelInput, checkpoint: () => void): Level {
  const { width, pin, flows } = input;
  const boxes = width.length;
  const ranks = rankBoxes(boxes, flows, pin);
  checkpoint();
  const graph = buildRows(boxes, flows, ranks);
  const below = neighboursOf(graph.upper, graph.lower, graph.vertices);
  const above = neighboursOf(graph.lower, graph.upper, graph.vertices);
  const rows = orderRows(graph, above, below, checkpoint);
  const widths = new Float32Array(graph.vertices);
  widths.set(width);
  const gap = (a: number, b: number) =>
    a < boxes && b < boxes
      ? spacing.column
      : a < boxes || b < boxes
        ? (spacing.column + spacing.edge) / 2
        : spacing.edge;
  const centre = assignColumns({ rows, above, below, width: widths, boxes, gap }, checkpoint);
  return place(input, graph, rows, centre);
}

function place(input: LevelInput, graph: RowGraph, rows: readonly Int32Array[], centre: Float64Array): Level {
  const { width, height, flows } = input;
  const { boxes } = graph;
  let left = Number.POSITIVE_INFINITY;
  let right = Number.NEGATIVE_INFINITY;
  for (const [vertex, x] of centre.entries()) {
    const half = vertex < boxes ? width[vertex]! / 2 : 0;
    left = Math.min(left, x - half);
    right = Math.max(right, x + half);
  }
  for (let vertex = 0; vertex < centre.length; vertex += 1) centre[vertex]! -= left;
  const rowTop = new Float64Array(rows.length);
  const rowHeight = new Float64Array(rows.length);
  let top = 0;
  for (const [at, row] of rows.entries()) {
    let tallest = 0;
    for (const vertex of row) if (vertex < boxes) tallest = Math.max(tallest, height[vertex]!);
    rowTop[at] = top;
    rowHeight[at] = tallest;
    top += tallest + spacing.row;
  }
  const x = new Float32Array(boxes);
  const y = new Float32Array(boxes);
  for (let box = 0; box < boxes; box += 1) {
    const row = graph.rank[box]!;
    x[box] = centre[box]! - width[box]! / 2;
    // In the middle of its row: edges then leave little room empty above or below it.
    y[box] = rowTop[row]! + (rowHeight[row]! - height[box]!) / 2;
  }
  const ends = arrivals(graph, input, centre);
  const { pieces, last } = routes(graph, flows, { x, y, width, height, centre, rowTop, rowHeight, ends });
  return {
    x,
    y,
    width: boxes === 0 ? 0 : right - left,
    height: Math.max(0, top - spacing.row),
    pieces,
    last,
  };
}

interface Ends {
  /** By flow: where it leaves its source; by flow, by target: where it arrives. */
  readonly leaves: Float64Array;
  readonly arrives: readonly Float64Array[];
}

/** Spreads the edges of a box over its upper and lower side, in the order in which they come and go. */
function arrivals(graph: RowGraph, { flows, width, leaveAt, arriveAt }: LevelInput, centre: Float64Array): Ends {
  const into: { flow: number; index: number; from: number }[][] = Array.from({ length: graph.boxes }, () => []);
  const outOf: { flow: number; to: number }[][] = Array.from({ length: graph.boxes }, () => []);
  for (const [flow, { source, targets }] of flows.entries()) {
    const trunk = graph.trunks[flow]!;
    let sum = 0;
    for (const [index, target] of targets.entries()) {
      const span = graph.rank[target]! - graph.rank[source]!;
      const before = span >= 2 ? trunk[span - 2] : source;
      into[target]!.push({ flow, index, from: centre[before ?? source]! });
      sum += centre[target]!;
    }
    outOf[source]!.push({ flow, to: trunk.length > 0 ? centre[trunk[0]!]! : sum / Math.max(1, targets.length) });
  }
  const leaves = new Float64Array(flows.length);
  const arrives = flows.map(({ targets }) => new Float64Array(targets.length));
  for (let box = 0; box < graph.boxes; box += 1) {
    const step = (count: number) => Math.min(16, (width[box]! * 0.8) / Math.max(1, count));
    const spread = (at: number, count: number) => centre[box]! + (at - (count - 1) / 2) * step(count);
    const comes = into[box]!.sort((a, b) => a.from - b.from);
    for (const [at, { flow, index }] of comes.entries()) arrives[flow]![index] = spread(at, comes.length);
    const goes = outOf[box]!.sort((a, b) => a.to - b.to);
    for (const [at, { flow }] of goes.entries()) leaves[flow] = spread(at, goes.length);
  }
  for (const [flow, { source, targets }] of flows.entries()) {
    const leave = leaveAt[flow]!;
    if (!Number.isNaN(leave)) leaves[flow] = centre[source]! - width[source]! / 2 + leave;
    for (const [index, target] of targets.entries()) {
      const arrive = arriveAt[flow]![index]!;
      if (!Number.isNaN(arrive)) arrives[flow]![index] = centre[target]! - width[target]! / 2 + arrive;
    }
  }
  return { leaves, arrives };
}

interface Places {
  readonly y: Float32Array;
  readonly height: Float32Array;
  readonly centre: Float64Array;
  readonly rowTop: Float64Array;
  readonly rowHeight: Float64Array;
  readonly ends: Ends;
}

function routes(graph: RowGraph, flows: readonly Flow[], places: Places & { x: Float32Array; width: Float32Array }) {
  const { y, height, centre, rowTop, rowHeight, ends } = places;
  const { rank, trunks, drawn } = graph;
  const pieces: Piece[][] = [];
  const last: number[][] = [];
  for (const [at, { source, targets }] of flows.entries()) {
    const list: Piece[] = [];
    const add = (x1: number, y1: number, x2: number, y2: number, parent: number): number => {
      list.push({ x1, y1, x2, y2, parent });
      return list.length - 1;
    };
    const bottom = y[source]! + height[source]!;
    const rowBottom = rowTop[rank[source]!]! + rowHeight[rank[source]!]!;
    const startX = ends.leaves[at]!;
    // Down to the end of the row, so that curves stay between rows.
    let piece = rowBottom > bottom ? add(startX, bottom, startX, rowBottom, -1) : -1;
    const trunk = trunks[at]!;
    /** By row behind the source: the piece that ends at the bottom of that row, and where. */
    const atRow: { piece: number; x: number; y: number }[] = [{ piece, x: startX, y: rowBottom }];
    for (const vertex of trunk) {
      const row = rank[vertex]!;
      const before = atRow.at(-1)!;
      const x = centre[vertex]!;
      piece = add(before.x, before.y, x, rowTop[row]!, before.piece);
      const end = rowTop[row]! + rowHeight[row]!;
      if (rowHeight[row]! > 0) piece = add(x, rowTop[row]!, x, end, piece);
      atRow.push({ piece, x, y: end });
    }
    last.push(
      targets.map((target, index) => {
        if (!drawn[at]![index]) return -1;
        const row = rank[target]!;
        const before = atRow[row - rank[source]! - 1]!;
        const x = ends.arrives[at]![index]!;
        piece = add(before.x, before.y, x, rowTop[row]!, before.piece);
        return y[target]! > rowTop[row]! ? add(x, rowTop[row]!, x, y[target]!, piece) : piece;
      }),
    );
    pieces.push(list);
  }
  return { pieces, last };
}
