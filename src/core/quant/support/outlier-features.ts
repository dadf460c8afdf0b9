/**
 * Which input features of a layer carry outliers (Dettmers et al. 2022, LLM.int8(), section 3.2): those that reach a
 * magnitude anywhere in the calibration inputs. The paper looks at each batch while it runs; a graph needs to know before.
 */

import { StudioError } from '../../base/errors/index.ts';
import { collectActivations } from '../../calib/collect-activations.ts';
import type { StepContext } from '../../step/define.ts';
import { adviseCalibrated, calibrationOf } from './calibration.ts';
import type { LinearSite } from './linear-sites.ts';

/** Largest magnitude of each feature of an activation [.., K], by the value's name. */
export type FeatureMagnitudes = ReadonlyMap<string, Float32Array>;

/** @throws StudioError calib/no-data, calib/not-finite, pass/refused where nothing can run; see collectActivations */
export async function featureMagnitudes(
  ctx: StepContext,
  step: string,
  sites: readonly LinearSite[],
  maxSamples: number,
): Promise<FeatureMagnitudes> {
  const { source, executor } = calibrationOf(ctx, step);
  const { model } = ctx;
  const largest = new Map(sites.map(({ activation, K }) => [activation, new Float32Array(K)]));
  const seen = new Map<string, number>();
  const samples = await collectActivations({
    model,
    executor,
    source,
    tensors: [...largest.keys()],
    observe: (tensor, values) => {
      const sample = (seen.get(tensor) ?? 0) + 1;
      seen.set(tensor, sample);
      if (!raise(largest.get(tensor)!, values)) throw new StudioError('calib/not-finite', { tensor, sample });
    },
    job: ctx,
    maxSamples,
  });
  ctx.leave({ calibrationSamples: samples, calibrationOrigin: source.origin });
  adviseCalibrated(ctx, source.origin, samples);
  return largest;
}

/** @returns false when a value is NaN or infinite: nothing follows from such an input */
function raise(largest: Float32Array, values: Float32Array): boolean {
  const features = largest.length;
  let poison = 0;
  for (let from = 0; from + features <= values.length; from += features)
    for (let feature = 0; feature < features; feature += 1) {
      const magnitude = Math.abs(values[from + feature]!);
      if (magnitude > largest[feature]!) largest[feature] = magnitude;
      poison += magnitude * 0;
    }
  return poison === 0;
}

export function outliersAbove(magnitudes: Float32Array, threshold: number): number[] {
  return [...magnitudes.keys()].filter((feature) => magnitudes[feature]! >= threshold);
}
