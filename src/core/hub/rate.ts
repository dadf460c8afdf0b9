/** Speed of a transfer over the last seconds. What was there before it began does not count. */

const WINDOW_MS = 5000;
/** Before that, an estimate is only noise. */
const FIRST_ESTIMATE_MS = 700;

export interface RateSample {
  readonly at: number;
  readonly done: number;
}

/** Adds a sample and drops those that are too old. A step backwards (started over) begins anew. */
export function addSample(samples: readonly RateSample[], next: RateSample): RateSample[] {
  const last = samples.at(-1);
  if (last && next.done < last.done) return [next];
  const kept = samples.filter(({ at }) => next.at - at <= WINDOW_MS);
  // One from just outside the window keeps the estimate of a slow transfer alive.
  const before = samples.filter(({ at }) => next.at - at > WINDOW_MS).at(-1);
  return [...(kept.length === 0 && before ? [before] : []), ...kept, next];
}

/** @returns bytes a second, and seconds left; null while that cannot be said */
export function transferRate(
  samples: readonly RateSample[],
  total: number | null,
): { readonly bytesPerSecond: number; readonly secondsLeft: number | null } | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.at - first.at < FIRST_ESTIMATE_MS) return null;
  const bytesPerSecond = ((last.done - first.done) / (last.at - first.at)) * 1000;
  if (bytesPerSecond <= 0) return null;
  return { bytesPerSecond, secondsLeft: total === null ? null : Math.max(0, total - last.done) / bytesPerSecond };
}
