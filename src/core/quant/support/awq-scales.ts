/**
 * AWQ's search (Lin et al. 2023, arXiv 2306.00978, section 3.2): weights that meet large activations are worth more, so
 * their input channels are multiplied by s = mean|x|^alpha before they are rounded in blocks, and the activations are
 * divided by s. alpha is searched by the error of the layers' outputs on sampled calibration rows; alpha 0, which is
 * rounding to nearest, is a candidate, so that no layer's error there grows.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { ChannelSample } from '../../calib/channel-sample.ts';
import { readTensorFloats } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { LinearSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';
import { someOf } from './report.ts';
import { type BlockClip, scaleLosses, searchClip } from './scale/block-losses.ts';
import { type Placement, ScaleFolder } from './scale/scale-folder.ts';
import { findScaleGroups, type ScaleGroup } from './scale/scale-groups.ts';
import { walkGroups } from './scale/walk-groups.ts';
import { closeScopes, openScopes, type Scope } from './scopes.ts';
import type { WeightOnlySettings } from './weight-only-params.ts';
import { planWeightOnly, type WeightScheme } from './weight-only-plan.ts';

export interface AwqOptions {
  readonly title: string;
  /** How a node's weight will be rounded; undefined: it will not, or not by this method. */
  readonly schemeOf: (node: Node) => WeightScheme | undefined;
  readonly samples: number;
  /** Positions, of all samples, by which candidates are judged. */
  readonly rows: number;
  /** Divide by the weights' mean size too: s = mean|x|^alpha / mean|w|^(1 - alpha), as candidates besides. */
  readonly useWeights: boolean;
  /** Where factors fit into nothing that is there. */
  readonly insertMul: boolean;
  /** Whether a layer's blocks may be clipped. */
  readonly mayClip: (site: LinearSite) => boolean;
}

/** What was chosen for the layers that read one value. */
export interface AwqChoice {
  readonly group: ScaleGroup;
  readonly placement: Placement;
  readonly factors: Float64Array;
  /** 0: nothing was better than rounding to nearest. */
  readonly alpha: number;
  /** Squared error of the layers' outputs on the sampled rows: rounded to nearest, with the factors. */
  readonly before: number;
  readonly after: number;
  readonly clips: ReadonlyMap<Node, BlockClip>;
}

const STEPS = 20;
/** 0.95, 0.9, ..., 0.5 of a block's range. */
const CLIP_RATIOS = Array.from({ length: 10 }, (_, at) => 0.95 - 0.05 * at);
const SMALLEST = 1e-4;
/** A Mul node in every run must be worth it. */
const WORTH_A_NODE = 0.97;

/**
 * Searches factors and multiplies them into the draft, whose function stays what it was; rounding is the caller's.
 * @returns what was applied; also groups for which nothing was better
 */
export async function applyAwqScales(ctx: StepContext, options: AwqOptions): Promise<readonly AwqChoice[]> {
  const scopes = openScopes(ctx.model);
  const folder = new ScaleFolder(ctx, scopes[0]!, await ctx.shapes());
  const search = new AwqSearch(ctx, options, planGroups(ctx, scopes[0]!, folder, options));
  await search.run();
  const applied: AwqChoice[] = [];
  for (const choice of search.choices) {
    const { group, placement, factors, alpha } = choice;
    const labels = group.chosen.map(({ node }) => nodeLabel(node));
    if (factors.every((factor) => factor === 1)) applied.push(choice);
    else if (await folder.divide(group, factors, placement)) {
      applied.push(choice);
      const how = placement.fold ? 'folded into what is there' : 'by a Mul node';
      ctx.ledger.record(`scaled channels by activations (alpha ${alpha.toFixed(2)}, ${how})`, labels, labels);
    }
  }
  closeScopes(scopes);
  return applied;
}

/** What a weight-only step with calibration has besides its own settings. */
export type AwqSettings = WeightOnlySettings & Pick<AwqOptions, 'samples' | 'rows' | 'useWeights' | 'insertMul'>;

/**
 * For the layers that a weight-only step with these settings will round. Main graph only: what flows inside a subgraph
 * cannot be looked at.
 */
export async function applyAwqToPlan(
  ctx: StepContext,
  settings: AwqSettings,
  title: string,
  mayClip: AwqOptions['mayClip'],
): Promise<readonly AwqChoice[]> {
  const { weights } = planWeightOnly(openScopes(ctx.model), settings, await ctx.shapes());
  const schemes = new Map<Node, WeightScheme>();
  for (const { sites, scheme } of weights)
    for (const { node, scope } of sites) if (!scope.outer) schemes.set(node, scheme);
  return applyAwqScales(ctx, { ...settings, title, mayClip, schemeOf: (node) => schemes.get(node) });
}

interface Plan {
  readonly group: ScaleGroup;
  readonly placement: Placement;
}

/** Groups whose layers can be told apart from everything else; the others are rounded to nearest, and the user is told. */
function planGroups(ctx: StepContext, scope: Scope, folder: ScaleFolder, options: AwqOptions): Plan[] {
  const groups = findScaleGroups(scope, {
    shapeOf: folder.shapeOf,
    isChosen: ({ node, kind }) => kind === 'linear' && options.schemeOf(node) !== undefined,
  });
  const plans: Plan[] = [];
  const shared: string[] = [];
  for (const group of groups) {
    const placement = folder.place(group);
    const sharing = folder.sharing(group, placement);
    if (sharing.length === 0) plans.push({ group, placement });
    else shared.push(...sharing.map(({ node }) => nodeLabel(node)));
  }
  if (shared.length > 0)
    ctx.advise({
      level: 'info',
      code: 'quant/shared-weight',
      message: `Not scaled: ${someOf(shared)}: its weight is also read by nodes that need it unchanged, so it is rounded as it is.`,
    });
  return plans;
}

