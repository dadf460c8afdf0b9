/** Applies steps that calibrate, with onnxruntime-node as their executor. */
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { bytesOf } from '../../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import { simplifySteps } from '../../../../../src/core/recipe/presets.ts';
import { stepRegistry } from '../../../../../src/core/recipe/registry.ts';
import type { CalibrationSource } from '../../../../../src/core/step/define.ts';
import { runSteps, type StepsOutcome } from '../../../../../src/core/step/run-steps.ts';
import { memoryStore } from './bench.ts';
import { cpuTarget, executor } from './calibrated.ts';
import { sampleValues } from './models.ts';

export { cpuTarget, executor };

const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

/** Seeded normal values for the input x. */
export const generated = (dims: readonly number[], samples = 20): CalibrationSource => ({
  origin: 'generated',
  async *feeds() {
    for (let i = 0; i < samples; i += 1)
      yield new Map([['x', { dtype: 'float32' as const, dims, data: bytesOf(sampleValues(count(dims), 100 + i)) }]]);
  },
});

/** Runs static-int8, after the steps that simplify where asked for. */
export function quantizeStatically(
  model: Model,
  calibration: CalibrationSource,
  params: object = {},
  simplify = true,
): Promise<StepsOutcome> {
  const ids = [...(simplify ? simplifySteps.map(({ id }) => id) : []), 'static-int8'];
  return runSteps({
    model,
    steps: ids.map((id) => {
      const definition = stepRegistry.get(id)!;
      const parsed = definition.params.parse(id === 'static-int8' ? params : {}) as Record<string, unknown>;
      return { definition, params: parsed };
    }),
    job: quietJob,
    store: memoryStore,
    validate: true,
    executor,
    calibration,
  });
}
