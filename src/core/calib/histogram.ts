/**
 * The second look at a value: a histogram whose range the first look fixed, so that neither the order of the samples
 * nor how they are batched can change it.
 */
import type { Bounds, FixedHistogram, HistogramKind } from './types.ts';

export const HISTOGRAM_BINS = 2048;

export class HistogramObserver {
  readonly #kind: HistogramKind;
  readonly #min: number;
  readonly #max: number;
  readonly #counts: Float64Array;
  #total = 0;

  /** @param bounds the extremes of all that will be observed */
  constructor(kind: HistogramKind, bounds: Bounds, bins = HISTOGRAM_BINS) {
    this.#kind = kind;
    this.#min = kind === 'magnitude' ? 0 : bounds.min;
    this.#max = kind === 'magnitude' ? Math.max(Math.abs(bounds.min), Math.abs(bounds.max)) : bounds.max;
    this.#counts = new Float64Array(bins);
  }

  observe(values: Float32Array): void {
    const counts = this.#counts;
    const last = counts.length - 1;
    const width = this.#max - this.#min;
    if (width <= 0) {
      // One value only: the whole mass is in the last bin, which ends at it.
      for (const value of values) if (value !== 0) this.#total += 1;
      counts[last] = this.#total;
      return;
    }
    const perUnit = counts.length / width;
    const isMagnitude = this.#kind === 'magnitude';
    const low = this.#min;
    let seen = 0;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i]!;
      if (value === 0) continue;
      const bin = Math.floor(((isMagnitude ? Math.abs(value) : value) - low) * perUnit);
      const at = Math.min(last, Math.max(0, bin));
      counts[at] = counts[at]! + 1;
      seen += 1;
    }
    this.#total += seen;
  }

  histogram(): FixedHistogram {
    return { kind: this.#kind, min: this.#min, max: this.#max, counts: this.#counts, total: this.#total };
  }
}
