import type { Bounds, RangeSummary } from './types.ts';

/** Everything seen stays inside (onnxruntime 1.30, MinMaxCalibrater). */
export function minMaxBounds({ min, max }: RangeSummary): Bounds {
  return { min, max };
}
