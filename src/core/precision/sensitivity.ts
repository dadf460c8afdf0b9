/**
 * Sensitivity: each layer alone stored in each candidate form; what that does to the layer's own output (local SQNR)
 * and to the model's outputs (KL divergence of class scores, else relative error).
 *
 * A full run of a full model for every (layer, candidate) would compute everything before the layer again and again.
 * Here every candidate is built once, over all layers, and cut at every layer; a cut layer is given the original's
 * inputs. Then, layer by layer, only what lies behind the layer is run, with what the candidate made in the layer's
 * place. One session a layer, half the model on average:
 *
 *   original  -> inputs of a group of layers, of each sample
 *   candidate -> the outputs of these layers alone       (local error)
 *   what lies behind a layer -> the model's outputs      (loss), for each candidate and sample
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { checkFeeds, firstOf } from '../calib/collect-activations.ts';
import type { Feeds } from '../eval/types.ts';
import type { DType } from '../ir/dtype.ts';
import type { Model } from '../ir/types.ts';
import type { CalibrationSource, Executor, TensorStore } from '../step/define.ts';
import { modelSize } from '../step/model-size.ts';
import { type BuiltCandidate, buildCandidates } from './build-candidates.ts';
import { type CandidateSettings, defaultCandidateSettings, defaultCandidates } from './candidates.ts';
import { type LossRule, lossRule } from './final-loss.ts';
import { isFloat, typesOf } from './layers.ts';
import { measureGroup } from './measure-layers.ts';
import { findQuantizable, type QuantizableLayer } from './quantizable-layers.ts';
import { type CandidateId, SENSITIVITY_VERSION, type SensitiveLayer, type SensitivityResult } from './results.ts';
import { openPart } from './sessions.ts';
import { valueSizes } from './value-sizes.ts';

export interface SensitivityRequest {
  /** Floating point and simplified, nodes in topological order; left as it is. Up to 1 GB of weights. */
  readonly model: Model;
  /** Identifies model and inputs: partial results of others are not continued. */
  readonly key: string;
  readonly executor: Executor;
  readonly store: TensorStore;
  readonly source: CalibrationSource;
  readonly job: JobContext;
  /** `keep` is always measured (it costs nothing). */
  readonly candidates?: readonly CandidateId[] | undefined;
  readonly settings?: Partial<CandidateSettings> | undefined;
  /** Only the first so many samples. */
  readonly maxSamples?: number | undefined;
  /** Bytes of activations that may be held at once; a single larger layer is measured all the same. */
  readonly budgetBytes?: number | undefined;
  /** A partial result with the same key: what it has is not measured again. */
  readonly resume?: SensitivityResult | undefined;
  /** After each layer. */
  readonly onPartial?: ((partial: SensitivityResult) => void) | undefined;
}

export const DEFAULT_SENSITIVITY_SAMPLES = 8;
const DEFAULT_BUDGET_BYTES = 256 << 20;

/**
 * @throws StudioError calib/too-few-samples, calib/missing-value, calib/model-too-large, task/shape-mismatch,
 *   pass/refused when no candidate fits any layer, job/cancelled, runtime/*
 */
export async function measureSensitivity(request: SensitivityRequest): Promise<SensitivityResult> {
  return (await Sensitivity.prepare(request)).run();
}

/** What all groups need. */
export interface SensitivityPlan {
  readonly request: SensitivityRequest;
  readonly candidates: readonly BuiltCandidate[];
  /** Of the original's values. */
  readonly dtypeOf: (value: string) => DType | undefined;
  readonly rule: LossRule;
  /** Judged outputs of the original, by sample. */
  readonly references: readonly Feeds[];
  /** Inputs, by sample. */
  readonly samples: readonly Feeds[];
  /** Called after each run of what lies behind a layer. */
  readonly onRun: () => void;
}

class Sensitivity {
  readonly #request: SensitivityRequest;
  readonly #plan: SensitivityPlan;
  readonly #layers: readonly QuantizableLayer[];
  readonly #known = new Map<string, SensitiveLayer>();
  readonly #key: string;
  #runs = 0;

  private constructor(
    request: SensitivityRequest,
    layers: readonly QuantizableLayer[],
    plan: Omit<SensitivityPlan, 'onRun'>,
    key: string,
  ) {
    this.#request = request;
    this.#layers = layers;
    this.#plan = { ...plan, onRun: () => this.#reportRun() };
    this.#key = key;
    const { resume } = request;
    const measured = new Set(layers.map(({ name }) => name));
    if (resume?.key === key)
      for (const layer of resume.layers) if (measured.has(layer.name)) this.#known.set(layer.name, layer);
  }

