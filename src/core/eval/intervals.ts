/**
 * Confidence intervals of metrics that are ratios of sums over samples, alone and as the difference between two
 * variants on the same samples. Everything is seeded: the same scores give the same interval everywhere.
 */
import { createRng } from '../base/rng.ts';
import { normalCdf, normalQuantile, studentQuantile } from './normal-distribution.ts';
import type { SampleScores } from './types.ts';

export type Interval = readonly [low: number, high: number];

export interface BootstrapOptions {
  /** Two-sided confidence level. */
  readonly confidence?: number;
  readonly resamples?: number;
  readonly seed?: number;
}

const DEFAULTS = { confidence: 0.95, resamples: 2000, seed: 20240601 } as const;
/** Resamples x samples are kept near this, so that an interval takes tens of milliseconds whatever n is. */
const MAX_DRAWS = 8_000_000;
const MIN_RESAMPLES = 400;
/** With fewer samples no interval is given: resampling so few says next to nothing. */
export const MIN_SAMPLES = 5;

/** metric = sum of numerators / sum of denominators; NaN when the denominators sum to 0. */
export function ratioOfSums(scores: SampleScores): number {
  let numerator = 0;
  let denominator = 0;
  for (let i = 0; i < scores.numerators.length; i++) {
    numerator += scores.numerators[i]!;
    denominator += scores.denominators[i]!;
  }
  return numerator / denominator;
}

/**
 * Wilson's score interval for a proportion (Wilson 1927; Brown, Cai & DasGupta 2001 recommend it): sound near 0 and 1
 * and for small n, where the textbook interval collapses.
 */
export function wilsonInterval(successes: number, n: number, confidence: number = DEFAULTS.confidence): Interval {
  const z = normalQuantile(0.5 + confidence / 2);
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [successes === 0 ? 0 : centre - half, successes === n ? 1 : centre + half];
}

/** True when each sample is right or wrong: counts with numerators 0 or 1, denominators 1. */
export function isProportion(scores: SampleScores): boolean {
  return (
    !scores.continuous &&
    scores.denominators.every((d) => d === 1) &&
    scores.numerators.every((x) => x === 0 || x === 1)
  );
}

/** The interval of a metric: Wilson's for proportions, else the bootstrap; undefined below `MIN_SAMPLES` samples. */
export function scoreInterval(scores: SampleScores, options: BootstrapOptions = {}): Interval | undefined {
  const n = scores.numerators.length;
  if (n === 0) return undefined;
  if (isProportion(scores)) {
    const successes = scores.numerators.reduce((sum, x) => sum + x, 0);
    return wilsonInterval(successes, n, options.confidence);
  }
  return bootstrapInterval(n, (draw) => ratioOfDraw(scores, draw), options);
}

/**
 * Percentile bootstrap (Efron 1979) over whole samples, with the tails widened for small n so that it is as wide as
 * Student's t would make it (Hesterberg 2015, "What teachers should know about the bootstrap", the expanded percentile
 * interval). Draws where the statistic is undefined (0 / 0) are left out.
 * @param n number of samples
 * @param statistic its value for a resample, given as n indices
 * @returns undefined when n < MIN_SAMPLES or the statistic is never defined
 */
export function bootstrapInterval(
  n: number,
  statistic: (draw: Uint32Array) => number,
  options: BootstrapOptions = {},
): Interval | undefined {
  if (n < MIN_SAMPLES) return undefined;
  const confidence = options.confidence ?? DEFAULTS.confidence;
  const wanted = options.resamples ?? DEFAULTS.resamples;
  const resamples = Math.max(MIN_RESAMPLES, Math.min(wanted, Math.floor(MAX_DRAWS / n)));
  const rng = createRng(options.seed ?? DEFAULTS.seed);
  const draw = new Uint32Array(n);
  const values: number[] = [];
  for (let r = 0; r < resamples; r++) {
    rng.fillInts(draw, n);
    const value = statistic(draw);
    if (!Number.isNaN(value)) values.push(value);
  }
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const tail = expandedTail(n, confidence);
  return [quantile(sorted, tail), quantile(sorted, 1 - tail)];
}

