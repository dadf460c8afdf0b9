/** The study's host on the command line: everything in this process, one session at a time. */
import { cpus } from 'node:os';
import { sensitivityOfModel } from '../core/precision/of-recipe.ts';
import { needsCalibration } from '../core/recipe/needs.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { SearchHost } from '../core/search/ports.ts';
import type { CalibrationSource, Executor } from '../core/step/define.ts';
import { calibrationOf } from '../core/study/calibration.ts';
import type { BuiltVariant, InferPort, ModelFiles, PreparedTask } from '../core/study/ports.ts';
import type { Environment } from '../core/study/results.ts';
import { buildVariant } from '../core/study/variant.ts';
import { createExecutor } from '../runtime/executor.ts';
import { InferEngine } from '../runtime/infer-engine.ts';
import { hasNativeRuntime, openNodeRuntime } from '../runtime/node-ort.ts';
import { nodePool } from './compute-pool.ts';
import type { OpenedFile } from './open-model.ts';
import { temporaryStore } from './store.ts';
import { fileTaskFiles } from './task-files.ts';
import { gatherParts } from './write-model.ts';

/** Where constant folding and calibration run: on as many threads as are usual for the machine. */
const EXECUTOR_TARGET = { provider: 'cpu', threads: 0 } as const;

export interface NodeHostOptions {
  readonly file: OpenedFile;
  readonly modelKey: string;
  readonly task: () => Promise<PreparedTask>;
  readonly dims?: Readonly<Record<string, number>>;
}

export function createNodeHost(options: NodeHostOptions): SearchHost<ModelFiles> {
  const store = temporaryStore();
  const executor = nodeExecutor();
  return {
    engineKey: __WHITTLE_VERSION__,
    now: () => performance.now(),
    wallClock: () => new Date().toISOString(),
    build: async (recipe: Recipe, job): Promise<BuiltVariant<ModelFiles>> => {
      const { facts, runtimeFiles } = await buildVariant({
        model: options.file.model,
        modelKey: options.modelKey,
        sourceSha256: options.modelKey,
        recipe,
        job,
        store,
        executor,
        calibration: needsCalibration(recipe) ? taskCalibration(await options.task()) : undefined,
        proofInputs: taskCalibration(await options.task()),
        now: () => performance.now(),
        ...(options.dims ? { dims: options.dims } : {}),
      });
      return { facts, files: runtimeFiles };
    },
    sensitivity: async (wanted, job, onPartial) => {
      const task = await options.task();
      const { file, modelKey } = options;
      const source = taskCalibration(task);
      const question = { ...wanted, modelKey, inputsKey: task.key, onPartial };
      return sensitivityOfModel({ ...question, model: file.model, executor, store, source, job });
    },
    openInfer: async (): Promise<InferPort<ModelFiles>> => createNodeInfer(),
    task: () => options.task(),
    cached: () => Promise.resolve(undefined),
    remember: () => Promise.resolve(),
  };
}

export function taskCalibration({ source }: PreparedTask): CalibrationSource {
  return calibrationOf(source, fileTaskFiles(source.kind === 'sample-task' ? source.assetBase : ''));
}

export function nodeExecutor(): Executor {
  const executor = createExecutor(async () => (await openNodeRuntime(EXECUTOR_TARGET)).port, EXECUTOR_TARGET);
  return { ...executor, pool: nodePool() };
}

export function createNodeInfer(): InferPort<ModelFiles> {
  return new InferEngine<ModelFiles>({
    openRuntime: openNodeRuntime,
    readModel: async (files) => ({
      graph: await gatherParts(files.graph),
      externalData: await Promise.all(
        files.externalData.map(async ({ path, parts }) => ({ path, data: await gatherParts(parts) })),
      ),
    }),
    taskFiles: fileTaskFiles,
  });
}

export function nodeEnvironment(): Environment {
  return {
    host: 'node',
    userAgent: `Node ${process.versions.node} (${process.platform} ${process.arch})${cpus()[0] ? `, ${cpus()[0]!.model.trim()}` : ''}`,
    logicalCores: cpus().length,
    crossOriginIsolated: true,
    webgpuAdapter: null,
    whittleVersion: __WHITTLE_VERSION__,
  };
}

/** The native runtime where it is installed, else WASM: said plainly in every report. */
export async function defaultProvider(): Promise<'cpu' | 'wasm'> {
  return (await hasNativeRuntime()) ? 'cpu' : 'wasm';
}
