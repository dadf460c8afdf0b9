/**
 * GPTQ through a model: layer by layer, each on the outputs of the layers that are quantized already (Frantar et al.
 * 2023, section 3.3). In memory are the values of one cut and the Hessians of one layer's inputs; a weight that several
 * layers read is quantized when the last of its inputs has been seen, for the sum of their Hessians.
 */

import type { JsonObject } from '../../../base/json.ts';
import { GramAccumulator } from '../../../calib/gram.ts';
import { type WalkedValue, walkLayers } from '../../../calib/layer-walk.ts';
import type { StepContext } from '../../../step/define.ts';
import { adviseCalibrated, calibrationOf } from '../calibration.ts';
import type { LinearSite } from '../linear-sites.ts';
import { nodeLabel } from '../patterns.ts';
import { someOf } from '../report.ts';
import { closeScopes, importContribOps } from '../scopes.ts';
import { matrixRequest, WeightOnlyRun } from '../weight-only.ts';
import type { WeightOnlySettings } from '../weight-only-params.ts';
import type { PlannedWeight } from '../weight-only-plan.ts';
import { type GptqOutcome, GptqWorkspace, gptqMatrix } from './gptq-matrix.ts';
import type { GridSearch } from './group-grids.ts';
import { scaleFirst } from './scale-first.ts';

export interface GptqSettings extends WeightOnlySettings {
  readonly actOrder: boolean;
  readonly damping: number;
  readonly gridSearch: GridSearch;
  readonly samples: number;
  readonly scaling: 'none' | 'awq';
}

/** One weight and the values that must be seen before it can be quantized. */
interface Task {
  readonly weight: PlannedWeight;
  readonly inputs: ReadonlySet<string>;
}

export async function runGptq(ctx: StepContext, settings: GptqSettings, title: string): Promise<void> {
  const { source, executor } = calibrationOf(ctx, title);
  if (settings.scaling === 'awq') await scaleFirst(ctx, settings, title);
  const run = await WeightOnlyRun.open(ctx, settings, title);
  if (run.weights.length === 0) return;
  const job = new GptqRun(ctx, settings, run);
  const { samples } = await walkLayers({
    model: ctx.model,
    executor,
    source,
    wanted: job.wanted,
    mode: 'edit',
    visitor: {
      observe: (value) => job.observe(value),
      leave: ({ values }) => job.leave(values),
    },
    job: ctx,
    maxSamples: settings.samples,
    store: ctx.store,
  }).finally(() => job.close());
  await job.quantizeUnseen();
  adviseCalibrated(ctx, source.origin, samples);
  job.advise();
  run.finish();
}

class GptqRun {
  readonly wanted: ReadonlySet<string>;
  readonly #ctx: StepContext;
  readonly #settings: GptqSettings;
  readonly #run: WeightOnlyRun;
  readonly #workspace = new GptqWorkspace();
  /** Open ones, in graph order. */
  #tasks: Task[];
  readonly #turned: ReadonlySet<string>;
  readonly #columns = new Map<string, number>();
  /** Of values that are being seen. */
  readonly #grams = new Map<string, GramAccumulator>();
  /** Of values that have been seen and still have a weight to serve. */
  readonly #hessians = new Map<string, { readonly hessian: Float32Array; readonly tokens: number }>();
  readonly #facts: JsonObject[] = [];
  readonly #fallbacks = new Map<string, string[]>();
  readonly #fewTokens: string[] = [];
  readonly #damped: string[] = [];
  #done = 0;

