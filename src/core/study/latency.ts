import { percentile } from '../base/percentile.ts';
import type { Latency } from './results.ts';

export { percentile };

/**
 * @param samplesMs every timed run, in order
 * @param turnsBeganAt see `latencySchema`
 */
export function summarizeLatency(samplesMs: readonly number[], interleaved: boolean, turnsBeganAt?: string): Latency {
  const sorted = [...samplesMs].sort((a, b) => a - b);
  return {
    runs: samplesMs.length,
    medianMs: percentile(sorted, 50),
    p5Ms: percentile(sorted, 5),
    p95Ms: percentile(sorted, 95),
    minMs: sorted[0] ?? Number.NaN,
    interleaved,
    ...(turnsBeganAt === undefined ? {} : { turnsBeganAt }),
    samplesMs: [...samplesMs],
  };
}

/** Shares of the baseline's median. */
const SAME_TURNS_NOISE = 0.02;
const OTHER_TURNS_NOISE = 0.1;

export type LatencyDifference = 'faster' | 'slower' | 'within noise';

/**
 * Compares two variants by a two-sided Mann–Whitney U test on their timed runs (normal approximation with tie
 * correction; Mann & Whitney 1947) at the 1 % level, and calls differences of the medians below 2 % noise whatever the
 * test says: on a shared machine they do not repeat. Figures that did not take turns with each other (one of them is from
 * an earlier run) carry the machine's drift in between, which no test sees: below 10 % they are noise too.
 */
export function compareLatency(variant: Latency, baseline: Latency): LatencyDifference {
  const ratio = variant.medianMs / baseline.medianMs;
  const tookTurns = variant.turnsBeganAt === baseline.turnsBeganAt;
  if (Math.abs(ratio - 1) < (tookTurns ? SAME_TURNS_NOISE : OTHER_TURNS_NOISE)) return 'within noise';
  const z = mannWhitneyZ(variant.samplesMs, baseline.samplesMs);
  if (Math.abs(z) < 2.576) return 'within noise';
  return ratio < 1 ? 'faster' : 'slower';
}

/** z score of U for `a` against `b`; positive when `a` tends to be larger. 0 when either is empty or all are tied. */
export function mannWhitneyZ(a: readonly number[], b: readonly number[]): number {
  const total = a.length + b.length;
  if (a.length === 0 || b.length === 0) return 0;
  const all = [...a.map((value) => ({ value, own: true })), ...b.map((value) => ({ value, own: false }))];
  all.sort((x, y) => x.value - y.value);
  let rankSum = 0;
  let tieTerm = 0;
  for (let start = 0; start < total; ) {
    let end = start;
    while (end < total && all[end]!.value === all[start]!.value) end += 1;
    const ties = end - start;
    const meanRank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) if (all[i]!.own) rankSum += meanRank;
    tieTerm += ties ** 3 - ties;
    start = end;
  }
  const u = rankSum - (a.length * (a.length + 1)) / 2;
  const mean = (a.length * b.length) / 2;
  const variance = ((a.length * b.length) / 12) * (total + 1 - tieTerm / (total * (total - 1)));
  return variance > 0 ? (u - mean) / Math.sqrt(variance) : 0;
}
