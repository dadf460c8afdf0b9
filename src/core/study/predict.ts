/** Predictions that go beside the measurements, never into them. */
import { modelCost } from '../analysis/cost.ts';
import { memoryPlan } from '../analysis/liveness.ts';
import { runtimeFits } from '../analysis/runtime-fit.ts';
import type { Model } from '../ir/types.ts';
import { inferShapes } from '../shape/infer.ts';
import type { VariantFacts } from './results.ts';

/**
 * @param dims values of free dimensions by symbol; without them a dimension that is free makes a figure unknown
 * @returns null for a figure that shapes do not allow to compute
 */
export function predictCost(
  model: Model,
  dims: Readonly<Record<string, number>> = {},
): Pick<VariantFacts, 'predictedPeakActivationBytes' | 'predictedMacs' | 'runtimes'> {
  const shapes = inferShapes(model, { overrides: dims });
  const plan = memoryPlan(model, shapes);
  const { total } = modelCost(model, shapes);
  const { fits, lockIns } = runtimeFits(model, shapes);
  return {
    predictedPeakActivationBytes: plan.unknownValues === 0 ? plan.peakBytes : null,
    predictedMacs: total.unknownNodes === 0 ? total.macs : null,
    runtimes: { fits: fits.map((fit) => ({ ...fit, reasons: [...fit.reasons] })), lockIns: [...lockIns] },
  };
}
