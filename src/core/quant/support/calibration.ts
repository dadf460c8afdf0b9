/** What every step that measures activations asks for, requires, and says about the inputs it measured with. */
import { z } from 'zod';
import { StudioError } from '../../base/errors/index.ts';
import type { CalibrationSource, Executor, StepContext } from '../../step/define.ts';

/** @param when under what setting inputs are run at all, if not always */
export const samplesParam = (count: number, when?: string) =>
  z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(count)
    .meta({
      title: 'Calibration samples',
      description: `${when === undefined ? 'At' : `${when}: at`} most so many inputs are run, the first ones.`,
      unit: 'samples',
    });

export const rowsParam = () =>
  z.number().int().min(16).max(8192).default(512).meta({
    title: 'Rows to judge by',
    description: 'Of all positions in all samples so many are drawn at random, and candidates are judged by them.',
    unit: 'rows',
  });

export const percentileParam = () =>
  z.number().min(90).max(100).default(99.999).meta({
    title: 'Percentile',
    description: 'For "percentile": how many percent of the values stay within the range.',
    unit: '%',
  });

/** @throws StudioError calib/no-data without inputs, pass/refused without anything to run them */
export function calibrationOf(
  { calibration: source, executor }: StepContext,
  step: string,
): { readonly source: CalibrationSource; readonly executor: Executor } {
  if (!source) throw new StudioError('calib/no-data', { step });
  if (!executor) throw new StudioError('pass/refused', { step, reason: 'this host cannot run models' });
  return { source, executor };
}

/** Fewer say little about what other inputs will do. */
const FEW_SAMPLES = 16;

const says: Readonly<Record<CalibrationSource['origin'], string>> = {
  'calibration-split': "the task's calibration inputs",
  'task-inputs': 'the very inputs that the task judges by, so its figures flatter',
  generated: 'random inputs, which may be far from real ones: choose a task with real data before you trust the result',
};

export function adviseCalibrated(ctx: StepContext, origin: CalibrationSource['origin'], samples: number): void {
  ctx.advise({
    level: origin === 'generated' ? 'warning' : 'info',
    code: 'quant/calibrated',
    message: `Activations were calibrated with ${samples} samples: ${says[origin]}.`,
  });
  if (samples < FEW_SAMPLES)
    ctx.advise({
      level: 'warning',
      code: 'quant/few-samples',
      message: `${samples} calibration samples are few: other inputs may bring larger values. ${FEW_SAMPLES} to 200 are usual.`,
    });
}
