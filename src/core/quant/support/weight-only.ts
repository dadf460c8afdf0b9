/**
 * The frame of every step that stores the weights of MatMul and Gemm in blocks: it chooses the weights, replaces the
 * nodes, keeps what is shared shared, and tells the user. A method only makes an NBitsMatrix of a planned weight.
 */
import { inOrder } from '../../base/in-order.ts';
import type { JsonObject } from '../../base/json.ts';
import { tensorByteLength } from '../../ir/tensor.ts';
import type { Model, Tensor } from '../../ir/types.ts';
import type { Advisory, ExecutionProvider, ProviderSupport, StepContext } from '../../step/define.ts';
import { unmatchedOverrideAdvice } from './layer-overrides.ts';
import type { LinearSite } from './linear-sites.ts';
import { replaceWithMatMulNBits, storeNBits } from './matmul-nbits.ts';
import { type MixtureRole, roleTitles } from './mixture.ts';
import type { NBitsRequest } from './nbits-matrix.ts';
import { prepareQdq, qdqAdvice, replaceWithQdqMatMul, storeQdq, toQdqMatrix } from './nbits-qdq.ts';
import type { NBitsMatrix } from './nbits-store.ts';
import { nodeLabel } from './patterns.ts';
import { adviceBefore, adviseSkipped, floatWeightBytes, nothingToDo, percent } from './report.ts';
import { importContribOps, openScopes, type Scope } from './scopes.ts';
import type { WeightOnlySettings } from './weight-only-params.ts';
import { type PlannedWeight, planWeightOnly } from './weight-only-plan.ts';
import { dropReplaced, type WeightSource, weightBytes, weightKey } from './weights.ts';

const slowOnWasm: Advisory = {
  level: 'warning',
  code: 'quant/slow-on-wasm',
  message:
    'MatMulNBits computes in float32 on WASM and unpacks the weights in every run: expect a small file and a slower run than the original.',
  providers: ['wasm'],
};

const WHAT = 'selected MatMul or Gemm with a constant weight';

/** Makes the stored form of one weight; `matrixRequest` has what it needs. */
export type WeightMethod = (ctx: StepContext, weight: PlannedWeight) => Promise<NBitsMatrix>;

/** The weight as quantizeMatrix takes it. */
export function matrixRequest({ sites: [site], scheme }: PlannedWeight): NBitsRequest {
  const { tensor, valueName: name } = site.weight;
  return { ...scheme, tensor, name, K: site.K, N: site.N, order: site.order };
}

/** Weights up to this size may be worked on two at a time: with larger ones threads wait for one another less. */
const SIDE_BY_SIDE_BYTES = 8 << 20;

/**
 * Quantizes one weight after the other and replaces the nodes that read it, in their order.
 * @param sideBySide whether the method may be called for the next weight before the last one's is done; it is where
 *   threads would else wait for the last slab of each weight
 */
export async function runWeightOnly(
  ctx: StepContext,
  settings: WeightOnlySettings,
  title: string,
  method: WeightMethod,
  sideBySide = false,
): Promise<void> {
  const run = await WeightOnlyRun.open(ctx, settings, title);
  const isSmall = run.weights.every(({ sites: [{ weight }] }) => weightBytes(weight) <= SIDE_BY_SIDE_BYTES);
  const atOnce = sideBySide && isSmall && ctx.executor?.pool ? 2 : 1;
  const work = async (weight: PlannedWeight) => ({ weight, matrix: await method(ctx, weight) });
  let done = 0;
  const report = () =>
    ctx.onProgress({ stage: 'quantizing weights', done, total: run.weights.length, unit: 'tensors' });
  if (run.weights.length > 0) report();
  for await (const { weight, matrix } of inOrder(run.weights, atOnce, work)) {
    await run.replace(weight, matrix);
    done += 1;
    // The last is `finish`'s to tell.
    if (done < run.weights.length) report();
  }
  run.finish();
}

/** For methods that want more than one weight at a time: open, replace each weight in any order, finish. */
export class WeightOnlyRun {
  readonly #replaced: PlannedWeight[] = [];
  readonly #facts: JsonObject[] = [];
  #hasNBits = false;

