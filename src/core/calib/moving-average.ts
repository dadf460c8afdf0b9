import type { Bounds, RangeSummary } from './types.ts';

/**
 * The mean over samples of each sample's extremes, so that one outlying sample does not set the range (onnxruntime
 * 1.30, MinMaxCalibrater with `moving_average`, which is this mean too: every sample weighs the same).
 */
export function movingAverageBounds({ meanMin, meanMax }: RangeSummary): Bounds {
  return { min: meanMin, max: meanMax };
}
