/** A StudyHost in this process: real builds, real sessions (onnxruntime-node or WASM), and failures on demand. */

import { temporaryStore } from '../../../../src/cli/store.ts';
import { gatherParts } from '../../../../src/cli/write-model.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { loadTask } from '../../../../src/core/eval/tasks/load-task.ts';
import { randomFeeds } from '../../../../src/core/eval/tasks/random-inputs.ts';
import type { Feeds, TaskSource } from '../../../../src/core/eval/types.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { canonicalRecipe } from '../../../../src/core/recipe/parse.ts';
import { findPreset } from '../../../../src/core/recipe/presets.ts';
import type { Recipe } from '../../../../src/core/recipe/schema.ts';
import type { InferPort, ModelFiles, PreparedTask, StudyHost } from '../../../../src/core/study/ports.ts';
import type { Environment, Report, TargetMeasurement } from '../../../../src/core/study/results.ts';
import { type Study, studySchema, type Target } from '../../../../src/core/study/schema.ts';
import { buildVariant } from '../../../../src/core/study/variant.ts';
import { InferEngine } from '../../../../src/runtime/infer-engine.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';

/** Two dense layers, 16 -> 32 -> 10; with `softmax` its output is a distribution over classes. */
export function denseModel({ softmax }: { softmax: boolean }): Model {
  const rng = createRng('dense model of the study tests');
  const weights = (name: string, dims: [number, number]) =>
    tensorFromNumbers(
      name,
      'float32',
      dims,
      Array.from({ length: dims[0] * dims[1] }, () => rng.normal() / 3),
    );
  const last = softmax
    ? [makeNode({ opType: 'Softmax', inputs: ['z'], outputs: ['y'], attributes: { axis: attrInt(-1) } })]
    : [makeNode({ opType: 'Identity', inputs: ['z'], outputs: ['y'] })];
  return makeModel({
    graph: makeGraph({
      name: 'dense',
      nodes: [
        makeNode({ opType: 'MatMul', inputs: ['x', 'w1'], outputs: ['a'] }),
        makeNode({ opType: 'Tanh', inputs: ['a'], outputs: ['b'] }),
        makeNode({ opType: 'MatMul', inputs: ['b', 'w2'], outputs: ['z'] }),
        ...last,
      ],
      inputs: [valueInfo('x', 'float32', ['batch', 16])],
      outputs: [valueInfo('y', 'float32', ['batch', 10])],
      initializers: [weights('w1', [16, 32]), weights('w2', [32, 10])],
    }),
  });
}

export function presetRecipe(id: string): Recipe {
  const recipe = canonicalRecipe(findPreset(id)!.recipe);
  if (!recipe.ok) throw recipe.error;
  return recipe.value;
}

export const wasm: Target = { provider: 'wasm', threads: 1 };
export const cpu: Target = { provider: 'cpu', threads: 1 };

export function makeStudy(change: Partial<Study> = {}): Study {
  return studySchema.parse({
    model: { kind: 'file', name: 'dense.onnx', byteLength: 1 },
    variants: ['original', 'simplify', 'int8-weights'].map(presetRecipe),
    targets: [cpu],
    task: { kind: 'random', seed: 1, samples: 40 },
    // Wide, since 40 samples decide nothing finer.
    gate: { mode: 'absolute', maxWorse: 0.2 },
    plan: { warmupRuns: 1, latencyRuns: 3 },
    ...change,
  });
}

/** Where a failure or a cancel is put in: `call` is a method of the port, `nth` its first call to be hit (from 1). */
export interface Trap {
  readonly call: 'build' | 'task' | 'openInfer' | 'open' | 'run' | 'time' | 'memory' | 'evaluate';
  readonly nth: number;
  act(): void | Promise<void>;
}

export interface TestHost extends StudyHost {
  /** Every call in order, "time 2" for the third place that was opened. */
  readonly calls: string[];
  readonly places: { disposed: boolean; target: Target }[];
  readonly cache: Map<string, TargetMeasurement>;
  traps: Trap[];
  /** Stands for another provider: its sessions run on the CPU and its outputs pass through this. */
  alter: ((target: Target, outputs: Feeds) => Feeds) | null;
  /** Added to the size that a variant claims to have. */
  claimedBytes: number;
}

