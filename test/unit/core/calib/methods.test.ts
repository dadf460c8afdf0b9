/** The methods against hand-computed values, their definitions by brute force, and the properties they promise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divergenceOf, entropyBounds } from '../../../../src/core/calib/entropy.ts';
import { HistogramObserver } from '../../../../src/core/calib/histogram.ts';
import { mseBounds, quantizationError } from '../../../../src/core/calib/mse.ts';
import { percentileBounds } from '../../../../src/core/calib/percentile.ts';
import { RangeObserver } from '../../../../src/core/calib/range-observer.ts';
import { TensorCalibrator } from '../../../../src/core/calib/tensor-calibrator.ts';
import {
  type CalibrationMethodId,
  calibrationMethodIds,
  type FixedHistogram,
} from '../../../../src/core/calib/types.ts';

const floats = (...values: number[]) => Float32Array.from(values);
const asymmetric = { symmetric: false, steps: 255 };
const symmetric = { symmetric: true, steps: 254 };

function boundsOf(batches: readonly Float32Array[], method: CalibrationMethodId, grid = asymmetric, percentile = 99.9) {
  const calibrator = new TensorCalibrator('t', { method, grid, percentile });
  for (const batch of batches) calibrator.observe(batch);
  if (calibrator.startSecondLook()) for (const batch of batches) calibrator.observe(batch);
  return calibrator.bounds();
}

const summaryOf = (...batches: Float32Array[]) => {
  const observer = new RangeObserver('t');
  for (const batch of batches) observer.observe(batch);
  return observer.summary();
};

/** Heavy tails: mostly within +-3, a few far out. */
function heavyTailed(count: number, seed: number): Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, (_, i) => {
    const normal = Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
    return i % 997 === 5 ? normal * 12 : normal;
  });
}

describe('min-max and moving average', () => {
  it('give hand-computed ranges', () => {
    const batches = [floats(-1, 4), floats(-3, 2), floats(0, 3)];
    expect(boundsOf(batches, 'min-max')).toEqual({ min: -3, max: 4 });
    expect(boundsOf(batches, 'moving-average')).toEqual({ min: -4 / 3, max: 3 });
  });

  it('refuse what has no range', () => {
    expect(() => summaryOf(floats(1, Number.NaN))).toThrow(expect.objectContaining({ code: 'calib/not-finite' }));
    expect(() => summaryOf(floats(1), floats(Number.NEGATIVE_INFINITY))).toThrow(
      expect.objectContaining({ code: 'calib/not-finite', data: { tensor: 't', sample: 2 } }),
    );
    expect(() => summaryOf()).toThrow(expect.objectContaining({ code: 'calib/too-few-samples' }));
    expect(() => summaryOf(floats())).toThrow(expect.objectContaining({ code: 'calib/too-few-samples' }));
  });
});

describe('every method', () => {
  it('gives the same range in any order and any batches, since histograms have a range fixed beforehand', () => {
    const all = heavyTailed(6000, 7);
    const small = all.subarray(0, 500);
    const large = all.subarray(500);
    for (const method of calibrationMethodIds)
      for (const grid of [asymmetric, symmetric]) {
        const once = boundsOf([large, small], method, grid);
        const { min, max } = boundsOf([small, large], method, grid);
        expect(min, method).toBeCloseTo(once.min, 12);
        expect(max, method).toBeCloseTo(once.max, 12);
        if (method !== 'moving-average') expect(boundsOf([all], method, grid), method).toEqual(once);
      }
  });

  it('stays within what was seen, and keeps zeros and constants', () => {
    for (const method of calibrationMethodIds) {
      expect(boundsOf([new Float32Array(100)], method), method).toEqual({ min: 0, max: 0 });
      expect(boundsOf([new Float32Array(100).fill(2.5)], method).max, method).toBeCloseTo(2.5, 6);
      fc.assert(
        fc.property(
          fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 300 }),
          (list) => {
            const values = Float32Array.from(list);
            const { min, max } = boundsOf([values], method);
            // Widened by zero at most, which has a code in any case.
            expect(min).toBeGreaterThanOrEqual(Math.min(0, ...values));
            expect(max).toBeLessThanOrEqual(Math.max(0, ...values));
          },
        ),
        { numRuns: 25 },
      );
    }
  });

  it('clips the tail of heavy-tailed values where it is meant to', () => {
    const values = heavyTailed(50_000, 3);
    const full = boundsOf([values], 'min-max');
    // Entropy counts what it clips as lost, and 8 bits leave the squared error little to gain: 4 bits do.
    for (const [method, steps, share] of [
      ['percentile', 255, 0.8],
      ['entropy', 255, 0.95],
      ['mse', 15, 0.5],
    ] as const) {
      const { min, max } = boundsOf([values], method, { symmetric: false, steps });
      expect(max, method).toBeLessThan(share * full.max);
      expect(max, method).toBeGreaterThan(2.5);
      expect(min, method).toBeLessThan(-2.5);
    }
  });
});

