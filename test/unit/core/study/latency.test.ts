import { describe, expect, test } from 'vitest';
import { compareLatency, mannWhitneyZ, percentile, summarizeLatency } from '../../../../src/core/study/latency.ts';

describe('percentile', () => {
  test("agrees with numpy.percentile's default on its documentation's example and beyond", () => {
    // numpy.percentile([1, 2, 3, 4], [0, 25, 40, 50, 95, 100])
    const sorted = [1, 2, 3, 4];
    const expected = [1, 1.75, 2.2, 2.5, 3.85, 4];
    for (const [i, p] of [0, 25, 40, 50, 95, 100].entries())
      expect(percentile(sorted, p)).toBeCloseTo(expected[i]!, 12);
    expect(percentile([7], 95)).toBe(7);
    expect(percentile([], 50)).toBeNaN();
  });
});

describe('mannWhitneyZ', () => {
  test('worked example of Mann and Whitney: complete separation of 5 and 5', () => {
    // U = 25, mean 12.5, variance 5 * 5 * 11 / 12.
    expect(mannWhitneyZ([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBeCloseTo(12.5 / Math.sqrt((25 * 11) / 12), 12);
  });
  test('ties are corrected for, and all-equal samples are no evidence', () => {
    expect(mannWhitneyZ([1, 1, 1], [1, 1, 1])).toBe(0);
    // ranks 1, 2.5, 2.5, 4; U = 2.5 + 4 - 3 = 3.5; variance = 4/12 * (5 - 6/12)
    expect(mannWhitneyZ([2, 3], [1, 2])).toBeCloseTo((3.5 - 2) / Math.sqrt((4 / 12) * (5 - 6 / 12)), 12);
  });
});

test('a difference inside the noise is called that', () => {
  const noisy = (center: number) =>
    summarizeLatency(
      Array.from({ length: 20 }, (_, i) => center + ((i * 7) % 11) - 5),
      true,
    );
  expect(compareLatency(noisy(50), noisy(50.5))).toBe('within noise');
  expect(compareLatency(noisy(30), noisy(50))).toBe('faster');
  expect(compareLatency(noisy(50), noisy(30))).toBe('slower');
  // A tiny but perfectly repeatable difference is still below what repeats elsewhere.
  const steady = (ms: number) =>
    summarizeLatency(
      Array.from({ length: 20 }, () => ms),
      true,
    );
  expect(compareLatency(steady(100), steady(101))).toBe('within noise');
});

test('figures that took no turns with each other need a larger difference', () => {
  const measured = (ms: number, turnsBeganAt: string) =>
    summarizeLatency(
      Array.from({ length: 20 }, (_, i) => ms + (i % 3) / 10),
      true,
      turnsBeganAt,
    );
  expect(compareLatency(measured(94, 'noon'), measured(100, 'noon'))).toBe('faster');
  expect(compareLatency(measured(94, 'one'), measured(100, 'noon'))).toBe('within noise');
  expect(compareLatency(measured(80, 'one'), measured(100, 'noon'))).toBe('faster');
});
