/**
 * A rough picture of a value's distribution in one look, without knowing its range beforehand: equal bins over
 * [-2^k, 2^k], where k grows as larger values come and neighbouring bins then merge two by two. Bins never move, so the
 * picture does not depend on the order of the samples. For showing, not for choosing a range.
 */
import type { FixedHistogram } from './types.ts';

const HALF = 64;

export class CoarseHistogram {
  #counts = new Float64Array(2 * HALF);
  /** Power of two; 0 while only zeros have come. */
  #reach = 0;

  /** @param largest magnitude among the values; exact zeros are left out */
  observe(values: Float32Array, largest: number): void {
    if (largest === 0) return;
    this.#growTo(largest);
    const counts = this.#counts;
    const perUnit = HALF / this.#reach;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i]!;
      if (value === 0) continue;
      const at = Math.min(2 * HALF - 1, Math.floor(value * perUnit) + HALF);
      counts[at] = counts[at]! + 1;
    }
  }

  #growTo(largest: number): void {
    const reach = 2 ** Math.ceil(Math.log2(largest));
    if (this.#reach === 0) this.#reach = reach;
    while (this.#reach < reach) {
      const merged = new Float64Array(2 * HALF);
      for (let i = 0; i < 2 * HALF; i += 1) {
        const at = HALF + Math.floor((i - HALF) / 2);
        merged[at] = merged[at]! + this.#counts[i]!;
      }
      this.#counts = merged;
      this.#reach *= 2;
    }
  }

  /** The bins from the first to the last that is not empty; at most `bins` of them, neighbours added up. */
  histogram(bins: number): FixedHistogram {
    const counts = this.#counts;
    const first = counts.findIndex((count) => count > 0);
    if (first < 0) return { kind: 'signed', min: 0, max: 0, counts: new Float64Array(1), total: 0 };
    const last = counts.findLastIndex((count) => count > 0);
    const merge = Math.ceil((last - first + 1) / bins);
    const merged = new Float64Array(Math.ceil((last - first + 1) / merge));
    for (let i = first; i <= last; i += 1) {
      const at = Math.floor((i - first) / merge);
      merged[at] = merged[at]! + counts[i]!;
    }
    const width = this.#reach / HALF;
    const min = (first - HALF) * width;
    const total = merged.reduce((sum, count) => sum + count, 0);
    return { kind: 'signed', min, max: min + merged.length * merge * width, counts: merged, total };
  }
}
