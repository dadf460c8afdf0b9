/** What every step that measures activations says about the inputs it measured with. */
import type { CalibrationSource, StepContext } from '../../step/define.ts';

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