describe('percentile', () => {
  it('cuts at hand-computed bins', () => {
    // One value in each of ten bins: 80 % inside leaves one out at either end, 90 % half a one, which is none.
    const values = Float32Array.from({ length: 10 }, (_, i) => i + 0.5);
    const observer = new HistogramObserver('signed', { min: 0, max: 10 }, 10);
    observer.observe(values);
    const range = summaryOf(values);
    // Zero lies before them: cutting the lower end would gain nothing.
    expect(percentileBounds(observer.histogram(), range, 80)).toEqual({ min: 0.5, max: 9 });
    expect(percentileBounds(observer.histogram(), range, 90)).toEqual({ min: 0.5, max: 9.5 });
    expect(percentileBounds(observer.histogram(), range, 100)).toEqual({ min: 0.5, max: 9.5 });
    const around = values.map((value) => value - 5);
    const signed = new HistogramObserver('signed', { min: -5, max: 5 }, 10);
    signed.observe(around);
    expect(percentileBounds(signed.histogram(), summaryOf(around), 80)).toEqual({ min: -4, max: 4 });
    expect(percentileBounds(signed.histogram(), summaryOf(around), 60)).toEqual({ min: -3, max: 3 });
  });

  it('never leaves more outside than allowed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 90, max: 100, noNaN: true }),
        (seed, percentile) => {
          const values = heavyTailed(3000, seed);
          for (const grid of [asymmetric, symmetric]) {
            const { min, max } = boundsOf([values], 'percentile', grid, percentile);
            const outside = values.filter((value) => value < min || value > max).length;
            // A value on the edge of a bin may fall to either side of it in floating point.
            expect(outside).toBeLessThanOrEqual((values.length * (100 - percentile)) / 100 + 2);
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('entropy', () => {
  it('is KL of the whole against what the codes can represent', () => {
    // Two levels over the first four of six bins: {4, 2} -> 3, 3 and {1, 0} -> 1 in its filled bin; 1 + 0 clipped.
    const counts = Float64Array.of(4, 2, 1, 0, 1, 0);
    const floor = 1e-4 / 6;
    const q = (count: number) => (1 - 1e-4) * (count / 8) + floor;
    const expected =
      (4 / 8) * Math.log(4 / 8 / q(3)) +
      (2 / 8) * Math.log(2 / 8 / q(3)) +
      (1 / 8) * Math.log(1 / 8 / q(1)) +
      (1 / 8) * Math.log(1 / 8 / floor);
    expect(divergenceOf(counts, 4, 2, 8)).toBeCloseTo(expected, 12);
  });

  it('keeps a peak apart from what lies beyond it', () => {
    // Seven tenths of the values are one number, as in images with a plain background; the rest go up to 2.5 times it.
    const values = Float32Array.from({ length: 20_000 }, (_, i) => (i % 10 < 7 ? 0.8 : (i % 2000) / 1000));
    expect(boundsOf([values], 'entropy').max).toBeGreaterThan(1.9);
  });

  it('takes no clip that squares worse than clipping nothing', () => {
    // A bulk near zero that tempts divergence to clip, and few large values that are most of the signal.
    const values = floats(...heavyTailed(20_000, 3), ...Array.from({ length: 40 }, (_, i) => 60 + i));
    const { max } = boundsOf([values], 'entropy');
    const summary = summaryOf(values);
    const observer = new HistogramObserver('magnitude', summary);
    observer.observe(values);
    const errorOf = (end: number) => quantizationError(observer.histogram(), { min: 0, max: end }, 127.5);
    expect(errorOf(max)).toBeLessThanOrEqual(errorOf(summary.max));
    // Without that rule the best divergence is far inside.
    const { counts, total } = observer.histogram();
    const divergences = Array.from({ length: counts.length - 127 }, (_, i) =>
      divergenceOf(counts, i + 128, 128, total),
    );
    const tempting = 128 + divergences.indexOf(Math.min(...divergences));
    expect(errorOf((summary.max * tempting) / counts.length)).toBeGreaterThan(errorOf(summary.max));
  });

  it('gives one-sided ranges all codes', () => {
    const counts = new Float64Array(512).fill(1);
    const histogram: FixedHistogram = { kind: 'magnitude', min: 0, max: 1, counts, total: 512 };
    const range = summaryOf(floats(0, 1));
    // Even values lose nothing to rounding, whatever is merged, so nothing is clipped.
    expect(entropyBounds(histogram, range, asymmetric)).toEqual({ min: 0, max: 1 });
  });
});

describe('mean squared error', () => {
  it('has the error of the definition', () => {
    const observer = new HistogramObserver('signed', { min: -1, max: 1 }, 2048);
    const centres = Float32Array.from({ length: 2048 }, (_, i) => -1 + (i + 0.5) / 1024);
    observer.observe(centres);
    const scale = 1.2 / 15;
    const expected = centres.reduce((sum, value) => {
      const code = Math.min(
        Math.max(Math.round(value / scale), Math.round(-0.4 / scale)),
        Math.round(-0.4 / scale) + 15,
      );
      return sum + (value - code * scale) ** 2;
    }, 0);
    expect(quantizationError(observer.histogram(), { min: -0.4, max: 0.8 }, 15)).toBeCloseTo(expected, 9);
  });

  it('is never worse than the full range, and better where tails are heavy', () => {
    for (const grid of [asymmetric, symmetric]) {
      const values = heavyTailed(20_000, 11);
      const range = summaryOf(values);
      const observer = new HistogramObserver(grid.symmetric ? 'magnitude' : 'signed', range);
      observer.observe(values);
      const { min, max } = mseBounds(observer.histogram(), range, { ...grid, steps: 15 });
      const whole = grid.symmetric ? Math.max(-range.min, range.max) : 0;
      const full = grid.symmetric ? { min: -whole, max: whole } : range;
      expect(quantizationError(observer.histogram(), { min, max }, 15)).toBeLessThan(
        0.5 * quantizationError(observer.histogram(), full, 15),
      );
    }
  });
});
