/**
 * From a map of text probabilities to boxes: the post-processing of DB (Liao et al. 2020, "Real-time scene text
 * detection with differentiable binarization", section 3.5) with PaddleOCR's parameters (2.7, db_postprocess.py).
 * Threshold the map, take connected regions, fit the smallest rectangle at any angle, drop it when the mean probability
 * inside is low, and grow it, because the map shows text shrunk.
 */
import type { Point, Polygon } from '../detection-f1.ts';

/** Where a pixel counts as text. */
const PIXEL_THRESHOLD = 0.3;
/** Mean probability inside a box below which it is dropped. */
const BOX_THRESHOLD = 0.6;
/** A box grows by area x this / perimeter on every side. */
const UNCLIP_RATIO = 1.5;
/** Shorter sides, before growing, are specks. */
const MIN_SIDE = 3;
const MAX_BOXES = 1000;

interface Rectangle {
  readonly centre: Point;
  /** Unit vector along `width`. */
  readonly axis: Point;
  readonly width: number;
  readonly height: number;
}

/**
 * @param map height x width probabilities
 * @returns boxes in pixels, x to the right and y down, the centre of the first pixel at (0.5, 0.5)
 */
export function findTextBoxes(map: ArrayLike<number>, width: number, height: number): Polygon[] {
  const boxes: Polygon[] = [];
  for (const region of regionsAbove(map, width, height)) {
    const tight = smallestRectangle(convexHull(region));
    if (Math.min(tight.width, tight.height) < MIN_SIDE) continue;
    if (meanInside(map, width, height, cornersOf(tight)) < BOX_THRESHOLD) continue;
    const grow = (tight.width * tight.height * UNCLIP_RATIO) / (2 * (tight.width + tight.height));
    boxes.push(cornersOf({ ...tight, width: tight.width + 2 * grow, height: tight.height + 2 * grow }));
    if (boxes.length === MAX_BOXES) break;
  }
  return boxes;
}

/** Regions of neighbouring pixels (8 neighbours) above the threshold, as the centres of their pixels. */
function* regionsAbove(map: ArrayLike<number>, width: number, height: number): Generator<Point[]> {
  const seen = new Uint8Array(width * height);
  const stack: number[] = [];
  const visit = (x: number, y: number) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const at = y * width + x;
    if (seen[at] || !(map[at]! > PIXEL_THRESHOLD)) return;
    seen[at] = 1;
    stack.push(at);
  };
  for (let start = 0; start < width * height; start++) {
    visit(start % width, Math.floor(start / width));
    if (stack.length === 0) continue;
    const region: Point[] = [];
    while (stack.length > 0) {
      const at = stack.pop()!;
      const x = at % width;
      const y = Math.floor(at / width);
      region.push({ x: x + 0.5, y: y + 0.5 });
      for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) visit(x + dx, y + dy);
    }
    yield region;
  }
}

/** Andrew's monotone chain. */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const half = (ordered: readonly Point[]): Point[] => {
    const chain: Point[] = [];
    for (const p of ordered) {
      while (chain.length >= 2 && cross(chain.at(-2)!, chain.at(-1)!, p) <= 0) chain.pop();
      chain.push(p);
    }
    chain.pop();
    return chain;
  };
  return sorted.length < 3 ? sorted : [...half(sorted), ...half(sorted.toReversed())];
}

const cross = (o: Point, a: Point, b: Point) => (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);

/** The rectangle of least area around a convex hull: one of its sides lies along a side of the hull (Freeman 1975). */
export function smallestRectangle(hull: readonly Point[]): Rectangle {
  let best: Rectangle | undefined;
  for (let i = 0; i < hull.length; i++) {
    const a = hull[i]!;
    const b = hull[(i + 1) % hull.length]!;
    const length = Math.hypot(b.x - a.x, b.y - a.y);
    if (length === 0) continue;
    const around = rectangleAlong(hull, { x: (b.x - a.x) / length, y: (b.y - a.y) / length });
    if (!best || around.width * around.height < best.width * best.height) best = around;
  }
  return best ?? { centre: hull[0]!, axis: { x: 1, y: 0 }, width: 0, height: 0 };
}

function rectangleAlong(hull: readonly Point[], axis: Point): Rectangle {
  let [minU, maxU, minV, maxV] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { x, y } of hull) {
    const u = x * axis.x + y * axis.y;
    const v = y * axis.x - x * axis.y;
    minU = Math.min(minU, u);
    maxU = Math.max(maxU, u);
    minV = Math.min(minV, v);
    maxV = Math.max(maxV, v);
  }
  const [u, v] = [(minU + maxU) / 2, (minV + maxV) / 2];
  const centre = { x: u * axis.x - v * axis.y, y: u * axis.y + v * axis.x };
  return { centre, axis, width: maxU - minU, height: maxV - minV };
}

function cornersOf({ centre, axis, width, height }: Rectangle): Point[] {
  const corners = [
    [-width, -height],
    [width, -height],
    [width, height],
    [-width, height],
  ] as const;
  return corners.map(([w, h]) => ({
    x: centre.x + (w * axis.x - h * axis.y) / 2,
    y: centre.y + (w * axis.y + h * axis.x) / 2,
  }));
}

/** Mean of the map over pixels whose centres lie in the polygon (corners in the order of `cornersOf`). */
function meanInside(map: ArrayLike<number>, width: number, height: number, polygon: readonly Point[]): number {
  const xs = polygon.map(({ x }) => x);
  const ys = polygon.map(({ y }) => y);
  let sum = 0;
  let count = 0;
  for (let y = Math.max(0, Math.floor(Math.min(...ys))); y < Math.min(height, Math.ceil(Math.max(...ys))); y++)
    for (let x = Math.max(0, Math.floor(Math.min(...xs))); x < Math.min(width, Math.ceil(Math.max(...xs))); x++) {
      const p = { x: x + 0.5, y: y + 0.5 };
      if (!polygon.every((a, i) => cross(a, polygon[(i + 1) % polygon.length]!, p) >= -1e-9)) continue;
      sum += map[y * width + x]!;
      count += 1;
    }
  return count > 0 ? sum / count : 0;
}
