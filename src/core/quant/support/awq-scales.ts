/**
 * AWQ's search (Lin et al. 2023, arXiv 2306.00978, section 3.2): weights that meet large activations are worth more, so
 * their input channels are multiplied by s = mean|x|^alpha before they are rounded in blocks, and the activations are
 * divided by s. alpha is searched by the error of the layers' outputs on the calibration inputs; alpha 0, which is rounding
 * to nearest, is a candidate, so that no layer's error there grows. One layer after the other, as in GPTQ (Frantar et al.
 * 2023, section 3.3), each by the inputs it will meet. What a layer becomes does not depend on where
 * its factors go: folded into the columns of a weight before it, they scale whole blocks there, whose codes stay.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import { walkLayers } from '../../calib/layer-walk.ts';
import type { Node } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { awqFactors, weightMeans } from './awq-factors.ts';
import { adviseCalibrated, calibrationOf } from './calibration.ts';
import type { LinearSite } from './linear-sites.ts';
import { nodeLabel } from './patterns.ts';
import { someOf } from './report.ts';
import { type BlockClip, roundedWeight, scaleLosses, searchClip } from './scale/block-losses.ts';
import { GroupInputs } from './scale/group-inputs.ts';
import { RoundedCopy } from './scale/rounded-copy.ts';
import { type Placement, ScaleFolder } from './scale/scale-folder.ts';
import { findScaleGroups, type ScaleGroup } from './scale/scale-groups.ts';
import { closeScopes, openScopes, type Scope } from './scopes.ts';
import type { WeightOnlySettings } from './weight-only-params.ts';
import { planWeightOnly, type WeightScheme } from './weight-only-plan.ts';

export interface AwqOptions {
  readonly title: string;
  /** How a node's weight will be rounded; undefined: it will not, or not by this method. */
  readonly schemeOf: (node: Node) => WeightScheme | undefined;
  readonly samples: number;
  /** Positions, of all samples, by which candidates are judged where there are too many channels for moments. */
  readonly rows: number;
  /** Judge each layer by what it reads once the layers before it are rounded, to nearest as they will be. */
  readonly isSequential: boolean;
  /** Divide by the weights' mean size too: s = mean|x|^alpha / mean|w|^(1 - alpha), as candidates besides. */
  readonly useWeights: boolean;
  /** Where factors fit into nothing that is there. */
  readonly insertMul: boolean;
  /** Whether to search clipping of blocks too, for layers whose weights are their own. */
  readonly clip: boolean;
}

/** What was chosen for the layers that read one value. */
export interface AwqChoice {
  readonly group: ScaleGroup;
  readonly placement: Placement;
  readonly factors: Float64Array;
  /** 0: nothing was better than rounding to nearest. */
  readonly alpha: number;
  /** Squared error of the layers' outputs on the calibration inputs: rounded to nearest, with the factors. */
  readonly before: number;
  readonly after: number;
  readonly clips: ReadonlyMap<Node, BlockClip>;
}

const STEPS = 20;
/** 0.95, 0.9, ..., 0.5 of a block's range. */
const CLIP_RATIOS = Array.from({ length: 10 }, (_, at) => 0.95 - 0.05 * at);
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
export type AwqSettings = WeightOnlySettings &
  Pick<AwqOptions, 'samples' | 'rows' | 'clip' | 'useWeights' | 'insertMul'>;

/**
 * For the layers that a weight-only step with these settings will round. Main graph only: what flows inside a subgraph
 * cannot be looked at.
 */
