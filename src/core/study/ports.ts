/**
 * What running a study needs from its host. Browser (workers) and command line (in process) implement these; the
 * orchestration in study/run.ts is the same for both.
 */
import type { BytePart } from '../base/bytes.ts';
import type { JobContext } from '../base/progress.ts';
import type { Evaluation, Feeds, MetricDefinition, TaskSource } from '../eval/types.ts';
import type { DType } from '../ir/dtype.ts';
import type { Dim } from '../ir/types.ts';
import type { ModelProfile } from '../profile/types.ts';
import type { Recipe, RuntimeSettings } from '../recipe/schema.ts';
import type { MemoryReading, OptimizerLog, Placement, TargetMeasurement, VariantFacts } from './results.ts';
import type { Target } from './schema.ts';

/** A serialized model: the graph, and weights in external files (which halves a runtime's peak memory). */
export interface ModelFiles {
  readonly graph: readonly BytePart[];
  readonly externalData: readonly { readonly path: string; readonly parts: readonly BytePart[] }[];
}

/** A variant of a model that a worker has open. */
export interface VariantRequest {
  /** Of the model, as `open` gave it. */
  readonly id: string;
  readonly recipe: Recipe;
  /** SHA-256 of the source, or any other text that identifies it. */
  readonly modelKey: string;
  readonly sourceSha256?: string;
  /** Values of free dimensions by symbol, for predictions. */
  readonly dims?: Readonly<Record<string, number>>;
  /** The task whose inputs calibrate; only for recipes with a step that needs them. */
  readonly calibration?: TaskSource;
  /** The task on whose inputs too the simplified model is compared with the original. */
  readonly proofTask?: TaskSource;
}

export interface ValueMeta {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export interface SessionOptions {
  readonly target: Target;
  readonly settings: RuntimeSettings;
  /** Collect which nodes went where and which optimizer passes fired (costs a verbose log at creation). */
  readonly inspect: boolean;
  /** Let the runtime time its nodes (costs time in every run); `InferPort.profile` ends it. */
  readonly profile?: boolean;
}

export interface OpenedSession {
  readonly engine: { readonly name: string; readonly version: string };
  readonly threads: number;
  readonly createMs: number;
  readonly inputs: readonly ValueMeta[];
  readonly outputs: readonly ValueMeta[];
  readonly placement: Placement | null;
  readonly optimizers: OptimizerLog | null;
}

export type { TaskSource } from '../eval/types.ts';

/** What the study needs to know of a task before it runs. */
export interface TaskSummary {
  readonly title: string;
  readonly metrics: readonly MetricDefinition[];
  readonly sampleCount: number;
  readonly latencyFeeds: Feeds;
}

export interface PreparedTask {
  readonly source: TaskSource;
  readonly summary: TaskSummary;
  /** Changes whenever the data or the metric changes: part of the key of every cached result. */
  readonly key: string;
}

export interface ProfileQuestion {
  /** Shapes of the inputs that it ran with, by name. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Runs at the beginning that are not counted. */
  readonly warmupRuns: number;
}

/** One session in a place of its own (a fresh worker): dispose it to free its memory or to stop a run. */
export interface InferPort<Handle = ModelFiles> {
  open(files: Handle, options: SessionOptions, job: JobContext): Promise<OpenedSession>;
  /** One inference; `ms` covers copying inputs in, running, and reading outputs back. */
  run(feeds: Feeds): Promise<{ readonly outputs: Feeds; readonly ms: number }>;
  /** Times `runs` inferences with the same feeds, inside the place itself. @returns one ms figure a run */
  time(feeds: Feeds, runs: number): Promise<readonly number[]>;
  evaluate(task: TaskSource, job: JobContext, limit?: number): Promise<Evaluation>;
  memory(): Promise<MemoryReading>;
  /**
   * What every node took in the runs since a session was opened with `profile`; ends the profiling.
   * @throws StudioError runtime/run-failed
   */
  profile(question: ProfileQuestion, job: JobContext): Promise<ModelProfile>;
  /** Ends the place at once, whatever it is doing; pending calls reject with `worker/terminated`. */
  dispose(): void;
}

export interface BuiltVariant<Handle = ModelFiles> {
  readonly facts: VariantFacts;
  readonly files: Handle;
}

export interface StudyHost<Handle = ModelFiles> {
  /** Applies the recipe's steps to the model; cached by (model, steps). */
  build(recipe: Recipe, job: JobContext): Promise<BuiltVariant<Handle>>;
  /** A fresh place for one (variant, target). */
  openInfer(target: Target): Promise<InferPort<Handle>>;
  task(job: JobContext): Promise<PreparedTask>;
  /** Versions of Whittle and of the runtime: results of another version are not reused. */
  readonly engineKey: string;
  /** Results that survive a reload, by key; a host without storage returns undefined. */
  cached(key: string): Promise<TargetMeasurement | undefined>;
  remember(key: string, measurement: TargetMeasurement): Promise<void>;
  /** Milliseconds since some fixed moment, monotonic. */
  now(): number;
  /** ISO 8601 wall-clock time. */
  wallClock(): string;
}