  constructor(ctx: StepContext, settings: GptqSettings, run: WeightOnlyRun) {
    this.#ctx = ctx;
    this.#settings = settings;
    this.#run = run;
    this.#tasks = run.weights.map((weight) => ({
      weight,
      inputs: new Set(weight.sites.filter(isSeen).map(({ activation }) => activation)),
    }));
    const sites = run.weights.flatMap((weight) => weight.sites).filter(isSeen);
    this.wanted = new Set(sites.map(({ activation }) => activation));
    this.#turned = new Set(sites.filter(({ transA }) => transA).map(({ activation }) => activation));
    for (const { activation, K } of sites) this.#columns.set(activation, K);
  }

  async observe({ name, sample, dims, values }: WalkedValue): Promise<void> {
    const columns = this.#columns.get(name)!;
    let gram = this.#grams.get(name);
    if (!gram) {
      gram = new GramAccumulator(this.#ctx.executor!, columns, name);
      this.#grams.set(name, gram);
    }
    await gram.add(this.#turned.has(name) ? turn(values, columns, dims.at(-1)!) : values, sample);
  }

  /** Quantizes what needs nothing more than has been seen. */
  async leave(values: readonly string[]): Promise<void> {
    for (const name of values) {
      const gram = this.#grams.get(name)!;
      this.#hessians.set(name, { hessian: await gram.finish(), tokens: gram.rows });
      this.#grams.delete(name);
    }
    const ready = this.#tasks.filter(
      ({ inputs }) => inputs.size > 0 && [...inputs].every((name) => this.#hessians.has(name)),
    );
    this.#tasks = this.#tasks.filter((task) => !ready.includes(task));
    for (const { weight, inputs } of ready) await this.#quantize(weight, inputs);
    for (const name of [...this.#hessians.keys()])
      if (!this.#tasks.some(({ inputs }) => inputs.has(name))) this.#hessians.delete(name);
    if (ready.length === 0) return;
    // The walk goes on with the nodes as they now are.
    if (this.#settings.form === 'matmul-nbits') importContribOps(this.#ctx.model);
    closeScopes(this.#run.scopes);
  }

  /** Weights that only nodes in subgraphs read, whose inputs the walk does not show. */
  async quantizeUnseen(): Promise<void> {
    for (const { weight, inputs } of this.#tasks) await this.#quantize(weight, inputs);
    this.#tasks = [];
  }

  async close(): Promise<void> {
    for (const gram of this.#grams.values()) await gram.close();
    this.#grams.clear();
  }

  async #quantize(weight: PlannedWeight, inputs: ReadonlySet<string>): Promise<void> {
    const { actOrder, damping, gridSearch } = this.#settings;
    const { K, weight: source } = weight.sites[0];
    const total = this.#run.weights.length;
    this.#ctx.onProgress({ stage: 'quantizing weights by GPTQ', done: this.#done, total, unit: 'tensors' });
    const seen = [...inputs].map((name) => this.#hessians.get(name)!);
    const hessian = seen.length === 1 ? seen[0]!.hessian : sumOf(seen, inputs.size === 0 ? 0 : K);
    const tokens = seen.reduce((sum, input) => sum + input.tokens, 0);
    const request = { ...matrixRequest(weight), hessian, actOrder, damping, gridSearch };
    const outcome = await gptqMatrix(this.#ctx, this.#workspace, request);
    await this.#run.replace(weight, outcome.matrix);
    this.#done += 1;
    this.#note(weight, source.valueName, { tokens, K, isSeen: inputs.size > 0 }, outcome);
  }

  #note(
    { sites }: PlannedWeight,
    name: string,
    { tokens, K, isSeen: wasSeen }: { tokens: number; K: number; isSeen: boolean },
    { method, reason: given, damping, relativeLoss }: GptqOutcome,
  ): void {
    const label = nodeLabel(sites[0].node);
    const reason = wasSeen ? given : 'it is in a subgraph, whose values are not collected';
    if (reason !== undefined) this.#fallbacks.set(reason, [...(this.#fallbacks.get(reason) ?? []), label]);
    else if (tokens < K) this.#fewTokens.push(`${label} (${tokens} of ${K})`);
    if (damping !== undefined && damping > this.#settings.damping * 1.01 && damping > 1e-6)
      this.#damped.push(`${label} (${Number(damping.toPrecision(2))})`);
    this.#facts.push({
      weight: name,
      method,
      ...(reason === undefined ? {} : { reason }),
      tokens,
      ...(damping === undefined ? {} : { damping: Number(damping.toPrecision(3)) }),
      ...(relativeLoss && {
        relativeLoss: Number(relativeLoss.gptq.toPrecision(4)),
        relativeLossOfRoundToNearest: Number(relativeLoss.roundToNearest.toPrecision(4)),
      }),
    });
  }

  advise(): void {
    const { advise } = this.#ctx;
    for (const [reason, labels] of this.#fallbacks)
      advise({
        level: 'warning',
        code: 'quant/gptq-fell-back',
        message: `Rounded to nearest instead of by GPTQ: ${someOf(labels)}: ${reason}.`,
      });
    if (this.#fewTokens.length > 0)
      advise({
        level: 'warning',
        code: 'quant/few-tokens',
        message: `Fewer calibration tokens than inputs: ${someOf(this.#fewTokens)}. Their Hessians rest on damping; more samples are better.`,
      });
    if (this.#damped.length > 0)
      advise({
        level: 'info',
        code: 'quant/damping-raised',
        message: `Hessians were not positive definite until the damping was raised: ${someOf(this.#damped)}.`,
      });
    this.#ctx.leave({ gptq: this.#facts });
  }
}

/** Values of the main graph that some node makes, or the caller gives. */
function isSeen({ scope, activation }: LinearSite): boolean {
  if (scope.outer || scope.editor.constantOf(activation)) return false;
  return scope.editor.producerOf(activation) !== undefined || scope.editor.isGraphInput(activation);
}

/** @param size K; 0 when nothing was seen */
function sumOf(seen: readonly { readonly hessian: Float32Array }[], size: number): Float32Array {
  const sum = new Float32Array(size * size);
  for (const { hessian } of seen) for (let i = 0; i < sum.length; i += 1) sum[i]! += hessian[i]!;
  return sum;
}

/** [columns, rows] to [rows, columns]: Gemm's transA. */
function turn(values: Float32Array, columns: number, rows: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let k = 0; k < columns; k += 1)
    for (let row = 0; row < rows; row += 1) out[row * columns + k] = values[k * rows + row]!;
  return out;
}
