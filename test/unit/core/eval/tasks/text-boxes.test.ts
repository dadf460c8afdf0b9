import { describe, expect, it } from 'vitest';
import { intersectionOverUnion, polygonArea } from '../../../../../src/core/eval/detection-f1.ts';
import { convexHull, findTextBoxes, smallestRectangle } from '../../../../../src/core/eval/tasks/text-boxes.ts';

/** A map with `inside` where the turned rectangle is. */
function mapWith(width: number, height: number, rectangles: readonly Rectangle[]): Float32Array {
  const map = new Float32Array(width * height).fill(0.02);
  for (const { x, y, w, h, angle, p = 0.9 } of rectangles)
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
        const u = dx * Math.cos(angle) + dy * Math.sin(angle);
        const v = dy * Math.cos(angle) - dx * Math.sin(angle);
        if (Math.abs(u) <= w / 2 && Math.abs(v) <= h / 2) map[row * width + column] = p;
      }
  return map;
}
interface Rectangle {
  x: number;
  y: number;
  w: number;
  h: number;
  angle: number;
  p?: number;
}

describe('geometry', () => {
  it('hull of a grid is its corners', () => {
    const grid = Array.from({ length: 35 }, (_, i) => ({ x: i % 7, y: Math.floor(i / 7) }));
    const hull = convexHull(grid);
    expect(new Set(hull.map(({ x, y }) => `${x},${y}`))).toEqual(new Set(['0,0', '6,0', '6,4', '0,4']));
  });

  it('smallest rectangle of a diamond lies along its sides', () => {
    const diamond = convexHull([
      { x: 0, y: 2 },
      { x: 2, y: 0 },
      { x: 4, y: 2 },
      { x: 2, y: 4 },
    ]);
    const { width, height, centre } = smallestRectangle(diamond);
    expect(width * height).toBeCloseTo(8, 9);
    expect(centre.x).toBeCloseTo(2, 9);
    expect(centre.y).toBeCloseTo(2, 9);
  });

  it('of one point, and of a line, has no area', () => {
    expect(smallestRectangle(convexHull([{ x: 3, y: 3 }]))).toMatchObject({ width: 0, height: 0 });
    const line = smallestRectangle(
      convexHull([
        { x: 0, y: 0 },
        { x: 5, y: 0 },
        { x: 2, y: 0 },
      ]),
    );
    expect(line.width * line.height).toBeCloseTo(0, 9);
  });
});

describe('findTextBoxes', () => {
  it.each([0, 0.15, -0.3, 0.7])('finds a bar turned by %f and grows it by area x 1.5 / perimeter', (angle) => {
    const [w, h] = [60, 10];
    const [box, ...others] = findTextBoxes(mapWith(128, 128, [{ x: 64, y: 60, w, h, angle }]), 128, 128);
    expect(others).toEqual([]);
    const grown = (w * h * 1.5) / (2 * (w + h));
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const expected = [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ].map(([a, b]) => {
      const [u, v] = [a! * (w / 2 + grown), b! * (h / 2 + grown)];
      return { x: 64 + u * c - v * s, y: 60 + u * s + v * c };
    });
    expect(intersectionOverUnion(box!, expected)).toBeGreaterThan(0.85);
  });

  it('grows an upright bar exactly as PaddleOCR does: pixel centres, area x 1.5 / perimeter', () => {
    const [box] = findTextBoxes(mapWith(128, 128, [{ x: 64, y: 60, w: 60, h: 10, angle: 0 }]), 128, 128);
    const grown = (59 * 9 * 1.5) / (2 * (59 + 9));
    const xs = box!.map(({ x }) => x);
    const ys = box!.map(({ y }) => y);
    expect(Math.min(...xs)).toBeCloseTo(34.5 - grown, 9);
    expect(Math.max(...xs)).toBeCloseTo(93.5 + grown, 9);
    expect(Math.min(...ys)).toBeCloseTo(55.5 - grown, 9);
    expect(Math.max(...ys)).toBeCloseTo(64.5 + grown, 9);
  });

  it('keeps bars apart, joins what touches at a corner, drops specks and weak regions', () => {
    const map = mapWith(100, 100, [
      { x: 30, y: 20, w: 40, h: 8, angle: 0 },
      { x: 30, y: 50, w: 40, h: 8, angle: 0 },
      { x: 80, y: 80, w: 2, h: 2, angle: 0 },
      { x: 70, y: 20, w: 20, h: 8, angle: 0, p: 0.45 },
    ]);
    expect(findTextBoxes(map, 100, 100)).toHaveLength(2);
    const board = mapWith(40, 40, []);
    for (let i = 0; i < 20 * 20; i++) {
      const [x, y] = [10 + (i % 20), 10 + Math.floor(i / 20)];
      board[y * 40 + x] = (x + y) % 2 === 0 ? 0.98 : 0.29;
    }
    expect(findTextBoxes(board, 40, 40)).toHaveLength(1);
    expect(findTextBoxes(mapWith(40, 40, []), 40, 40)).toEqual([]);
  });

  it('survives NaN and a page that is all text', () => {
    expect(findTextBoxes(new Float32Array(400).fill(Number.NaN), 20, 20)).toEqual([]);
    const [all] = findTextBoxes(new Float32Array(400 * 400).fill(1), 400, 400);
    expect(polygonArea(all!)).toBeGreaterThan(400 * 400);
  });
});
