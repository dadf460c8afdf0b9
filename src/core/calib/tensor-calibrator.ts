/** One value under calibration: looks at every sample once, or twice where its method wants a histogram. */
import { entropyBounds } from './entropy.ts';
import { HistogramObserver } from './histogram.ts';
import { minMaxBounds } from './min-max.ts';
import { movingAverageBounds } from './moving-average.ts';
import { mseBounds } from './mse.ts';
import { percentileBounds } from './percentile.ts';
import { RangeObserver } from './range-observer.ts';
import { type Bounds, type CalibrationSettings, type CollectedTensor, PICTURE_BINS } from './types.ts';

export function needsHistogram({ method }: CalibrationSettings): boolean {
  return method !== 'min-max' && method !== 'moving-average';
}

export class TensorCalibrator {
  readonly #settings: CalibrationSettings;
  readonly #ranges: RangeObserver;
  #known: CollectedTensor | undefined;
  #second: { readonly signed: HistogramObserver; readonly magnitude: HistogramObserver } | undefined;

  /** @param known what an earlier collection of the same samples left */
  constructor(tensor: string, settings: CalibrationSettings, known?: CollectedTensor) {
    this.#settings = settings;
    this.#ranges = new RangeObserver(tensor);
    this.#known = known;
  }

  get needsFirstLook(): boolean {
    return this.#known === undefined;
  }

  /** @throws StudioError calib/not-finite */
  observe(values: Float32Array): void {
    if (this.#second) {
      this.#second.signed.observe(values);
      this.#second.magnitude.observe(values);
    } else this.#ranges.observe(values);
  }

  /**
   * Ends the first look; observe everything again when it returns true. The second look takes both kinds of histogram,
   * so that another method finds its own.
   * @throws StudioError calib/too-few-samples
   */
  startSecondLook(): boolean {
    this.#known ??= { range: this.#ranges.summary(), picture: this.#ranges.picture(PICTURE_BINS) };
    const { range, histograms } = this.#known;
    if (histograms || !needsHistogram(this.#settings)) return false;
    this.#second = {
      signed: new HistogramObserver('signed', range),
      magnitude: new HistogramObserver('magnitude', range),
    };
    return true;
  }

  /** @throws StudioError calib/too-few-samples */
  collected(): CollectedTensor {
    const known = this.#known ?? { range: this.#ranges.summary(), picture: this.#ranges.picture(PICTURE_BINS) };
    if (!this.#second) return known;
    const { signed, magnitude } = this.#second;
    return { ...known, histograms: { signed: signed.histogram(), magnitude: magnitude.histogram() } };
  }

  /** @throws StudioError calib/too-few-samples */
  bounds(): Bounds {
    return boundsOf(this.collected(), this.#settings);
  }
}

/** The range that a method makes of what was seen; `histograms` must be there where it needs them. */
export function boundsOf(
  { range, histograms }: CollectedTensor,
  { method, grid, percentile }: CalibrationSettings,
): Bounds {
  if (method === 'min-max') return minMaxBounds(range);
  if (method === 'moving-average') return movingAverageBounds(range);
  if (method === 'entropy') return entropyBounds(histograms!.magnitude, range, grid);
  const histogram = grid.symmetric ? histograms!.magnitude : histograms!.signed;
  return method === 'percentile' ? percentileBounds(histogram, range, percentile) : mseBounds(histogram, range, grid);
}