export async function applyAwqToPlan(
  ctx: StepContext,
  settings: AwqSettings,
  title: string,
): Promise<readonly AwqChoice[]> {
  const { weights } = planWeightOnly(openScopes(ctx.model), settings, await ctx.shapes());
  const schemes = new Map<Node, WeightScheme>();
  for (const { sites, scheme } of weights)
    for (const { node, scope } of sites) if (!scope.outer) schemes.set(node, scheme);
  return applyAwqScales(ctx, {
    ...settings,
    title,
    isSequential: true,
    schemeOf: (node) => schemes.get(node),
  });
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
    const { source, executor } = calibrationOf(ctx, options.title);
    if (this.plans.length === 0) return;
    const byRoot = new Map<string, Plan[]>();
    for (const plan of this.plans) byRoot.set(plan.group.root, [...(byRoot.get(plan.group.root) ?? []), plan]);
    const seen = new Map<Plan, GroupInputs>();
    const inputsOf = (plan: Plan) => {
      const { root: name, channels, axis } = plan.group;
      const inputs = seen.get(plan) ?? new GroupInputs({ name, channels, axis, rows: options.rows, executor });
      seen.set(plan, inputs);
      return inputs;
    };
    const copy = new RoundedCopy(ctx);
    const { samples } = await walkLayers({
      model: copy.model,
      executor,
      source,
      wanted: byRoot.keys(),
      mode: 'edit',
      job: ctx,
      store: ctx.store,
      maxSamples: options.samples,
      visitor: {
        observe: async ({ name, sample, dims, values }) => {
          for (const plan of byRoot.get(name)!) await inputsOf(plan).observe(values, dims, sample);
        },
        leave: async ({ values }) => {
          for (const name of values)
            for (const plan of byRoot.get(name) ?? []) {
              const choice = await this.#choose(plan, inputsOf(plan));
              seen.delete(plan);
              this.choices.push(choice);
              if (options.isSequential) await this.#round(choice, copy);
            }
        },
      },
    }).finally(async () => {
      for (const inputs of seen.values()) await inputs.close();
    });
    adviseCalibrated(ctx, source.origin, samples);
  }

  async #choose(plan: Plan, seen: GroupInputs): Promise<AwqChoice> {
    const { ctx, options } = this;
    const { group, placement } = plan;
    const stage = 'searching factors';
    ctx.onProgress({ stage, done: this.choices.length, total: this.plans.length, unit: 'tensors' });
    if (seen.seen === 0) throw new StudioError('calib/too-few-samples', { tensor: group.root, count: 0, needed: 1 });
    const sites = group.chosen.map(({ site }) => site!);
    const inputs = await seen.finish();
    const trialOf = (site: LinearSite) => ({ ...this.#roundingOf(site), inputs });
    const mayScale = placement.fold !== undefined || options.insertMul;
    const candidates = await this.#candidates(sites, seen.meanMagnitudes(), mayScale);
    const losses = candidates.map(() => 0);
    for (const site of sites) {
      await this.#breathe();
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
      const isShared = sites.some((other) => other !== site && other.weight.tensor === site.weight.tensor);
      if (isShared || !options.clip) continue;
      await this.#breathe();
      clips.set(site.node, await searchClip(trialOf(site), CLIP_RATIOS, factors));
    }
    return { group, placement, factors, alpha, before, after: losses[best]!, clips };
  }

  /** In the model that the walk runs on: what comes after is judged by what it will see. */
  async #round({ group, factors, clips }: AwqChoice, copy: RoundedCopy): Promise<void> {
    for (const { site } of group.chosen) {
      await this.#breathe();
      const ratios = clips.get(site!.node)?.ratios;
      await copy.replace(site!, await roundedWeight(this.#roundingOf(site!), factors, ratios));
    }
  }

  #roundingOf(site: LinearSite) {
    return { executor: this.ctx.executor!, site, scheme: this.options.schemeOf(site.node)! };
  }

  async #breathe(): Promise<void> {
    throwIfCancelled(this.ctx.signal);
    await this.ctx.yield();
  }

  /** The first one is rounding to nearest. */
  async #candidates(sites: readonly LinearSite[], activations: Float64Array, mayScale: boolean) {
    const candidates: { alpha: number; factors: Float64Array }[] = [
      { alpha: 0, factors: new Float64Array(activations.length).fill(1) },
    ];
    if (!mayScale) return candidates;
    const weights = this.options.useWeights
      ? await weightMeans(sites, (site) => this.options.schemeOf(site.node)!.blockSize)
      : undefined;
    for (let step = 1; step <= STEPS; step += 1) {
      const alpha = step / STEPS;
      candidates.push({ alpha, factors: awqFactors(activations, undefined, alpha) });
      if (weights && alpha < 1) candidates.push({ alpha, factors: awqFactors(activations, weights, alpha) });
    }
    return candidates;
  }
}
