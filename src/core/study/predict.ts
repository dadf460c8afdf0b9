/** Predictions that go beside the measurements, never into them. */
import type { Model } from '../ir/types.ts';
import type { VariantFacts } from './results.ts';

/**
 * @param dims values of free dimensions by symbol; without them a dimension that is free makes a figure unknown
 * @returns null for a figure that shapes do not allow to compute
 */
export function predictCost(
  _model: Model,
  _dims: Readonly<Record<string, number>> = {},
): Pick<VariantFacts, 'predictedPeakActivationBytes' | 'predictedMacs'> {
  return { predictedPeakActivationBytes: null, predictedMacs: null };
}
