/**
 * The gate: is a variant at most so much worse than the original? The verdict rests on the whole confidence interval of
 * the difference, so that too few samples give "inconclusive" and never a lucky pass.
 */
import { formatAmount, formatMetric, formatSampleCount } from './format.ts';
import {
  type Difference,
  type DifferenceMode,
  type Interval,
  isProportion,
  MIN_SAMPLES,
  pairedDifference,
  pairedProportions,
} from './intervals.ts';
import type { Evaluation, GateRule, MetricDefinition, MetricValue, SampleScores, VerdictRecord } from './types.ts';

export interface GateInput {
  /** Of the primary metric. */
  readonly definition: MetricDefinition;
  readonly gate: GateRule;
  readonly original: Evaluation;
  readonly variant: Evaluation;
  /** Samples that the task has in all, for advice on how to get a clear verdict. */
  readonly available?: number;
}

/** How much worse, in the gate's mode; positive is worse. `interval` undefined: there is no saying how sure it is. */
interface Worsening {
  readonly value: number;
  readonly interval: Interval | undefined;
  /** Samples it rests on. */
  readonly n: number;
  readonly mode: DifferenceMode;
  readonly limit: number;
  /** The interval that so many samples would give if the same share of them changed; absent: it shrinks with sqrt n. */
  readonly intervalOf?: ((n: number) => Interval) | undefined;
}

/**
 * Pass: the whole interval lies within `gate.maxWorse`. Fail: the whole interval lies beyond it. Else inconclusive, with
 * about how many samples would settle it. Metrics that have no interval at all are judged by their value.
 */
export function judge(input: GateInput): VerdictRecord {
  const { definition, original, variant } = input;
  const before = original.metrics.find((value) => value.metric === definition.id);
  const after = variant.metrics.find((value) => value.metric === definition.id);
  if (!before || !after || !Number.isFinite(before.value) || !Number.isFinite(after.value))
    return {
      verdict: 'not-evaluated',
      reason: `${definition.title} could not be computed for ${before && Number.isFinite(before.value) ? 'this variant' : 'the original'}.`,
      worse: null,
      worseInterval: null,
    };
  const share = original.notFiniteShare ?? 0;
  if (share === 1)
    return {
      verdict: 'not-evaluated',
      reason:
        'The original gives nothing but NaN and infinity on these inputs, so there is nothing to agree with: choose inputs that it is made for.',
      worse: null,
      worseInterval: null,
    };
  const record = verdictOf(input, before, after, worseningOf(input, before, after));
  return share > 0 ? { ...record, reason: `${record.reason} ${cautionOf(share)}` } : record;
}

function cautionOf(share: number): string {
  const percent = Math.max(0.1, share * 100).toFixed(1);
  return `Of the original’s values ${percent} % are NaN or infinite on these inputs; where the variant’s are the same they count as agreeing.`;
}

function worseningOf(
  { definition, gate, original, variant }: GateInput,
  before: MetricValue,
  after: MetricValue,
): Worsening {
  const sign = definition.direction === 'higher-is-better' ? -1 : 1;
  // A share of nothing is no measure: when the original's value is 0, "at most x % worse" allows no worsening at all.
  const mode = gate.mode === 'relative' && before.value !== 0 ? 'relative' : 'absolute';
  const limit = gate.mode === mode ? gate.maxWorse : 0;
  const scale = mode === 'relative' ? Math.abs(before.value) : 1;
  const oriented = (value: number, interval: Interval | undefined, n: number): Worsening => ({
    value: sign * value,
    interval:
      interval && withinRange(sign > 0 ? interval : [-interval[1], -interval[0]], definition, before.value, scale),
    n,
    mode,
    limit,
  });
  if (original.scores && variant.scores) {
    const n = Math.min(original.scores.numerators.length, variant.scores.numerators.length);
    const { value, interval } = difference(original.scores, variant.scores, n, mode, gate.confidence);
    const [from, to] = [first(original.scores, n), first(variant.scores, n)];
    if (!isProportion(from) || !isProportion(to)) return oriented(value, interval, n);
    const intervalOf = (size: number): Interval => {
      const [low, high] = pairedProportions(from, to, size, gate.confidence);
      return sign > 0 ? [low / scale, high / scale] : [-high / scale, -low / scale];
    };
    return { ...oriented(value, interval, n), intervalOf };
  }
  const interval =
    before.interval && after.interval
      ? ([(after.interval[0] - before.interval[1]) / scale, (after.interval[1] - before.interval[0]) / scale] as const)
      : undefined;
  return oriented((after.value - before.value) / scale, interval, Math.min(before.n, after.n));
}

interface KnownDifference {
  readonly original: SampleScores;
  readonly mode: DifferenceMode;
  readonly confidence: number;
  readonly result: Difference;
}
const lastDifferences = new WeakMap<SampleScores, KnownDifference>();

