/** Profiles of small models by really running onnxruntime. */
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Feeds } from '../../../../src/core/eval/types.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { profileOf } from '../../../../src/core/profile/profile.ts';
import { TraceReader } from '../../../../src/core/profile/trace-reader.ts';
import type { ModelProfile } from '../../../../src/core/profile/types.ts';
import { type RuntimeSettings, runtimeSettingsSchema } from '../../../../src/core/recipe/schema.ts';
import type { HostTensor } from '../../../../src/core/step/define.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';

export interface RealTrace {
  /** As the runtime wrote them. */
  readonly lines: readonly string[];
  /** Each run as the caller saw it. Milliseconds. */
  readonly runsMs: readonly number[];
}

type Level = RuntimeSettings['graphOptimizationLevel'];

export async function realTrace(
  model: Model,
  feeds: Feeds,
  { provider = 'cpu' as 'cpu' | 'wasm', level = 'all' as Level, runs = 5 } = {},
): Promise<RealTrace> {
  const target = { provider, threads: 1 };
  const { port, close } = await openNodeRuntime(target);
  const settings = { ...runtimeSettingsSchema.parse({}), graphOptimizationLevel: level };
  const session = await port.create(
    { graph: await modelToBytes(model), externalData: [] },
    { target, settings, inspect: false, profile: true },
  );
  const runsMs: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const started = performance.now();
    await session.run(feeds);
    runsMs.push(performance.now() - started);
  }
  const lines: string[] = [];
  await session.endProfile((line) => lines.push(line));
  await session.release();
  close();
  return { lines, runsMs };
}

export function profiled(model: Model, feeds: Feeds, lines: readonly string[], warmupRuns = 1): ModelProfile {
  const reader = new TraceReader();
  for (const line of lines) reader.take(line);
  const inputShapes = Object.fromEntries([...feeds].map(([name, { dims }]) => [name, [...dims]]));
  return profileOf({ trace: reader.finish(), model, inputShapes, warmupRuns });
}

export async function profileModel(model: Model, feeds: Feeds, options: Parameters<typeof realTrace>[2] = {}) {
  const trace = await realTrace(model, feeds, options);
  return { ...trace, profile: profiled(model, feeds, trace.lines) };
}

export function ramp(dims: readonly number[]): HostTensor {
  const values = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, index) => (index % 17) / 8 - 1);
  return { dtype: 'float32', dims, data: new Uint8Array(values.buffer) };
}

export const quiet = quietJob;
