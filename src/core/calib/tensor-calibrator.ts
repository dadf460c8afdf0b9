/** One value under calibration: looks at every sample once, or twice where its method wants a histogram. */
import { entropyBounds } from './entropy.ts';
import { HistogramObserver } from './histogram.ts';
import { minMaxBounds } from './min-max.ts';
import { movingAverageBounds } from './moving-average.ts';
import { mseBounds } from './mse.ts';
import { percentileBounds } from './percentile.ts';
import { RangeObserver } from './range-observer.ts';
import type { Bounds, CalibrationSettings, HistogramKind, RangeSummary } from './types.ts';

export function needsHistogram({ method }: CalibrationSettings): boolean {
  return method !== 'min-max' && method !== 'moving-average';
}

export class TensorCalibrator {
  readonly #settings: CalibrationSettings;
  readonly #ranges: RangeObserver;
  #range: RangeSummary | undefined;
  #histogram: HistogramObserver | undefined;

  constructor(tensor: string, settings: CalibrationSettings) {
    this.#settings = settings;
    this.#ranges = new RangeObserver(tensor);
  }

  /** @throws StudioError calib/not-finite */
  observe(values: Float32Array): void {
    if (this.#histogram) this.#histogram.observe(values);
    else this.#ranges.observe(values);
  }

  /**
   * Ends the first look; observe everything again when it returns true.
   * @throws StudioError calib/too-few-samples
   */
  startSecondLook(): boolean {
    this.#range = this.#ranges.summary();
    if (!needsHistogram(this.#settings)) return false;
    const { method, grid } = this.#settings;
    const kind: HistogramKind = method === 'entropy' || grid.symmetric ? 'magnitude' : 'signed';
    this.#histogram = new HistogramObserver(kind, this.#range);
    return true;
  }

  /** @throws StudioError calib/too-few-samples */
  bounds(): Bounds {
    const { method, grid, percentile } = this.#settings;
    const range = this.#range ?? this.#ranges.summary();
    if (method === 'min-max') return minMaxBounds(range);
    if (method === 'moving-average') return movingAverageBounds(range);
    const histogram = this.#histogram!.histogram();
    if (method === 'percentile') return percentileBounds(histogram, range, percentile);
    return method === 'entropy' ? entropyBounds(histogram, range, grid) : mseBounds(histogram, range, grid);
  }
}