export function testHost(model: Model, study: Study): TestHost {
  const store = temporaryStore();
  const counts = new Map<string, number>();
  const host: TestHost = {
    calls: [],
    places: [],
    cache: new Map(),
    traps: [],
    alter: null,
    claimedBytes: 0,
    engineKey: 'test',
    now: () => performance.now(),
    wallClock: () => new Date().toISOString(),
    cached: async (key) => host.cache.get(key),
    remember: async (key, measurement) => {
      host.cache.set(key, structuredClone(measurement));
    },
    build: async (recipe, job) => {
      await note('build');
      const { facts, runtimeFiles } = await buildVariant({
        model,
        modelKey: 'dense',
        recipe,
        job,
        store,
        executor: undefined,
        now: () => performance.now(),
      });
      return { facts: { ...facts, fileBytes: facts.fileBytes + host.claimedBytes }, files: runtimeFiles };
    },
    task: async () => {
      await note('task');
      return agreement(study);
    },
    openInfer: async (target) => {
      await note('openInfer');
      return place(target);
    },
  };

  async function note(call: Trap['call'], which = ''): Promise<void> {
    host.calls.push(`${call}${which}`);
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    for (const trap of host.traps) if (trap.call === call && trap.nth === count) await trap.act();
  }

  function place(target: Target): InferPort {
    const number = host.places.push({ disposed: false, target }) - 1;
    const really = target.provider === 'webgpu' || target.provider === 'webnn' ? cpu : target;
    const engine = new InferEngine<ModelFiles>({
      openRuntime: () => openNodeRuntime(really),
      readModel: async (files) => ({
        graph: await gatherParts(files.graph),
        externalData: await Promise.all(
          files.externalData.map(async ({ path, parts }) => ({ path, data: await gatherParts(parts) })),
        ),
      }),
      taskFiles: () => () => Promise.reject(new Error('no files')),
    });
    const at = ` ${number}`;
    const altered = (outputs: Feeds) => host.alter?.(target, outputs) ?? outputs;
    return {
      open: async (files, options, job) => {
        await note('open', at);
        return engine.open(files, { ...options, target: really, inspect: false }, job);
      },
      run: async (feeds) => {
        await note('run', at);
        const { outputs, ms } = await engine.run(feeds);
        return { outputs: altered(outputs), ms };
      },
      time: async (feeds, runs) => {
        await note('time', at);
        return engine.time(feeds, runs);
      },
      evaluate: async (task, job, limit) => {
        await note('evaluate', at);
        return engine.evaluate(task, job, limit);
      },
      memory: async () => {
        await note('memory', at);
        return engine.memory();
      },
      profile: (question, job) => engine.profile(question, job),
      dispose: () => {
        host.places[number]!.disposed = true;
        engine.dispose();
      },
    };
  }
  return host;
}

async function agreement({ task: ref }: Study): Promise<PreparedTask> {
  if (ref.kind !== 'random') throw new Error('the tests use random inputs');
  const specs = [{ name: 'x', dtype: 'float32', dims: [1, 16], distribution: 'normal', max: 1 } as const];
  const source: TaskSource = {
    kind: 'agreement',
    feeds: randomFeeds(specs, ref.samples, ref.seed),
    references: null,
  };
  const task = await loadTask(source, () => Promise.reject(new Error('no files')));
  const { title, metrics, sampleCount } = task;
  return {
    source,
    summary: { title, metrics, sampleCount, latencyFeeds: task.latencyFeeds() },
    key: JSON.stringify(ref),
  };
}

export const environment: Environment = {
  host: 'node',
  userAgent: 'test',
  logicalCores: 2,
  crossOriginIsolated: true,
  webgpuAdapter: null,
  whittleVersion: 'test',
};

export const modelFacts: Report['model'] = {
  ref: { kind: 'file', name: 'dense.onnx', byteLength: 1 },
  name: 'dense.onnx',
  sha256: null,
  fileBytes: 1,
  parameters: 832,
  nodes: 4,
};

/** A job that can be cancelled, and what it reported. */
export function cancellableJob() {
  const controller = new AbortController();
  const stages: string[] = [];
  const job = {
    ...quietJob,
    signal: controller.signal,
    onProgress: ({ stage }: { stage: string }) => void stages.push(stage),
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };
  return { job, stages, cancel: () => controller.abort() };
}