  private constructor(
    readonly ctx: StepContext,
    readonly settings: WeightOnlySettings,
    readonly title: string,
    readonly scopes: readonly Scope[],
    readonly weights: readonly PlannedWeight[],
  ) {}

  /** @throws StudioError pass/refused when the wanted form needs a newer opset than the model can be raised to */
  static async open(ctx: StepContext, settings: WeightOnlySettings, title: string): Promise<WeightOnlyRun> {
    if (settings.form === 'qdq') {
      const { weights } = planWeightOnly(openScopes(ctx.model), settings, await ctx.shapes());
      if (weights.length > 0) await prepareQdq(ctx, title);
    }
    const scopes = openScopes(ctx.model);
    const { weights, skipped } = planWeightOnly(scopes, settings, await ctx.shapes());
    adviseSkipped(ctx, skipped);
    if (weights.length === 0) ctx.advise(nothingToDo(title, WHAT));
    return new WeightOnlyRun(ctx, settings, title, scopes, weights);
  }

  /** Puts the wanted form in the place of every node that reads the weight. Await it before `finish`. */
  async replace(weight: PlannedWeight, matrix: NBitsMatrix): Promise<void> {
    const { scope, valueName } = weight.sites[0].weight;
    if (this.settings.form === 'qdq') {
      const qdq = await toQdqMatrix(this.ctx, matrix, valueName);
      const stored = storeQdq(scope, qdq);
      this.replaceBy(weight, storedBytes(qdq.codes, qdq.scales, qdq.zeroPoints), (site) =>
        replaceWithQdqMatMul(site, stored),
      );
      return;
    }
    const bytes = storedBytes(matrix.packed, matrix.scales, matrix.zeroPoints);
    const stored = storeNBits(scope, matrix);
    this.replaceBy(weight, bytes, (site) => replaceWithMatMulNBits(site, stored, this.settings.accuracyLevel));
    this.#hasNBits = true;
  }

