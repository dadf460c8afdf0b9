/** Percentile by linear interpolation between closest ranks (Hyndman & Fan type 7, numpy's default). `p` in 0..100. */
export function percentile(sorted: readonly number[], p: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = ((sorted.length - 1) * p) / 100;
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (position - low);
}

export interface Spread {
  readonly median: number;
  readonly p5: number;
  readonly p95: number;
}

/** NaN throughout where there are no values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: percentile(sorted, 50), p5: percentile(sorted, 5), p95: percentile(sorted, 95) };
}