/** Resampled once for as long as the scores are the same objects: moving the gate's limit asks nothing new. */
function difference(
  original: SampleScores,
  variant: SampleScores,
  n: number,
  mode: DifferenceMode,
  confidence: number,
): Difference {
  const known = lastDifferences.get(variant);
  if (known && known.original === original && known.mode === mode && known.confidence === confidence)
    return known.result;
  const result = pairedDifference(first(original, n), first(variant, n), mode, { confidence });
  lastDifferences.set(variant, { original, mode, confidence, result });
  return result;
}

/**
 * A share lies between 0 and 1, whatever an approximate interval says: an accuracy of 100 % cannot get better, and an
 * error rate of 1 % by no more than that point.
 */
function withinRange(interval: Interval, definition: MetricDefinition, before: number, scale: number): Interval {
  if (definition.format !== 'percent') return interval;
  const higherIsBetter = definition.direction === 'higher-is-better';
  const mostBetter = (higherIsBetter ? 1 - before : before) / scale;
  const mostWorse = higherIsBetter ? before / scale : Number.POSITIVE_INFINITY;
  const clip = (value: number) => Math.min(Math.max(value, -mostBetter), mostWorse);
  return [clip(interval[0]), clip(interval[1])];
}

function first(scores: SampleScores, n: number): SampleScores {
  return { ...scores, numerators: scores.numerators.slice(0, n), denominators: scores.denominators.slice(0, n) };
}

function verdictOf(input: GateInput, before: MetricValue, after: MetricValue, worsening: Worsening): VerdictRecord {
  const { definition, gate } = input;
  const { value, interval, n, mode, limit } = worsening;
  const amount = (x: number) => formatAmount(x, mode, definition);
  const allowed = `${amount(limit)} allowed`;
  const change = value === 0 ? 'no difference' : value > 0 ? `${amount(value)} worse` : `${amount(-value)} better`;
  const facts = `${definition.short} ${formatMetric(after.value, definition)} against ${formatMetric(before.value, definition)} for the original: ${change}`;
  const record = (verdict: VerdictRecord['verdict'], reason: string): VerdictRecord => ({
    verdict,
    reason,
    worse: value,
    worseInterval: interval ? [interval[0], interval[1]] : null,
  });
  if (!interval) {
    if (input.original.scores && n < MIN_SAMPLES)
      return record(
        'inconclusive',
        `${facts}, but ${formatSampleCount(n)} cannot show how sure that is; ${MIN_SAMPLES} or more are needed.`,
      );
    return value <= limit
      ? record('pass', `${facts}, within the ${allowed} (this metric has no confidence interval).`)
      : record('fail', `${facts}, beyond the ${allowed} (this metric has no confidence interval).`);
  }
  const [low, high] = interval;
  const confidence = `${Number((gate.confidence * 100).toFixed(1))} %`;
  if (high <= limit) {
    const bound = high > 0 ? `at most ${amount(high)} worse` : 'not worse';
    return record('pass', `${facts}, ${bound} with ${confidence} confidence; ${allowed}.`);
  }
  if (low > limit)
    return record('fail', `${facts}, at least ${amount(low)} worse with ${confidence} confidence; only ${allowed}.`);
  const range = `${confidence} interval from ${signed(low, amount)} to ${signed(high, amount)}`;
  return record(
    'inconclusive',
    `${facts} (${range}), so ${formatSampleCount(n)} cannot tell whether it stays within the ${allowed}${advice(worsening, input.available)}.`,
  );
}

const signed = (value: number, amount: (x: number) => string) =>
  value < 0 ? `${amount(-value)} better` : value === 0 ? 'no difference' : `${amount(value)} worse`;

/** More than a hundred times the samples is no advice. */
function advice(worsening: Worsening, available: number | undefined): string {
  const { n } = worsening;
  const needed = samplesNeeded(worsening);
  if (needed > 100 * n) return '; the difference lies too near the limit for any practical number of samples';
  const rounded = roundUp(needed);
  const have = available !== undefined && available > n ? `, the task has ${available}` : '';
  return `; about ${formatSampleCount(rounded)} would${have}`;
}

/**
 * Intervals of means shrink with the square root of n. Those of proportions do not near 0 and 1, where they shrink with
 * n itself, so theirs is computed at larger sizes.
 */
function samplesNeeded({ value, interval, n, limit, intervalOf }: Worsening): number {
  if (intervalOf) {
    const settles = (size: number) => intervalOf(size)[1] <= limit || intervalOf(size)[0] > limit;
    if (!settles(100 * n)) return Number.POSITIVE_INFINITY;
    let [open, settled] = [n, 100 * n];
    while (settled - open > 1) {
      const middle = Math.floor((open + settled) / 2);
      if (settles(middle)) settled = middle;
      else open = middle;
    }
    return settled;
  }
  const reach = value <= limit ? interval![1] - value : value - interval![0];
  const margin = Math.abs(limit - value);
  return margin > 0 ? Math.ceil(n * (reach / margin) ** 2) : Number.POSITIVE_INFINITY;
}

/** To two significant digits, upwards. */
function roundUp(n: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(n)) - 1);
  return Math.ceil(n / step) * step;
}
