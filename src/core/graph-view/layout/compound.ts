/**
 * Layout of boxes within boxes: each container is laid out by itself, innermost first, and is one box of the level around
 * it. Where an edge crosses a container's border, the container has a port in its first or last row, so the edge goes on
 * in one line. No recursion; the work is a sum over levels, each near linear.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import type { JobContext } from '../../base/progress.ts';
import { type Level, type LevelInput, layOutLevel } from './level.ts';
import { type Flow, type LayoutRequest, type LayoutResult, spacing } from './types.ts';

/** What a container's level is made of; vertex numbers are those of its level. */
interface Plan {
  readonly boxes: number[];
  /** By trunk: the vertex it comes from (a box or the port it enters by), and those it leads to. */
  readonly trunks: Map<number, { source: number; targets: Map<number, number> }>;
  readonly enters: Map<number, number>;
  readonly leaves: Map<number, number>;
  /** Vertices beyond the boxes. */
  ports: number;
  level: Level | undefined;
}

/** Yields to the event loop about this often. */
const SLICE_MS = 20;

/**
 * @param now milliseconds
 * @throws StudioError job/cancelled
 */
export async function layOut(request: LayoutRequest, job: JobContext, now: () => number): Promise<LayoutResult> {
  const { parent, isContainer } = request;
  const count = parent.length;
  const plans = planLevels(request);
  const width = request.width.slice();
  const height = request.height.slice();
  let laidOut = 0;
  let yieldedAt = now();
  const report = () => job.onProgress({ stage: 'arranging the graph', done: laidOut, total: count, unit: 'nodes' });
  report();
  // Containers stand before what they hold, so from the end on the inner ones come first; -1 is the outermost.
  for (let container = count - 1; container >= -1; container -= 1) {
    if (container >= 0 && isContainer[container] !== 1) continue;
    const plan = plans.get(container)!;
    plan.level = layOutLevel(levelInput(plan, plans, width, height), () => throwIfCancelled(job.signal));
    laidOut += plan.boxes.length;
    if (container >= 0) {
      width[container] = Math.max(width[container]!, plan.level.width + 2 * spacing.padding);
      height[container] = plan.level.height + spacing.title + spacing.padding;
    }
    if (now() - yieldedAt > SLICE_MS) {
      report();
      await job.yield();
      throwIfCancelled(job.signal);
      yieldedAt = now();
    }
  }
  return assemble(request, plans, width, height);
}

function planLevels({ parent, isContainer, from, to, trunk }: LayoutRequest): Map<number, Plan> {
  const plans = new Map<number, Plan>();
  const newPlan = (): Plan => ({
    boxes: [],
    trunks: new Map(),
    enters: new Map(),
    leaves: new Map(),
    ports: 0,
    level: undefined,
  });
  plans.set(-1, newPlan());
  const vertexOf = new Int32Array(parent.length);
  const depth = new Int32Array(parent.length);
  for (let box = 0; box < parent.length; box += 1) {
    if (isContainer[box] === 1) plans.set(box, newPlan());
    const around = parent[box]!;
    depth[box] = around < 0 ? 0 : depth[around]! + 1;
    const { boxes } = plans.get(around)!;
    vertexOf[box] = boxes.length;
    boxes.push(box);
  }
  // Ports are numbered behind all boxes of their level, so boxes must be known first.
  for (let edge = 0; edge < from.length; edge += 1) {
    const value = trunk[edge]!;
    let a = from[edge]!;
    let b = to[edge]!;
    if (a === b) continue;
    /** Joins two vertices of the level of `container` for this trunk. */
    const join = (container: number, source: number, target: number) => {
      const { trunks } = plans.get(container)!;
      const known = trunks.get(value) ?? { source, targets: new Map<number, number>() };
      trunks.set(value, known);
      if (!known.targets.has(target)) known.targets.set(target, known.targets.size);
    };
    const port = (container: number, ports: 'enters' | 'leaves'): number => {
      const plan = plans.get(container)!;
      const known = plan[ports].get(value);
      if (known !== undefined) return known;
      const vertex = plan.boxes.length + plan.ports;
      plan.ports += 1;
      plan[ports].set(value, vertex);
      return vertex;
    };
    // Up from both ends to the level that they share.
    while (parent[a] !== parent[b]) {
      const outOf = depth[a]! >= depth[b]!;
      const around = parent[outOf ? a : b]!;
      if (outOf) {
        join(around, vertexOf[a]!, port(around, 'leaves'));
        a = around;
      } else {
        join(around, port(around, 'enters'), vertexOf[b]!);
        b = around;
      }
    }
    if (a !== b) join(parent[a]!, vertexOf[a]!, vertexOf[b]!);
  }
  return plans;
}

