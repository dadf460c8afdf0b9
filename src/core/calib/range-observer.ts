/** The first look at a value: its extremes, over everything and as means over samples, and a rough picture of it. */
import { StudioError } from '../base/errors/index.ts';
import { CoarseHistogram } from './coarse-histogram.ts';
import type { FixedHistogram, RangeSummary } from './types.ts';

export class RangeObserver {
  readonly #tensor: string;
  readonly #coarse = new CoarseHistogram();
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #sumMin = 0;
  #sumMax = 0;
  #samples = 0;
  #count = 0;

  constructor(tensor: string) {
    this.#tensor = tensor;
  }

  /**
   * @param values of one sample; an empty one counts for nothing
   * @throws StudioError calib/not-finite
   */
  observe(values: Float32Array): void {
    if (values.length === 0) return;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i]!;
      if (value < min) min = value;
      if (value > max) max = value;
      poison += value * 0;
    }
    if (poison !== 0) throw new StudioError('calib/not-finite', { tensor: this.#tensor, sample: this.#samples + 1 });
    this.#coarse.observe(values, Math.max(-min, max));
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
    this.#sumMin += min;
    this.#sumMax += max;
    this.#samples += 1;
    this.#count += values.length;
  }

  /** @throws StudioError calib/too-few-samples when nothing was observed */
  summary(): RangeSummary {
    const [samples, count] = [this.#samples, this.#count];
    if (samples === 0) throw new StudioError('calib/too-few-samples', { tensor: this.#tensor, count, needed: 1 });
    return {
      min: this.#min,
      max: this.#max,
      meanMin: this.#sumMin / samples,
      meanMax: this.#sumMax / samples,
      count,
      samples,
    };
  }

  /** Of everything but exact zeros. */
  picture(bins: number): FixedHistogram {
    return this.#coarse.histogram(bins);
  }
}
