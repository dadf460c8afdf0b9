/** Applies steps that run the model: with an executor over onnxruntime-node and calibration inputs. */
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { bytesOf } from '../../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import type { CalibrationSource, HostTensor, StepDefinition } from '../../../../../src/core/step/define.ts';
import { type RunStepsOptions, runSteps, type StepsOutcome } from '../../../../../src/core/step/run-steps.ts';
import { createExecutor } from '../../../../../src/runtime/executor.ts';
import { openNodeRuntime } from '../../../../../src/runtime/node-ort.ts';
import { memoryStore } from './bench.ts';
import { sampleValues } from './models.ts';

export const cpuTarget = { provider: 'cpu', threads: 1 } as const;
export const executor = createExecutor(async () => (await openNodeRuntime(cpuTarget)).port, cpuTarget);

export function applyCalibrated(
  definition: StepDefinition,
  model: Model,
  calibration: CalibrationSource | undefined,
  params: object = {},
  options: Partial<RunStepsOptions> = {},
): Promise<StepsOutcome> {
  return runSteps({
    model,
    steps: [{ definition, params: definition.params.parse(params) as Record<string, unknown> }],
    job: quietJob,
    store: memoryStore,
    validate: true,
    executor,
    calibration,
    ...options,
  });
}

export const float32Feed = (dims: readonly number[], values: Float32Array): HostTensor => ({
  dtype: 'float32',
  dims,
  data: bytesOf(values),
});

/** Each of `samples` gives every input of `dims`, seeded and roughly normal, times `scale`. */
export function generatedInputs(
  dims: Readonly<Record<string, readonly number[]>>,
  samples = 4,
  scale = 1,
): CalibrationSource {
  return {
    origin: 'generated',
    async *feeds() {
      for (let sample = 0; sample < samples; sample += 1)
        yield new Map(
          Object.entries(dims).map(([name, sizes], index) => {
            const count = sizes.reduce((a, b) => a * b, 1);
            return [
              name,
              float32Feed(
                sizes,
                sampleValues(count, 100 + sample * 7 + index).map((v) => v * scale),
              ),
            ];
          }),
        );
    },
  };
}