function levelInput(
  plan: Plan,
  plans: ReadonlyMap<number, Plan>,
  width: Float32Array,
  height: Float32Array,
): LevelInput {
  const { boxes, ports, trunks, enters, leaves } = plan;
  const count = boxes.length + ports;
  const widths = new Float32Array(count);
  const heights = new Float32Array(count);
  for (const [vertex, box] of boxes.entries()) {
    widths[vertex] = width[box]!;
    heights[vertex] = height[box]!;
  }
  const pin = new Int8Array(count);
  for (const vertex of enters.values()) pin[vertex] = -1;
  for (const vertex of leaves.values()) pin[vertex] = 1;
  /** Where a container's port is, from its left side; NaN for other boxes. */
  const portAt = (vertex: number, value: number, ports: 'enters' | 'leaves'): number => {
    const box = boxes[vertex];
    const inside = box === undefined ? undefined : plans.get(box);
    const port = inside?.[ports].get(value);
    if (box === undefined || !inside?.level || port === undefined) return Number.NaN;
    return (width[box]! - inside.level.width) / 2 + inside.level.x[port]!;
  };
  const flows: Flow[] = [];
  const leaveAt: number[] = [];
  const arriveAt: Float64Array[] = [];
  for (const [value, { source, targets }] of trunks) {
    const list = [...targets.keys()];
    flows.push({ source, targets: list });
    leaveAt.push(portAt(source, value, 'leaves'));
    arriveAt.push(Float64Array.from(list, (target) => portAt(target, value, 'enters')));
  }
  return { width: widths, height: heights, pin, flows, leaveAt: Float64Array.from(leaveAt), arriveAt };
}

/** Joins the levels: absolute places, and pieces that know the piece before across borders. */
function assemble(
  { parent, from, to, trunk }: LayoutRequest,
  plans: ReadonlyMap<number, Plan>,
  width: Float32Array,
  height: Float32Array,
): LayoutResult {
  const count = parent.length;
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const numbers: number[] = [];
  const pieceParent: number[] = [];
  const pieceTrunk: number[] = [];
  /** By container, by trunk, by target vertex: the piece that arrives there, numbered over all levels. */
  const arrived = new Map<number, Map<number, Map<number, number>>>();
  /** Pieces that begin a level's part of a trunk; what comes before them is known when all levels are there. */
  const beginnings: { readonly piece: number; readonly container: number; readonly trunk: number }[] = [];
  const containers = [...plans.keys()].sort((a, b) => a - b);
  const vertexOf = new Int32Array(count);
  for (const container of containers) {
    const { boxes, level, trunks } = plans.get(container)!;
    const place = level!;
    const inset = container < 0 ? 0 : (width[container]! - place.width) / 2;
    const offsetX = container < 0 ? 0 : x[container]! + inset;
    const offsetY = container < 0 ? 0 : y[container]! + spacing.title;
    for (const [vertex, box] of boxes.entries()) {
      vertexOf[box] = vertex;
      x[box] = offsetX + place.x[vertex]!;
      y[box] = offsetY + place.y[vertex]!;
    }
    const ends = new Map<number, Map<number, number>>();
    arrived.set(container, ends);
    let flow = 0;
    for (const [value, { targets }] of trunks) {
      const first = pieceParent.length;
      for (const piece of place.pieces[flow]!) {
        numbers.push(piece.x1 + offsetX, piece.y1 + offsetY, piece.x2 + offsetX, piece.y2 + offsetY);
        if (piece.parent < 0) beginnings.push({ piece: pieceParent.length, container, trunk: value });
        pieceParent.push(piece.parent < 0 ? -1 : first + piece.parent);
        pieceTrunk.push(value);
      }
      const last = new Map<number, number>();
      for (const [target, index] of targets) {
        const piece = place.last[flow]![index]!;
        if (piece >= 0) last.set(target, first + piece);
      }
      ends.set(value, last);
      flow += 1;
    }
  }
  for (const { piece, container, trunk: value } of beginnings)
    pieceParent[piece] = pieceBefore(plans, arrived, parent, vertexOf, container, value);
  joinBorders(beginnings, pieceParent, numbers);
  const isWhole = wholePieces(pieceParent);
  const lastPiece = Int32Array.from(from, (source, edge) => {
    const target = to[edge]!;
    if (source === target) return -1;
    const last = arrived.get(parent[target]!)?.get(trunk[edge]!)?.get(vertexOf[target]!) ?? -1;
    return last >= 0 && isWhole[last] === 1 ? last : -1;
  });
  dropUnused(lastPiece, pieceParent, pieceTrunk);
  const outer = plans.get(-1)!.level!;
  return {
    x,
    y,
    width,
    height,
    totalWidth: outer.width,
    totalHeight: outer.height,
    pieces: Float32Array.from(numbers),
    pieceParent: Int32Array.from(pieceParent),
    pieceTrunk: Int32Array.from(pieceTrunk),
    lastPiece,
  };
}

