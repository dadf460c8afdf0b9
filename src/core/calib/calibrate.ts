/** From calibration inputs to the range of each value. */
import type { CollectRequest } from './collect-activations.ts';
import { collectActivations } from './collect-activations.ts';
import { TensorCalibrator } from './tensor-calibrator.ts';
import type { Bounds, CalibrationSettings } from './types.ts';

export interface CalibrateRequest extends Omit<CollectRequest, 'observe'> {
  readonly settings: CalibrationSettings;
}

export interface Calibration {
  /** One for each tensor asked for. */
  readonly bounds: ReadonlyMap<string, Bounds>;
  readonly samples: number;
}

/** @throws StudioError calib/*, task/shape-mismatch, job/cancelled, runtime/* */
export async function calibrate(request: CalibrateRequest): Promise<Calibration> {
  const calibrators = new Map(request.tensors.map((name) => [name, new TensorCalibrator(name, request.settings)]));
  const observe = (tensor: string, values: Float32Array) => calibrators.get(tensor)!.observe(values);
  const samples = await collectActivations({ ...request, observe });
  let again = false;
  for (const calibrator of calibrators.values()) again = calibrator.startSecondLook() || again;
  if (again) await collectActivations({ ...request, observe });
  const bounds = new Map<string, Bounds>();
  for (const [name, calibrator] of calibrators) bounds.set(name, calibrator.bounds());
  return { bounds, samples };
}