/** Probability in each tail: alpha / 2, made smaller so that small samples give intervals as wide as t does. */
export function expandedTail(n: number, confidence: number): number {
  const t = studentQuantile(0.5 + confidence / 2, n - 1);
  return normalCdf(-Math.sqrt(n / (n - 1)) * t);
}

/** Linear interpolation between closest ranks (numpy's default). */
function quantile(sorted: Float64Array, p: number): number {
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low === high ? low : low + (at - below) * (high - low);
}

function ratioOfDraw(scores: SampleScores, draw: Uint32Array): number {
  const { numerators, denominators } = scores;
  let numerator = 0;
  let denominator = 0;
  for (let i = 0; i < draw.length; i++) {
    numerator += numerators[draw[i]!]!;
    denominator += denominators[draw[i]!]!;
  }
  return numerator / denominator;
}

export type DifferenceMode = 'absolute' | 'relative';

export interface Difference {
  /** variant - original; in relative mode divided by the original's value. */
  readonly value: number;
  readonly interval: Interval | undefined;
}

/**
 * The difference of two variants on the same samples, which is far less noisy than either alone: what is easy or hard
 * for both cancels. Proportions use Bonett & Price's adjusted Wald interval for paired proportions (2012), which stays
 * open when no sample changed at all; everything else the paired bootstrap.
 * @param original and `variant` scores of the same samples in the same order
 */
export function pairedDifference(
  original: SampleScores,
  variant: SampleScores,
  mode: DifferenceMode,
  options: BootstrapOptions = {},
): Difference {
  const n = original.numerators.length;
  const base = ratioOfSums(original);
  const scale = mode === 'relative' ? base : 1;
  const value = (ratioOfSums(variant) - base) / scale;
  if (isProportion(original) && isProportion(variant)) {
    const [low, high] = pairedProportions(original, variant, n, options.confidence ?? DEFAULTS.confidence);
    return { value, interval: scale > 0 ? [low / scale, high / scale] : undefined };
  }
  const change = (draw: Uint32Array) => ratioOfDraw(variant, draw) - ratioOfDraw(original, draw);
  if (mode === 'absolute') return { value, interval: bootstrapInterval(n, change, options) };
  const relative = bootstrapInterval(
    n,
    (draw) => relativeChange(ratioOfDraw(original, draw), ratioOfDraw(variant, draw)),
    options,
  );
  if (relative?.every(Number.isFinite)) return { value, interval: relative };
  // Draws without a single error of the original have no relative change; its measured value then serves as the unit.
  const absolute = bootstrapInterval(n, change, options);
  return { value, interval: absolute && base !== 0 ? [absolute[0] / base, absolute[1] / base] : undefined };
}

const relativeChange = (from: number, to: number) => (to === from ? 0 : (to - from) / from);

/**
 * Bonett and Price's interval of the difference of two paired proportions.
 * @param size as it would be if the same shares of so many samples had changed
 */
export function pairedProportions(
  original: SampleScores,
  variant: SampleScores,
  size: number,
  confidence: number,
): Interval {
  const n = original.numerators.length;
  let gained = 0;
  let lost = 0;
  for (let i = 0; i < n; i++) {
    const change = variant.numerators[i]! - original.numerators[i]!;
    if (change > 0) gained += 1;
    if (change < 0) lost += 1;
  }
  const z = normalQuantile(0.5 + confidence / 2);
  const up = ((gained / n) * size + 1) / (size + 2);
  const down = ((lost / n) * size + 1) / (size + 2);
  const half = z * Math.sqrt((up + down - (up - down) ** 2) / (size + 2));
  return [Math.max(-1, up - down - half), Math.min(1, up - down + half)];
}