class AwqSearch {
  readonly choices: AwqChoice[] = [];

  constructor(
    readonly ctx: StepContext,
    readonly options: AwqOptions,
    readonly plans: readonly Plan[],
  ) {}

  /** Each group's rows are given up as soon as its factors are chosen. */
  async run(): Promise<void> {
    const { ctx, options } = this;
    if (this.plans.length === 0) return;
    await walkGroups(ctx, {
      step: options.title,
      plans: this.plans,
      maxSamples: options.samples,
      sampleOf: ({ group: { root, channels } }) =>
        new ChannelSample(root, { channels, rows: options.rows, seed: root }),
      decide: async (plan, sample) => {
        this.choices.push(await this.#choose(plan, sample));
      },
    });
  }

  async #choose(plan: Plan, sample: ChannelSample): Promise<AwqChoice> {
    const { ctx, options } = this;
    const { group, placement } = plan;
    const stage = 'searching factors';
    ctx.onProgress({ stage, done: this.choices.length, total: this.plans.length, unit: 'tensors' });
    const sites = group.chosen.map(({ site }) => site!);
    const { values: rows, count } = sample.rows();
    const trialOf = (site: LinearSite) => {
      const scheme = options.schemeOf(site.node)!;
      return { executor: ctx.executor!, site, scheme, rows, count };
    };
    const candidates = await this.#candidates(sites, sample, placement.fold !== undefined || options.insertMul);
    const losses = candidates.map(() => 0);
    for (const site of sites) {
      throwIfCancelled(ctx.signal);
      await ctx.yield();
      const own = await scaleLosses(
        trialOf(site),
        candidates.map(({ factors }) => factors),
      );
      for (const [index, loss] of own.entries()) losses[index] = losses[index]! + loss;
    }
    const before = losses[0]!;
    let best = losses.reduce((least, loss, index) => (loss < losses[least]! ? index : least), 0);
    if (!placement.fold && losses[best]! > WORTH_A_NODE * before) best = 0;
    const { factors, alpha } = candidates[best]!;
    const clips = new Map<Node, BlockClip>();
    for (const site of sites) {
      if (!options.mayClip(site)) continue;
      throwIfCancelled(ctx.signal);
      await ctx.yield();
      clips.set(site.node, await searchClip(trialOf(site), CLIP_RATIOS, factors));
    }
    return { group, placement, factors, alpha, before, after: losses[best]!, clips };
  }

  /** The first one is rounding to nearest. */
  async #candidates(sites: readonly LinearSite[], sample: ChannelSample, mayScale: boolean) {
    const candidates: { alpha: number; factors: Float64Array }[] = [
      { alpha: 0, factors: new Float64Array(sample.channels).fill(1) },
    ];
    if (!mayScale) return candidates;
    const activations = sample.meanMagnitudes();
    const weights = this.options.useWeights ? await weightMeans(sites, this.options) : undefined;
    for (let step = 1; step <= STEPS; step += 1) {
      const alpha = step / STEPS;
      candidates.push({ alpha, factors: awqFactors(activations, undefined, alpha) });
      if (weights && alpha < 1) candidates.push({ alpha, factors: awqFactors(activations, weights, alpha) });
    }
    return candidates;
  }
}

/**
 * s = x^alpha / w^(1 - alpha), of geometric mean 1 between its extremes. A channel that is never active tells nothing:
 * it gets 1.
 */
export function awqFactors(x: Float64Array, w: Float64Array | undefined, alpha: number): Float64Array {
  const factors = x.map((mean, channel) =>
    Math.max(mean ** alpha / (w ? w[channel]! ** (1 - alpha) + SMALLEST : 1), SMALLEST),
  );
  let [low, high] = [Number.POSITIVE_INFINITY, 0];
  for (const [channel, factor] of factors.entries()) {
    if (x[channel] === 0) continue;
    low = Math.min(low, factor);
    high = Math.max(high, factor);
  }
  const middle = high > 0 ? Math.sqrt(low * high) : 1;
  return factors.map((factor, channel) => (x[channel] === 0 ? 1 : factor / middle));
}

/** Of each input channel the mean over columns of |w| against the largest in its block (AutoAWQ's second statistic). */
async function weightMeans(sites: readonly LinearSite[], { schemeOf }: AwqOptions): Promise<Float64Array> {
  const sums = new Float64Array(sites[0]!.K);
  let columns = 0;
  for (const site of sites) {
    const { K, N, order } = site;
    const { blockSize } = schemeOf(site.node)!;
    const values = await readTensorFloats(site.weight.tensor);
    const [kStride, nStride] = order === 'columns' ? [N, 1] : [1, K];
    for (let n = 0; n < N; n += 1)
      for (let first = 0; first < K; first += blockSize) {
        const end = Math.min(K, first + blockSize);
        let largest = 0;
        for (let k = first; k < end; k += 1) largest = Math.max(largest, Math.abs(values[k * kStride + n * nStride]!));
        if (largest === 0) continue;
        for (let k = first; k < end; k += 1)
          sums[k] = sums[k]! + Math.abs(values[k * kStride + n * nStride]!) / largest;
      }
    columns += N;
  }
  return sums.map((sum) => sum / columns);
}
