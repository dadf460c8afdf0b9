/**
 * Runs a study: builds every variant, then target by target opens one session a variant in a place of its own, times
 * them in turns, evaluates the task, and judges the gate. Whatever fails becomes that card's error; only cancelling
 * stops the run. The host decides where things happen (workers, processes); this file decides what and in which order.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { asStudioError, StudioError, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { TaskSource } from '../eval/types.ts';
import { judgeTarget } from './judge.ts';
import { measureTarget } from './measure.ts';
import type { BuiltVariant, PreparedTask, StudyHost } from './ports.ts';
import type { Environment, Report, TargetMeasurement, VariantResult } from './results.ts';
import { REPORT_VERSION } from './results.ts';
import type { Study, Target } from './schema.ts';
import type { Contestant } from './target-request.ts';

export interface StudyRequest<Handle> {
  readonly study: Study;
  readonly host: StudyHost<Handle>;
  readonly job: JobContext;
  readonly environment: Environment;
  readonly model: Report['model'];
  /** Called with a fresh snapshot after everything that became known; snapshots share unchanged parts. */
  readonly onUpdate?: (report: Report) => void;
  /** Forces fresh measurements: nothing is taken from the cache (results are still remembered). */
  readonly ignoreCache?: boolean;
}

/** "WASM, 2 threads" and the like, for progress and messages. */
export function targetLabel(target: Target): string {
  const names = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU' } as const;
  const threads = target.threads > 0 ? `, ${target.threads} thread${target.threads === 1 ? '' : 's'}` : '';
  return `${names[target.provider]}${threads}`;
}

/**
 * @returns the complete report
 * @throws StudioError job/cancelled; errors of the task's data (nothing can be judged without it)
 */
export async function runStudy<Handle>(request: StudyRequest<Handle>): Promise<Report> {
  const { study, host, job } = request;
  const run = new StudyRun(request);
  run.publish();
  const built = await buildVariants(run);
  job.onProgress({ stage: 'loading the task', done: 0, total: null, unit: 'samples' });
  const task = await orCancelled(job, host.task(job));
  run.setTask(task);

  const originals: OriginalOutputs = { source: null };
  for (const target of study.targets) {
    const contestants: Contestant<Handle>[] = [];
    for (const [index, variant] of built.entries())
      if (variant) contestants.push({ index, recipe: study.variants[index]!, variant });
    await measureTarget({ run, target, contestants, task, originals });
    await judgeTarget(run, target);
  }
  return run.report();
}

/** The task with the original's outputs in it, which agreement metrics compare with. Collected once a run. */
export interface OriginalOutputs {
  source: TaskSource | null;
}

async function buildVariants<Handle>(run: StudyRun<Handle>): Promise<(BuiltVariant<Handle> | null)[]> {
  const { study, host, job } = run.request;
  const built: (BuiltVariant<Handle> | null)[] = [];
  for (const [index, recipe] of study.variants.entries()) {
    throwIfCancelled(job.signal);
    const label = recipe.name;
    const named: JobContext = {
      ...job,
      onProgress: (progress) => job.onProgress({ ...progress, stage: `${label}: ${progress.stage}` }),
    };
    named.onProgress({ stage: 'building', done: index, total: study.variants.length, unit: 'steps' });
    try {
      const variant = await orCancelled(job, host.build(recipe, named));
      built.push(variant);
      run.update(index, { facts: variant.facts, error: null });
    } catch (error) {
      rethrowIfCancelled(error);
      built.push(null);
      run.update(index, { facts: null, error: toErrorRecord(error) });
    }
  }
  return built;
}

export function rethrowIfCancelled(error: unknown): void {
  if (error instanceof StudioError && error.code === 'job/cancelled') throw error;
}

/** The report while it grows. */
export class StudyRun<Handle> {
  readonly request: StudyRequest<Handle>;
  #variants: readonly VariantResult[];
  #task: Report['task'];
  readonly #createdAt: string;

  constructor(request: StudyRequest<Handle>) {
    this.request = request;
    this.#createdAt = request.host.wallClock();
    this.#task = { ref: request.study.task, title: '', metrics: [], samples: 0 };
    this.#variants = request.study.variants.map((recipe) => ({ recipe, facts: null, error: null, measurements: [] }));
  }

  get variants(): readonly VariantResult[] {
    return this.#variants;
  }

  get metrics(): Report['task']['metrics'] {
    return this.#task.metrics;
  }

  setTask(task: PreparedTask): void {
    const { title, metrics, sampleCount } = task.summary;
    this.#task = { ref: this.request.study.task, title, metrics: [...metrics], samples: sampleCount };
    this.publish();
  }

  update(index: number, change: Partial<VariantResult>): void {
    this.#variants = this.#variants.map((variant, at) => (at === index ? { ...variant, ...change } : variant));
    this.publish();
  }

  /** Puts a measurement into its place: there is one a target. */
  setMeasurement(index: number, measurement: TargetMeasurement): void {
    const others = this.#variants[index]!.measurements.filter((old) => !sameTarget(old.target, measurement.target));
    this.update(index, { measurements: [...others, measurement] });
  }

  measurement(index: number, target: Target): TargetMeasurement | undefined {
    return this.#variants[index]?.measurements.find((found) => sameTarget(found.target, target));
  }

  report(): Report {
    return {
      format: 'whittle-report',
      version: REPORT_VERSION,
      createdAt: this.#createdAt,
      environment: this.request.environment,
      model: this.request.model,
      task: this.#task,
      gate: this.request.study.gate,
      variants: [...this.#variants],
    };
  }

  publish(): void {
    this.request.onUpdate?.(this.report());
  }
}

export function sameTarget(a: Target, b: Target): boolean {
  return a.provider === b.provider && a.threads === b.threads;
}

/**
 * Rejects as soon as the job is cancelled, whatever the promise does; the caller disposes what it was waiting for (a
 * place that is only being opened: `openPlace`, target-request.ts).
 */
export function orCancelled<T>(job: JobContext, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(new StudioError('job/cancelled', {}));
    if (job.signal.aborted) onAbort();
    job.signal.addEventListener('abort', onAbort, { once: true });
    promise
      .then(resolve, (error: unknown) => reject(asStudioError(error)))
      .finally(() => job.signal.removeEventListener('abort', onAbort));
  });
}