/** A piece before that is not drawn: its edge closes a cycle on another level, or is too long there. */
const MISSING = -2;

/** @returns by piece: 1 where the way from the source is there */
function wholePieces(pieceParent: readonly number[]): Uint8Array {
  const isWhole = new Uint8Array(pieceParent.length);
  const isKnown = new Uint8Array(pieceParent.length);
  for (let start = 0; start < pieceParent.length; start += 1) {
    const way: number[] = [];
    let at = start;
    for (; at >= 0 && isKnown[at] === 0; at = pieceParent[at]!) {
      isKnown[at] = 1;
      way.push(at);
    }
    const whole = at === MISSING ? 0 : at < 0 ? 1 : isWhole[at]!;
    for (const piece of way) isWhole[piece] = whole;
  }
  return isWhole;
}

/** Pieces that lead nowhere, because the edge is not drawn on a level further on, belong to no trunk any more. */
function dropUnused(lastPiece: Int32Array, pieceParent: number[], pieceTrunk: number[]): void {
  const isUsed = new Uint8Array(pieceParent.length);
  for (const last of lastPiece) for (let at = last; at >= 0 && isUsed[at] === 0; at = pieceParent[at]!) isUsed[at] = 1;
  for (const [piece, used] of isUsed.entries()) {
    if (used === 0) pieceTrunk[piece] = -1;
    if (pieceParent[piece] === MISSING) pieceParent[piece] = -1;
  }
}

/** @returns the piece that leads to where a trunk begins on this level; -1: it begins here */
function pieceBefore(
  plans: ReadonlyMap<number, Plan>,
  arrived: ReadonlyMap<number, ReadonlyMap<number, ReadonlyMap<number, number>>>,
  parent: Int32Array,
  vertexOf: Int32Array,
  container: number,
  trunk: number,
): number {
  const plan = plans.get(container)!;
  const { source } = plan.trunks.get(trunk)!;
  if (plan.enters.get(trunk) === source)
    // From the level around: the piece that arrives at this container.
    return arrived.get(parent[container]!)?.get(trunk)?.get(vertexOf[container]!) ?? MISSING;
  const box = plan.boxes[source]!;
  const inside = plans.get(box);
  if (!inside) return -1;
  // From inside the box: the piece that arrives at its port.
  return (
    arrived
      .get(box)
      ?.get(trunk)
      ?.get(inside.leaves.get(trunk) ?? -1) ?? -1
  );
}

/** A piece that goes on behind a border begins where the one before ends: padding lies between. */
function joinBorders(
  beginnings: readonly { readonly piece: number }[],
  pieceParent: readonly number[],
  numbers: number[],
): void {
  for (const { piece } of beginnings) {
    const before = pieceParent[piece]!;
    if (before < 0) continue;
    numbers[4 * piece] = numbers[4 * before + 2]!;
    numbers[4 * piece + 1] = numbers[4 * before + 3]!;
  }
}
