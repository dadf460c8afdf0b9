/** From calibration inputs to the range of each value. */
import { blameWeight } from './blame-weight.ts';
import type { CollectRequest } from './collect-activations.ts';
import { collectActivations } from './collect-activations.ts';
import { collectionKey, RangeCache } from './range-cache.ts';
import { TensorCalibrator } from './tensor-calibrator.ts';
import type { Bounds, CalibrationSettings, CollectedTensor } from './types.ts';

export interface CalibrateRequest extends Omit<CollectRequest, 'observe'> {
  readonly settings: CalibrationSettings;
  /** What earlier calls collected; without it, that of this process. */
  readonly cache?: RangeCache;
}

export interface Calibration {
  /** One for each tensor asked for. */
  readonly bounds: ReadonlyMap<string, Bounds>;
  /** What was seen of each. */
  readonly collected: ReadonlyMap<string, CollectedTensor>;
  readonly samples: number;
  /** How often the samples were run: 0 where everything was known, at most 2. */
  readonly looks: number;
}

const ownCache = new RangeCache();

/**
 * @throws StudioError calib/*, task/shape-mismatch, job/cancelled, runtime/*; pass/bad-weight where a weight is why a
 *   value is not finite
 */
export async function calibrate(request: CalibrateRequest): Promise<Calibration> {
  try {
    return await measureBounds(request);
  } catch (error) {
    throw await blameWeight(request.model, error);
  }
}

async function measureBounds(request: CalibrateRequest): Promise<Calibration> {
  const { tensors, settings, cache = ownCache, maxSamples = Number.POSITIVE_INFINITY } = request;
  const key = await collectionKey(request.model, request.source, maxSamples);
  const known = key === undefined ? undefined : cache.get(key);
  const calibrators = new Map(
    tensors.map((name) => [name, new TensorCalibrator(name, settings, known?.tensors.get(name))]),
  );
  let samples = known?.samples ?? 0;
  let looks = 0;
  const look = async (wanted: readonly string[]): Promise<void> => {
    if (wanted.length === 0) return;
    const observe = (tensor: string, values: Float32Array) => calibrators.get(tensor)!.observe(values);
    samples = await collectActivations({ ...request, tensors: wanted, observe });
    looks += 1;
  };
  await look(tensors.filter((name) => calibrators.get(name)!.needsFirstLook));
  await look(tensors.filter((name) => calibrators.get(name)!.startSecondLook()));
  const bounds = new Map<string, Bounds>();
  const collected = new Map<string, CollectedTensor>();
  for (const [name, calibrator] of calibrators) {
    bounds.set(name, calibrator.bounds());
    collected.set(name, calibrator.collected());
  }
  if (key !== undefined) cache.add(key, samples, collected);
  return { bounds, collected, samples, looks };
}
