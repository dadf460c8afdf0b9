/** Squarified treemaps (Bruls, Huizing, van Wijk 2000): areas in proportion, rectangles as square as may be. */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * @param values positive, descending
 * @returns a box for each, in the same order, that together fill `frame`
 */
export function squarify(values: readonly number[], frame: Box): Box[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  if (total <= 0 || frame.width <= 0 || frame.height <= 0) return values.map(() => ({ ...frame, width: 0, height: 0 }));
  const scale = (frame.width * frame.height) / total;
  const boxes: Box[] = [];
  let { x, y, width, height } = frame;
  for (let start = 0; start < values.length; ) {
    const side = Math.min(width, height);
    let end = start + 1;
    let sum = values[start]! * scale;
    while (end < values.length) {
      const next = values[end]! * scale;
      const worst = ratio(values[start]! * scale, values[end - 1]! * scale, sum, side);
      if (ratio(values[start]! * scale, next, sum + next, side) > worst) break;
      sum += next;
      end += 1;
    }
    const thick = side > 0 ? sum / side : 0;
    let along = 0;
    for (let at = start; at < end; at += 1) {
      const length = sum > 0 ? (values[at]! * scale * side) / sum : 0;
      boxes.push(
        width >= height
          ? { x, y: y + along, width: thick, height: length }
          : { x: x + along, y, width: length, height: thick },
      );
      along += length;
    }
    if (width >= height) {
      x += thick;
      width = Math.max(0, width - thick);
    } else {
      y += thick;
      height = Math.max(0, height - thick);
    }
    start = end;
  }
  return boxes;
}

/** The worst aspect ratio in a row of areas from `large` to `small` whose sum is laid along `side`. */
function ratio(large: number, small: number, sum: number, side: number): number {
  const square = sum * sum;
  return Math.max((side * side * large) / square, square / (side * side * Math.max(small, 1e-12)));
}
