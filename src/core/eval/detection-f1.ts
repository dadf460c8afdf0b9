/**
 * How well found boxes match the true ones. Boxes are convex quadrilaterals (rotated text has no axis-aligned box), so
 * intersection over union is exact polygon geometry: Sutherland-Hodgman clipping and the shoelace formula.
 */
export interface Point {
  readonly x: number;
  readonly y: number;
}
/** Convex, corners in order around it (either way). */
export type Polygon = readonly Point[];

/** Twice the signed area; positive when corners go from x to y. */
function signedDoubleArea(polygon: Polygon): number {
  let sum = 0;
  for (let i = 0; i < polygon.length; i++) {
    const a = polygon[i]!;
    const b = polygon[(i + 1) % polygon.length]!;
    sum += a.x * b.y - b.x * a.y;
  }
  return sum;
}

export function polygonArea(polygon: Polygon): number {
  return Math.abs(signedDoubleArea(polygon)) / 2;
}

/** Intersection of two convex polygons, by cutting one with every edge of the other. */
export function intersectConvex(subject: Polygon, clip: Polygon): Polygon {
  const sign = Math.sign(signedDoubleArea(clip));
  let output = subject;
  for (let i = 0; i < clip.length && output.length > 0; i++) {
    const a = clip[i]!;
    const b = clip[(i + 1) % clip.length]!;
    const side = (p: Point) => sign * ((b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x));
    output = cut(output, side);
  }
  return output;
}

/** Keeps the part of a polygon where `side` is not negative. */
function cut(polygon: Polygon, side: (p: Point) => number): Polygon {
  const kept: Point[] = [];
  for (let i = 0; i < polygon.length; i++) {
    const from = polygon[i]!;
    const to = polygon[(i + 1) % polygon.length]!;
    const sFrom = side(from);
    const sTo = side(to);
    if (sFrom >= 0) kept.push(from);
    if (sFrom >= 0 !== sTo >= 0) {
      const t = sFrom / (sFrom - sTo);
      kept.push({ x: from.x + t * (to.x - from.x), y: from.y + t * (to.y - from.y) });
    }
  }
  return kept;
}

/** Intersection over union of two convex polygons, 0 to 1; 0 where both are empty. */
export function intersectionOverUnion(a: Polygon, b: Polygon): number {
  const overlap = polygonArea(intersectConvex(a, b));
  const union = polygonArea(a) + polygonArea(b) - overlap;
  return union > 0 ? Math.min(1, overlap / union) : 0;
}

export interface Matching {
  /** Found boxes that match a true one of their own. */
  readonly matched: number;
  readonly found: number;
  readonly expected: number;
}

/**
 * One-to-one matching at an IoU threshold, best pairs first. At thresholds of .5 and above, with true boxes that do not
 * overlap one another, a found box can reach the threshold with one true box only, so that greedy is optimal.
 */
export function matchBoxes(found: readonly Polygon[], expected: readonly Polygon[], threshold: number): Matching {
  const pairs: { f: number; e: number; iou: number }[] = [];
  for (const [f, box] of found.entries())
    for (const [e, truth] of expected.entries()) {
      const iou = intersectionOverUnion(box, truth);
      if (iou >= threshold) pairs.push({ f, e, iou });
    }
  pairs.sort((a, b) => b.iou - a.iou || a.f - b.f || a.e - b.e);
  const usedFound = new Set<number>();
  const usedExpected = new Set<number>();
  for (const { f, e } of pairs) {
    if (usedFound.has(f) || usedExpected.has(e)) continue;
    usedFound.add(f);
    usedExpected.add(e);
  }
  return { matched: usedFound.size, found: found.length, expected: expected.length };
}

/** F1 = 2 matched / (found + expected), as a ratio of sums so that pages can be added up. */
export function detectionF1Terms(matching: Matching): { readonly numerator: number; readonly denominator: number } {
  return { numerator: 2 * matching.matched, denominator: matching.found + matching.expected };
}
