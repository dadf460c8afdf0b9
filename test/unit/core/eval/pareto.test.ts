import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Direction, nonDominated } from '../../../../src/core/eval/pareto.ts';

const lower: Direction[] = ['lower-is-better', 'lower-is-better'];

describe('nonDominated', () => {
  it('drops a point that is equal in one objective and worse in the other (Olive issue 165)', () => {
    expect(
      nonDominated(
        [
          [1, 1],
          [2, 1],
        ],
        lower,
      ),
    ).toEqual([0]);
    expect(
      nonDominated(
        [
          [1, 2],
          [1, 1],
        ],
        lower,
      ),
    ).toEqual([1]);
  });

  it('keeps points that are equal in everything', () => {
    expect(
      nonDominated(
        [
          [1, 1],
          [1, 1],
          [3, 0],
        ],
        lower,
      ),
    ).toEqual([0, 1, 2]);
  });

  it('knows directions', () => {
    const sizeAndAccuracy: Direction[] = ['lower-is-better', 'higher-is-better'];
    const points = [
      [10.8, 0.99],
      [5.4, 0.99],
      [2.9, 0.01],
      [2.9, 0.98],
      [4, 0.9],
    ];
    expect(nonDominated(points, sizeAndAccuracy)).toEqual([1, 3]);
  });

  it('leaves out points with unknown values', () => {
    expect(
      nonDominated(
        [
          [1, null],
          [2, 2],
          [Number.NaN, 0],
        ],
        lower,
      ),
    ).toEqual([1]);
  });

  it('equals the definition', () => {
    const point = fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
    );
    const directions: Direction[] = ['lower-is-better', 'higher-is-better', 'lower-is-better'];
    fc.assert(
      fc.property(fc.array(point, { maxLength: 12 }), (points) => {
        const atLeastAsGood = (a: number[], b: number[]) => a[0]! <= b[0]! && a[1]! >= b[1]! && a[2]! <= b[2]!;
        const expected = points
          .map((_, i) => i)
          .filter((i) => !points.some((p) => atLeastAsGood(p, points[i]!) && !atLeastAsGood(points[i]!, p)));
        expect(nonDominated(points, directions)).toEqual(expected);
      }),
    );
  });
});
