import type { Bounds, CodeGrid, FixedHistogram, RangeSummary } from './types.ts';

/** Candidate ends: so many equal parts of the observed range, the smallest a fifth of it. */
const PARTS = 80;
const SMALLEST = 0.2;
const ROUNDS = 2;

/**
 * The clip with the least mean squared error of quantizing and clipping together, over the histogram (each bin counts as
 * its centre). Symmetric: one end is searched; else the ends in turns, each with the other held.
 * @param histogram signed, or of magnitudes for a symmetric grid
 */
export function mseBounds(histogram: FixedHistogram, range: RangeSummary, grid: CodeGrid): Bounds {
  const full = { min: Math.min(range.min, 0), max: Math.max(range.max, 0) };
  if (histogram.total === 0 || full.max === full.min) return { min: range.min, max: range.max };
  if (grid.symmetric) {
    const whole = Math.max(-full.min, full.max);
    const t = bestOf(whole, (end) => quantizationError(histogram, { min: -end, max: end }, grid.steps));
    return { min: Math.max(range.min, -t), max: Math.min(range.max, t) };
  }
  let { min, max } = full;
  for (let round = 0; round < ROUNDS; round += 1) {
    const low = min;
    max = bestOf(full.max, (end) => quantizationError(histogram, { min: low, max: end }, grid.steps));
    const high = max;
    min = bestOf(full.min, (end) => quantizationError(histogram, { min: end, max: high }, grid.steps));
  }
  return { min, max };
}

/** The widest of equals. */
function bestOf(whole: number, errorOf: (end: number) => number): number {
  if (whole === 0) return 0;
  let best = whole;
  let least = Number.POSITIVE_INFINITY;
  for (let part = PARTS; part >= PARTS * SMALLEST; part -= 1) {
    const end = (whole * part) / PARTS;
    const error = errorOf(end);
    if (error < least) {
      least = error;
      best = end;
    }
  }
  return best;
}

/** Summed squared error over the histogram when [min, max] is divided into `steps`; zero is one of the codes. */
export function quantizationError(histogram: FixedHistogram, { min, max }: Bounds, steps: number): number {
  const { counts } = histogram;
  const scale = (max - min) / steps;
  if (scale <= 0) return Number.POSITIVE_INFINITY;
  const lowest = Math.round(min / scale);
  const width = (histogram.max - histogram.min) / counts.length;
  let sum = 0;
  for (let i = 0; i < counts.length; i += 1) {
    if (counts[i] === 0) continue;
    const value = histogram.min + (i + 0.5) * width;
    const code = Math.min(Math.max(Math.round(value / scale), lowest), lowest + steps);
    sum += counts[i]! * (value - code * scale) ** 2;
  }
  return sum;
}
