/** What calibration measures of a value, and what a method makes of it. */

/** The range that gets codes; what lies outside is clipped. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** How the codes will be laid over the range: some methods weigh clipping against rounding. */
export interface CodeGrid {
  /** The range is [-t, t]. */
  readonly symmetric: boolean;
  /** Codes that the range is divided into, e.g. 255 steps between 256 codes. */
  readonly steps: number;
}

/** What the first look at a value leaves: all of it, in constant memory. */
export interface RangeSummary extends Bounds {
  /** Means over samples of each sample's minimum and maximum. */
  readonly meanMin: number;
  readonly meanMax: number;
  /** Elements seen. */
  readonly count: number;
  readonly samples: number;
}

export type HistogramKind = 'signed' | 'magnitude';

/** Counts over equal bins of a fixed range. Exact zeros are left out: zero has a code of its own in any range. */
export interface FixedHistogram extends Bounds {
  readonly kind: HistogramKind;
  readonly counts: Float64Array;
  /** Of all bins. */
  readonly total: number;
}

/** All that was seen of a value: from it every method's range follows without running the model again. */
export interface CollectedTensor {
  readonly range: RangeSummary;
  /** At most `PICTURE_BINS` bins, for showing. */
  readonly picture: FixedHistogram;
  /** After the second look, which only some methods need. */
  readonly histograms?: { readonly signed: FixedHistogram; readonly magnitude: FixedHistogram } | undefined;
}

export const PICTURE_BINS = 64;

export const calibrationMethodIds = ['min-max', 'moving-average', 'percentile', 'entropy', 'mse'] as const;
export type CalibrationMethodId = (typeof calibrationMethodIds)[number];

export interface CalibrationSettings {
  readonly method: CalibrationMethodId;
  readonly grid: CodeGrid;
  /** For `percentile`: how many percent of the values stay inside. */
  readonly percentile: number;
}