  static async prepare(request: SensitivityRequest): Promise<Sensitivity> {
    const settings = { ...defaultCandidateSettings, ...request.settings };
    const wanted = (request.candidates ?? defaultCandidates).filter((id) => id !== 'keep');
    const candidates = await buildCandidates({ ...request, candidates: wanted, settings });
    const layers = findQuantizable(request.model, candidates);
    if (layers.length === 0)
      throw new StudioError('pass/refused', {
        step: 'Sensitivity',
        reason: `the model has no layer that ${wanted.join(', ') || 'any candidate'} can store`,
      });
    const { samples, references, rule } = await referenceRuns(request);
    const key = canonicalHash({
      key: request.key,
      candidates: candidates.map(({ id, steps }) => ({ id, steps: [...steps] })),
      samples: samples.length,
      origin: request.source.origin,
    });
    const dtypeOf = typesOf(request.model);
    return new Sensitivity(request, layers, { request, candidates, dtypeOf, rule, references, samples }, key);
  }

  async run(): Promise<SensitivityResult> {
    const open = this.#layers.filter(({ name }) => !this.#known.has(name));
    for (const { name, forms } of this.#layers)
      if (this.#known.has(name)) this.#runs += forms.size * this.#plan.samples.length;
    for (const group of await this.#groups(open))
      await measureGroup(this.#plan, group, (layer) => {
        this.#known.set(layer.name, layer);
        this.#request.onPartial?.(this.#result());
      });
    return this.#result();
  }

  #reportRun(): void {
    this.#runs += 1;
    const total = this.#layers.reduce((sum, { forms }) => sum + forms.size, 0) * this.#plan.samples.length;
    this.#request.job.onProgress({
      stage: `measuring layers (${this.#known.size} of ${this.#layers.length} done)`,
      done: this.#runs,
      total,
      unit: 'runs',
    });
  }

  /** Consecutive layers whose values, for all samples and candidates, fit into the budget. */
  async #groups(layers: readonly QuantizableLayer[]): Promise<QuantizableLayer[][]> {
    const { model, budgetBytes = DEFAULT_BUDGET_BYTES, source } = this.#request;
    const bytesOf = valueSizes(model, await firstOf(source));
    const groups: QuantizableLayer[][] = [];
    let held = 0;
    for (const layer of layers) {
      const outputs = bytesOf(layer.output);
      // The original's output, each candidate's, and about as much again for what the rest of the model reads beside it.
      const bytes = outputs * (2 + this.#plan.candidates.length) * this.#plan.samples.length;
      if (groups.length > 0 && held + bytes <= budgetBytes) groups.at(-1)!.push(layer);
      else {
        groups.push([layer]);
        held = 0;
      }
      held += bytes;
    }
    return groups;
  }

  #result(): SensitivityResult {
    const { candidates, rule, samples } = this.#plan;
    const { model, source, settings } = this.#request;
    return {
      format: 'whittle-sensitivity',
      version: SENSITIVITY_VERSION,
      key: this.#key,
      candidates: ['keep', ...candidates.map(({ id }) => id)],
      blockSize: settings?.blockSize ?? defaultCandidateSettings.blockSize,
      lossKind: rule.kind,
      layers: this.#layers.flatMap(({ name }) => this.#known.get(name) ?? []),
      layersInAll: this.#layers.length,
      samples: samples.length,
      origin: source.origin,
      modelBytes: modelSize(model).fileBytes,
    };
  }
}

interface ReferenceRuns {
  readonly samples: readonly Feeds[];
  readonly references: readonly Feeds[];
  readonly rule: LossRule;
}

/** Runs the original whole; the outputs that will be judged are kept, as many samples of them as the budget allows. */
async function referenceRuns(request: SensitivityRequest): Promise<ReferenceRuns> {
  const { model, executor, source, job, maxSamples = DEFAULT_SENSITIVITY_SAMPLES } = request;
  const dtypeOf = typesOf(model);
  const wanted = model.graph.outputs.map(({ name }) => name).filter((name) => isFloat(dtypeOf(name)));
  if (wanted.length === 0)
    throw new StudioError('task/bad-inputs', { reason: 'the model has no floating-point output to compare' });
  const session = await openPart(executor, { model, given: new Set(), wanted, dtypeOf }, job.signal);
  const samples: Feeds[] = [];
  const references: Feeds[] = [];
  let held = 0;
  try {
    for await (const feeds of source.feeds()) {
      if (samples.length >= maxSamples || (held > (request.budgetBytes ?? DEFAULT_BUDGET_BYTES) && samples.length > 0))
        break;
      throwIfCancelled(job.signal);
      await job.yield();
      job.onProgress({ stage: 'running the original', done: samples.length, total: null, unit: 'samples' });
      checkFeeds(model, feeds);
      const outputs = await session.run(feeds);
      const rule = lossRule([outputs], wanted);
      const judged = new Map([...outputs].filter(([name]) => rule.outputs.includes(name)));
      for (const { data } of judged.values()) held += data.byteLength;
      samples.push(feeds);
      references.push(judged);
    }
  } finally {
    await session.close();
  }
  if (samples.length === 0)
    throw new StudioError('calib/too-few-samples', { tensor: 'the inputs', count: 0, needed: 1 });
  const shared = wanted.filter((name) => references.every((outputs) => outputs.has(name)));
  return { samples, references, rule: lossRule(references, shared) };
}
