/**
 * Proof that cleanup and fusion kept what the model computes: the original and the simplified model run on the same
 * inputs, on the host's executor.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { asStudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import { forEachNode, forEachWeight } from '../ir/walk.ts';
import { modelToBytes } from '../onnx/write.ts';
import { type ComparisonOptions, type OutputError, type Outputs, toleranceOf, worstOutput } from './compare-outputs.ts';
import type { CalibrationSource, Executor, PrecisionClass } from './define.ts';
import { FigureTracker } from './figures.ts';
import { modelSize } from './model-size.ts';
import { firstFeeds, generatedFeeds, type ProofFeeds } from './proof-inputs.ts';

/** Beyond these a run in the middle of building takes too long, or the model does not fit beside its copy. */
export const PROOF_MAX_BYTES = 256 * 1024 * 1024;
export const PROOF_MAX_MACS = 10e9;
export const PROOF_MAX_NODES = 20_000;

const GENERATED_SAMPLES = 2;
const TASK_SAMPLES = 1;

export interface ProofOptions {
  /** Values of free dimensions of generated inputs, by symbol. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** The task's inputs; generated ones are always among them. */
  readonly inputs?: CalibrationSource | undefined;
}

/** One line of the report (study/results.ts `proofSchema`). */
export interface ProofRecord {
  /** kept: the steps that stayed compute the same. rolled-back: some steps did not, and were taken out. */
  readonly status: 'kept' | 'rolled-back' | 'skipped';
  /** One plain sentence. */
  readonly reason: string;
  readonly samples: number;
  /** Of the model as it is now; see `OutputError`. Null where nothing was run. */
  readonly maxRelativeError: number | null;
  readonly output: string | null;
  readonly tolerance: number | null;
}

export const skippedProof = (reason: string): ProofRecord => ({
  status: 'skipped',
  reason,
  samples: 0,
  maxRelativeError: null,
  output: null,
  tolerance: null,
});

const dataDependentSizes = new Set(['NonZero', 'NonMaxSuppression', 'Unique', 'Compress', 'Loop', 'TopK', 'Range']);

/** Runs the original once and compares with it what steps made of it. */
export class Prover {
  readonly #executor: Executor;
  readonly #job: JobContext;
  readonly #feeds: readonly ProofFeeds[];
  readonly #expected: readonly Outputs[];
  readonly #kind: Omit<ComparisonOptions, 'precision'>;
  readonly #original: Model;
  /** How many of the inputs are the task's own data. */
  readonly taskSamples: number;

  private constructor(
    model: Model,
    executor: Executor,
    job: JobContext,
    runs: readonly (readonly [ProofFeeds, Outputs])[],
    ofTask: ReadonlySet<ProofFeeds>,
  ) {
    this.taskSamples = runs.filter(([feeds]) => ofTask.has(feeds)).length;
    this.#original = model;
    this.#executor = executor;
    this.#job = job;
    this.#feeds = runs.map(([feeds]) => feeds);
    this.#expected = runs.map(([, outputs]) => outputs);
    this.#kind = kindOf(model);
  }

  get samples(): number {
    return this.#feeds.length;
  }

