import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracy, argmax } from '../../../../src/core/eval/accuracy.ts';
import { areaUnderRoc, confusionAt, f1Terms } from '../../../../src/core/eval/binary-classification.ts';
import { characterErrorRate, editDistance } from '../../../../src/core/eval/character-error-rate.ts';
import {
  intersectionOverUnion,
  matchBoxes,
  type Polygon,
  polygonArea,
} from '../../../../src/core/eval/detection-f1.ts';

describe('accuracy', () => {
  it('counts right answers', () => {
    expect(accuracy([true, false, true, true])).toBe(0.75);
    expect(accuracy([])).toBeNaN();
  });

  it('takes the first of equal maxima and never NaN, as numpy.nanargmax', () => {
    expect(argmax([1, 3, 3, 2])).toBe(1);
    expect(argmax([Number.NaN, -5, -7])).toBe(1);
    expect(argmax([9, 0, 1, 2], 1, 4)).toBe(2);
    expect(argmax([-Infinity, -Infinity])).toBe(0);
    expect(argmax([])).toBe(-1);
  });
});

describe('edit distance', () => {
  // The first three are the worked examples of Wikipedia's "Levenshtein distance" and Navarro 2001.
  it.each([
    ['kitten', 'sitting', 3],
    ['saturday', 'sunday', 3],
    ['survey', 'surgery', 2],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['naïve 😀', 'naive 😀', 1],
    ['😀', '😁', 1],
  ])('%s to %s takes %i', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it('equals the recursive definition', () => {
    const definition = (a: string, b: string): number =>
      a === '' || b === ''
        ? a.length + b.length
        : Math.min(
            definition(a.slice(1), b) + 1,
            definition(a, b.slice(1)) + 1,
            definition(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
          );
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === definition(a, b)));
  });

  it('is a metric', () => {
    const text = fc.string({ maxLength: 30 });
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });

  it('weighs lines by their length', () => {
    // 1 edit in 4 characters and 1 in 16: 2/20, not the mean of 1/4 and 1/16.
    expect(
      characterErrorRate([
        { expected: 'abcd', got: 'abxd' },
        { expected: '0123456789abcdef', got: '0123456789abcde' },
      ]),
    ).toBeCloseTo(0.1, 12);
  });
});

describe('binary classification', () => {
  const labelled = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()), { minLength: 2, maxLength: 40 });

  it('F1 of a hand-worked table', () => {
    // TP 2, FP 1, FN 1: precision 2/3, recall 2/3, F1 2/3.
    const confusion = confusionAt([0.9, 0.5, 0.4, 0.7, 0.1], [true, true, true, false, false], 0.5);
    expect(confusion).toEqual({ truePositives: 2, falsePositives: 1, falseNegatives: 1, trueNegatives: 1 });
    const { numerator, denominator } = f1Terms(confusion);
    expect(numerator / denominator).toBeCloseTo(2 / 3, 12);
  });

  it('area under the curve equals counting every pair, ties as one half', () => {
    fc.assert(
      fc.property(labelled, (rows) => {
        const scores = rows.map(([score]) => score);
        const labels = rows.map(([, label]) => label);
        let won = 0;
        let pairs = 0;
        for (let i = 0; i < rows.length; i++)
          for (let j = 0; j < rows.length; j++)
            if (labels[i] && !labels[j]) {
              pairs += 1;
              won += scores[i]! > scores[j]! ? 1 : scores[i] === scores[j] ? 0.5 : 0;
            }
        const area = areaUnderRoc(scores, labels);
        if (pairs === 0) expect(area).toBeNaN();
        else expect(area).toBeCloseTo(won / pairs, 10);
      }),
    );
  });

  it('area under the curve equals the trapezoids under the ROC points', () => {
    fc.assert(
      fc.property(labelled, (rows) => {
        const scores = rows.map(([score]) => score);
        const labels = rows.map(([, label]) => label);
        const positives = labels.filter(Boolean).length;
        fc.pre(positives > 0 && positives < labels.length);
        const points = [8, 6, 5, 4, 3, 2, 1, 0].map((threshold) => {
          const c = confusionAt(scores, labels, threshold);
          return { x: c.falsePositives / (labels.length - positives), y: c.truePositives / positives };
        });
        let area = 0;
        for (let i = 1; i < points.length; i++)
          area += ((points[i]!.x - points[i - 1]!.x) * (points[i]!.y + points[i - 1]!.y)) / 2;
        expect(areaUnderRoc(scores, labels)).toBeCloseTo(area, 10);
      }),
    );
  });
});

