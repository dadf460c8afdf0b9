/**
 * InferPort over a SessionPort: what lives inside an infer worker, and in process on the command line.
 */
import { throwIfCancelled } from '../core/base/cancel.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import { loadTask } from '../core/eval/tasks/load-task.ts';
import type { Evaluation, Feeds, TaskFiles } from '../core/eval/types.ts';
import { profileOf } from '../core/profile/profile.ts';
import { TraceReader } from '../core/profile/trace-reader.ts';
import type { ModelProfile } from '../core/profile/types.ts';
import type { InferPort, OpenedSession, ProfileQuestion, SessionOptions, TaskSource } from '../core/study/ports.ts';
import type { MemoryReading } from '../core/study/results.ts';
import type { Target } from '../core/study/schema.ts';
import { expandModel } from './expand-model.ts';
import type { RuntimeModel, Session, SessionPort } from './port.ts';
import { readRuntimeModel } from './read-runtime-model.ts';

export interface OpenedRuntime {
  readonly port: SessionPort;
  readonly memory: () => MemoryReading;
  /** How long threads of a pool keep a core busy after a run; 0 or absent where they stop at once. */
  readonly settleMs?: number;
  /** Gives back what the reading of memory holds. */
  close?(): void;
}

export interface InferHost<Handle> {
  /** Loads the runtime for a target. Called once, by the first `open`. */
  openRuntime(target: Target): Promise<OpenedRuntime>;
  readModel(files: Handle): Promise<RuntimeModel>;
  /** @param assetBase of the task source */
  taskFiles(assetBase: string): TaskFiles;
}

const noFiles: TaskFiles = (name) =>
  Promise.reject(new StudioError('task/data-missing', { task: 'agreement', reason: `it has no file ${name}` }));

export class InferEngine<Handle> implements InferPort<Handle> {
  readonly #host: InferHost<Handle>;
  #runtime: OpenedRuntime | undefined;
  #session: Session | undefined;
  /** What the session was made of: a profile is traced back to its nodes. */
  #model: RuntimeModel | undefined;
  #disposed: (() => void) | undefined;
  /** Rejects when the engine is disposed; every call races against it. */
  readonly #end: Promise<never>;

  constructor(host: InferHost<Handle>) {
    this.#host = host;
    this.#end = new Promise((_resolve, reject) => {
      this.#disposed = () => reject(new StudioError('worker/terminated', { worker: 'infer' }));
    });
    this.#end.catch(() => {});
  }

  open(files: Handle, options: SessionOptions, job: JobContext): Promise<OpenedSession> {
    return this.#untilDisposed(this.#open(files, options, job));
  }

  async #open(files: Handle, options: SessionOptions, job: JobContext): Promise<OpenedSession> {
    const stages = { done: 0, total: 3, unit: 'steps' } as const;
    job.onProgress({ ...stages, stage: 'loading the runtime' });
    this.#runtime ??= await this.#host.openRuntime(options.target);
    job.onProgress({ ...stages, stage: 'reading the model', done: 1 });
    const stored = await this.#host.readModel(files);
    const started = performance.now();
    const isExpanded = options.settings.weightsAtLoad === 'dequantize';
    const model = isExpanded ? await expandModel(stored, job) : stored;
    const expandMs = isExpanded ? performance.now() - started : 0;
    job.onProgress({ ...stages, stage: 'creating the session', done: 2 });
    await this.#session?.release();
    this.#session = undefined;
    const { port } = this.#runtime;
    const session = await port.create(model, options);
    this.#session = session;
    this.#model = options.profile ? model : undefined;
    const { threads, inputs, outputs, placement, optimizers } = session;
    // Whoever waits for the session waits for its weights too.
    const createMs = session.createMs + expandMs;
    return { engine: port.engine, threads, createMs, inputs, outputs, placement, optimizers };
  }

  run(feeds: Feeds): Promise<{ readonly outputs: Feeds; readonly ms: number }> {
    return this.#untilDisposed(this.#timedRun(feeds));
  }

  async #timedRun(feeds: Feeds): Promise<{ readonly outputs: Feeds; readonly ms: number }> {
    const session = this.#openSession();
    const started = performance.now();
    const outputs = await session.run(feeds);
    return { outputs, ms: performance.now() - started };
  }

  time(feeds: Feeds, runs: number): Promise<readonly number[]> {
    return this.#untilDisposed(this.#time(feeds, runs));
  }

  async #time(feeds: Feeds, runs: number): Promise<readonly number[]> {
    const settleMs = this.#openSession().threads > 1 ? (this.#runtime?.settleMs ?? 0) : 0;
    const samples: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      samples.push((await this.#timedRun(feeds)).ms);
      // Variants take turns: whoever runs next must find the machine quiet.
      if (settleMs > 0) await new Promise((resolve) => setTimeout(resolve, settleMs));
    }
    return samples;
  }

  evaluate(source: TaskSource, job: JobContext, limit?: number): Promise<Evaluation> {
    return this.#untilDisposed(this.#evaluate(source, job, limit));
  }

  async #evaluate(source: TaskSource, job: JobContext, limit?: number): Promise<Evaluation> {
    const session = this.#openSession();
    const files = source.kind === 'sample-task' ? this.#host.taskFiles(source.assetBase) : noFiles;
    const task = await loadTask(source, files);
    return task.evaluate({ run: (feeds) => session.run(feeds) }, job, limit);
  }

  profile(question: ProfileQuestion, job: JobContext): Promise<ModelProfile> {
    return this.#untilDisposed(this.#profile(question, job));
  }

  async #profile(question: ProfileQuestion, job: JobContext): Promise<ModelProfile> {
    const session = this.#openSession();
    job.onProgress({ stage: 'reading the profile', done: 0, total: null, unit: 'nodes' });
    const reader = new TraceReader();
    await session.endProfile((line) => reader.take(line));
    const trace = reader.finish();
    await job.yield();
    throwIfCancelled(job.signal);
    job.onProgress({ stage: 'tracing it back to the model', done: 0, total: trace.nodes.length, unit: 'nodes' });
    const model = await readRuntimeModel(this.#model!);
    return profileOf({ trace, model, ...question });
  }

  async memory(): Promise<MemoryReading> {
    const none = { wasmHeapPeakBytes: null, gpuBufferPeakBytes: null, processPeakBytes: null };
    return this.#runtime?.memory() ?? none;
  }

  dispose(): void {
    this.#disposed?.();
    const session = this.#session;
    this.#session = undefined;
    // Nobody waits for this, and a session that is still running refuses to be released.
    session?.release().catch(() => {});
    this.#runtime?.close?.();
  }

  #openSession(): Session {
    if (!this.#session) {
      throw new StudioError('runtime/run-failed', { target: 'the session', reason: 'no model was opened' });
    }
    return this.#session;
  }

  #untilDisposed<T>(result: Promise<T>): Promise<T> {
    return Promise.race([result, this.#end]);
  }
}