  /** @returns the reason where the original cannot be run; @throws StudioError job/cancelled */
  static async of(model: Model, executor: Executor, job: JobContext, options: ProofOptions): Promise<Prover | string> {
    const tooLarge = refusal(model, options.dims ?? {});
    if (tooLarge) return tooLarge;
    const feeds: ProofFeeds[] = [];
    for (let seed = 1; seed <= GENERATED_SAMPLES; seed++) {
      const generated = generatedFeeds(model, options.dims ?? {}, seed);
      if ('reason' in generated) break;
      feeds.push(generated.feeds);
    }
    const runs: [ProofFeeds, Outputs][] = [];
    let reason = 'there are no inputs for it';
    const ofTask = new Set<ProofFeeds>();
    try {
      for (const one of await firstFeeds(options.inputs, TASK_SAMPLES)) {
        feeds.push(one);
        if (options.inputs?.origin !== 'generated') ofTask.add(one);
      }
    } catch (error) {
      rethrowCancel(error);
    }
    const bytes = await modelToBytes(model);
    // One by one: made-up inputs may not suit a model that the task's inputs do.
    for (const [at, one] of feeds.entries()) {
      throwIfCancelled(job.signal);
      job.onProgress({ stage: 'running the original', done: at, total: feeds.length, unit: 'runs' });
      try {
        runs.push([one, await executor.run(bytes, one)]);
      } catch (error) {
        rethrowCancel(error);
        reason = `the original does not run on them (${messageOf(error)})`;
      }
    }
    return runs.length > 0 ? new Prover(model, executor, job, runs, ofTask) : reason;
  }

  /** @throws StudioError job/cancelled */
  async errorOf(model: Model, precision: PrecisionClass): Promise<OutputError & { readonly message?: string }> {
    throwIfCancelled(this.#job.signal);
    const options = { ...this.#kind, precision };
    this.#job.onProgress({ stage: 'checking against the original', done: 0, total: this.samples, unit: 'runs' });
    try {
      const got = await this.#run(model);
      return worstOutput(
        this.#expected.map((expected, at) => [expected, got[at]!] as const),
        options,
      );
    } catch (error) {
      rethrowCancel(error);
      const message = messageOf(error);
      return { output: undefined, error: Number.POSITIVE_INFINITY, tolerance: toleranceOf(options), message };
    }
  }

  /** Whether the original agrees with itself; one with random operators does not, and nothing can be told from it. */
  async isRepeatable(): Promise<boolean> {
    const { error, tolerance } = await this.errorOf(this.#original, 'exact-within-fp');
    return error <= tolerance;
  }

  async #run(model: Model): Promise<readonly Outputs[]> {
    const bytes = await modelToBytes(model);
    if (this.#executor.runEach) return this.#executor.runEach(bytes, this.#feeds);
    const outputs: Outputs[] = [];
    for (const feeds of this.#feeds) outputs.push(await this.#executor.run(bytes, feeds));
    return outputs;
  }
}

/** Decided by sizes, so that the same model is always treated alike. */
function refusal(model: Model, dims: Readonly<Record<string, number>>): string | undefined {
  const { nodes, fileBytes } = modelSize(model);
  if (nodes > PROOF_MAX_NODES) return `the model has more than ${PROOF_MAX_NODES} nodes`;
  if (fileBytes > PROOF_MAX_BYTES) return `the model is larger than ${PROOF_MAX_BYTES / 1024 / 1024} MiB`;
  const { macs } = new FigureTracker(dims).of(model, nodes, true);
  if (macs !== null && macs > PROOF_MAX_MACS)
    return `one run takes more than ${PROOF_MAX_MACS / 1e9} billion multiply-accumulates`;
  return undefined;
}

function kindOf(model: Model): Omit<ComparisonOptions, 'precision'> {
  const dtypes = new Set<string>();
  for (const { type } of model.graph.inputs) if (type?.kind === 'tensor') dtypes.add(type.dtype);
  forEachWeight(model, ({ dtype }) => dtypes.add(dtype));
  let sizesMayDiffer = false;
  forEachNode(model, ({ opType }) => {
    sizesMayDiffer ||= dataDependentSizes.has(opType);
  });
  const arithmetic = dtypes.has('bfloat16') ? 'bfloat16' : dtypes.has('float16') ? 'float16' : 'float32';
  return { arithmetic, sizesMayDiffer };
}

function rethrowCancel(error: unknown): void {
  if (asStudioError(error).code === 'job/cancelled') throw error;
}

const messageOf = (error: unknown): string => {
  const { message, data } = asStudioError(error);
  return String(data.reason ?? data.message ?? message).slice(0, 300);
};