describe('boxes', () => {
  const rectangle = (x: number, y: number, width: number, height: number, angle = 0): Polygon => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const corners = [
      [0, 0],
      [width, 0],
      [width, height],
      [0, height],
    ] as const;
    return corners.map(([u, v]) => ({ x: x + c * u - s * v, y: y + s * u + c * v }));
  };

  it('hand-worked intersections', () => {
    expect(intersectionOverUnion(rectangle(0, 0, 2, 2), rectangle(1, 0, 2, 2))).toBeCloseTo(2 / 6, 12);
    expect(intersectionOverUnion(rectangle(0, 0, 4, 4), rectangle(1, 1, 2, 2))).toBeCloseTo(4 / 16, 12);
    expect(intersectionOverUnion(rectangle(0, 0, 1, 1), rectangle(3, 3, 1, 1))).toBe(0);
    // A unit square and itself turned by 45 degrees about its centre: a regular octagon of area 2 (sqrt 2 - 1).
    const turned = rectangle(0.5, 0.5 - Math.SQRT1_2, 1, 1, Math.PI / 4);
    const octagon = 2 * (Math.SQRT2 - 1);
    expect(intersectionOverUnion(rectangle(0, 0, 1, 1), turned)).toBeCloseTo(octagon / (2 - octagon), 9);
  });

  it('does not depend on the direction or the start of the corners, nor on the order of the two', () => {
    const box = fc.tuple(
      fc.double({ min: 0, max: 10, noNaN: true }),
      fc.double({ min: 0, max: 10, noNaN: true }),
      fc.double({ min: 0.5, max: 8, noNaN: true }),
      fc.double({ min: 0.5, max: 8, noNaN: true }),
      fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    );
    fc.assert(
      fc.property(box, box, (a, b) => {
        const p = rectangle(...a);
        const q = rectangle(...b);
        const iou = intersectionOverUnion(p, q);
        expect(intersectionOverUnion(q, p)).toBeCloseTo(iou, 9);
        expect(intersectionOverUnion([...p].reverse(), q)).toBeCloseTo(iou, 9);
        expect(intersectionOverUnion([...p.slice(2), ...p.slice(0, 2)], q)).toBeCloseTo(iou, 9);
        expect(iou).toBeLessThanOrEqual(
          Math.min(polygonArea(p), polygonArea(q)) / Math.max(polygonArea(p), polygonArea(q)) + 1e-9,
        );
      }),
    );
  });

  it('agrees with counting points of a fine grid', () => {
    const p = rectangle(1, 2, 6, 3, 0.4);
    const q = rectangle(2, 1, 5, 4, -0.2);
    const inside = (polygon: Polygon, x: number, y: number) =>
      polygon.every((a, i) => {
        const b = polygon[(i + 1) % 4]!;
        return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x) >= 0;
      });
    let both = 0;
    let either = 0;
    for (let x = -3; x < 10; x += 0.01)
      for (let y = -2; y < 10; y += 0.01) {
        const [a, b] = [inside(p, x, y), inside(q, x, y)];
        if (a && b) both += 1;
        if (a || b) either += 1;
      }
    expect(intersectionOverUnion(p, q)).toBeCloseTo(both / either, 3);
  });

  it('matches one to one, best pairs first', () => {
    const truths = [rectangle(0, 0, 10, 2), rectangle(0, 4, 10, 2)];
    const found = [rectangle(0, 0.2, 10, 2), rectangle(0, 0, 10, 2), rectangle(0, 4, 5, 2), rectangle(50, 50, 3, 3)];
    expect(matchBoxes(found, truths, 0.5)).toEqual({ matched: 2, found: 4, expected: 2 });
    expect(matchBoxes(found, truths, 0.75)).toEqual({ matched: 1, found: 4, expected: 2 });
  });
});