  /**
   * For other forms than MatMulNBits; operators of other domains are the caller's to import.
   * @param storedBytes what the weight takes now, scales and zero points included
   * @param replaceSite puts new nodes in the place of one and returns their labels
   */
  replaceBy(weight: PlannedWeight, storedBytes: number, replaceSite: (site: LinearSite) => readonly string[]): void {
    const { sites, scheme, chosenBy } = weight;
    for (const site of sites) {
      const action = `quantized ${site.opType} weights to ${scheme.bits} bits`;
      this.ctx.ledger.record(action, [nodeLabel(site.node)], replaceSite(site));
    }
    const [{ K, N, weight: source }] = sites;
    this.#replaced.push(weight);
    this.#facts.push({
      weight: source.valueName,
      nodes: sites.map(({ node }) => nodeLabel(node)),
      bits: scheme.bits,
      chosenBy: chosenBy in roleTitles ? `mixture: ${roleTitles[chosenBy as MixtureRole]}` : chosenBy,
      bitsPerWeight: Number(((8 * storedBytes) / (K * N)).toFixed(3)),
    });
  }

  finish(): void {
    const { ctx, scopes } = this;
    if (this.#replaced.length === 0) return;
    const sites = this.#replaced.flatMap((weight) => weight.sites);
    ctx.onProgress({
      stage: 'quantizing weights',
      done: this.#replaced.length,
      total: this.weights.length,
      unit: 'tensors',
    });
    if (this.#hasNBits) importContribOps(ctx.model);
    dropReplaced(
      scopes,
      sites.map(({ scope, weightValue }) => ({ scope, value: weightValue })),
    );
    adviseKept(ctx, new Map(sites.map(({ weight }) => [weightKey(weight), weight])).values());
    adviseTwice(ctx, this.#replaced);
    ctx.leave({ weights: this.#facts });
    if (this.#hasNBits) ctx.advise(slowOnWasm);
  }
}

function storedBytes(...tensors: readonly (Tensor | undefined)[]): number {
  return tensors.reduce((sum, tensor) => sum + (tensor ? tensorByteLength(tensor) : 0), 0);
}

/** A weight that something else reads too (a tied embedding, an excluded node) is stored twice: worth knowing. */
function adviseKept(ctx: StepContext, sources: Iterable<WeightSource>): void {
  for (const source of sources) {
    const { editor, graph } = source.scope;
    const kept = graph.initializers.has(source.valueName) || editor.producerOf(source.valueName);
    if (kept)
      ctx.advise({
        level: 'info',
        code: 'quant/weight-also-kept',
        message: `Weight "${source.valueName}" (${weightBytes(source)} bytes) is also read by nodes that were not quantized, so its original stays in the file. If those pick rows of an embedding, the step "Embeddings in blocks" lets them share the codes.`,
      });
  }
}

/** Layers that share a weight and were given different bits, or read it in different orders. */
function adviseTwice(ctx: StepContext, weights: readonly PlannedWeight[]): void {
  const bitsOf = new Map<string, number[]>();
  for (const { sites, scheme } of weights) {
    const { scope, valueName } = sites[0].weight;
    const key = `${scope.index}/${valueName}`;
    bitsOf.set(key, [...(bitsOf.get(key) ?? []), scheme.bits]);
  }
  for (const [key, bits] of bitsOf)
    if (new Set(bits).size > 1)
      ctx.advise({
        level: 'warning',
        code: 'quant/shared-weight-conflict',
        message: `Weight "${key.slice(key.indexOf('/') + 1)}" is shared by layers with different settings (${bits.join(' and ')} bits), so it is stored ${bits.length} times.`,
      });
}

/** What can be said before running; `title` is the step's. */
export function checkWeightOnly(model: Model, settings: WeightOnlySettings, title: string): Advisory[] {
  const { weights } = planWeightOnly(openScopes(model), settings);
  const advice = [...adviceBefore(model, settings), ...unmatchedOverrideAdvice(model, settings.overrides)];
  if (weights.length === 0) return [...advice, nothingToDo(title, WHAT)];
  const sources = [...new Map(weights.map(({ sites: [{ weight }] }) => [weight.tensor, weight])).values()];
  const bytes = sources.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const all = floatWeightBytes(model);
  if (bytes < 0.5 * all)
    advice.push({
      level: 'info',
      code: 'quant/small-share',
      message: `MatMul and Gemm hold ${percent(bytes, all)} of the weights; the rest (convolutions, embeddings, recurrent layers) stays as it is. "INT8 weights" covers those.`,
    });
  if (sources.some(({ tensor }) => tensor.dtype === 'float16'))
    advice.push({
      level: 'warning',
      code: 'quant/needs-shader-f16',
      message:
        'Weights are float16, so the scales are too: WebGPU runs this only on devices with the shader-f16 feature.',
      providers: ['webgpu'],
    });
  if (settings.mixture === 'k-m' && !weights.some(({ chosenBy }) => chosenBy === 'value' || chosenBy === 'down'))
    advice.push({
      level: 'warning',
      code: 'quant/mixture-finds-no-layers',
      message:
        'No attention value or feed-forward down projection was recognized, so the mixture changes the output head at most; name the layers under "Bits of single layers" instead.',
    });
  if (settings.form === 'qdq') advice.push(...qdqAdvice);
  return [...advice, ...bitsAdvice(weights)];
}

function bitsAdvice(weights: readonly PlannedWeight[]): Advisory[] {
  const used = new Set(weights.map(({ scheme }) => scheme.bits));
  const advice: Advisory[] = [];
  if (used.has(2))
    advice.push({
      level: 'warning',
      code: 'quant/two-bits',
      message: 'Two bits leave four values per block; expect large losses.',
    });
  if (used.has(3))
    advice.push({
      level: 'info',
      code: 'quant/three-bits',
      message:
        'The runtime has no kernel for 3 bits: codes of 3 bits are stored in fields of 4, so the file is as large as with 4 bits and less accurate. It shows what a 3-bit format would do to accuracy.',
    });
  return advice;
}

export function weightOnlyRunsOn(): Record<ExecutionProvider, ProviderSupport> {
  return {
    wasm: { level: 'full' },
    webgpu: { level: 'full' },
    webnn: { level: 'partial', reason: 'MatMulNBits was not tested on WebNN; nodes it lacks run on the CPU' },
    cpu: { level: 'full' },
  };
}
