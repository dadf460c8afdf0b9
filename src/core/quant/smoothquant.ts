import { z } from 'zod';
import { ChannelSample } from '../calib/channel-sample.ts';
import { readNumbers } from '../passes/support/weights.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { notFinite } from './support/bad-weight.ts';
import { rowsParam, samplesParam } from './support/calibration.ts';
import type { LinearSite } from './support/linear-sites.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, nothingToDo, someOf } from './support/report.ts';
import { convInputMagnitudes } from './support/scale/scale-constant.ts';
import { type Placement, ScaleFolder } from './support/scale/scale-folder.ts';
import { findScaleGroups, type ScaleGroup } from './support/scale/scale-groups.ts';
import { smoothLosses, smoothScales } from './support/scale/smooth-scales.ts';
import { walkGroups } from './support/scale/walk-groups.ts';
import { inputMagnitudes } from './support/scale/weight-columns.ts';
import { closeScopes, openScopes, type Scope } from './support/scopes.ts';

const TITLE = 'SmoothQuant';
/** Of the search: 0.3, 0.35, ..., 0.9. */
const GRID = Array.from({ length: 13 }, (_, at) => 0.3 + 0.05 * at);

const params = z.object({
  search: z.boolean().default(true).meta({
    title: 'Search the strength',
    description:
      'Tries 0.3 to 0.9, and leaving it alone, for each layer input on sampled calibration rows, and takes what rounds best. Otherwise "Strength" is used everywhere.',
  }),
  alpha: z.number().min(0).max(1).default(0.5).meta({
    title: 'Strength (alpha)',
    description:
      'How much of the difficulty moves from the activations into the weights: 0 nothing, 1 all of it. Without a search.',
  }),
  percentile: z.number().min(90).max(100).default(100).meta({
    title: 'Percentile of the activations',
    description: 'What counts as the largest value of a channel: 100 takes the maximum.',
    unit: '%',
  }),
  granularity: z
    .enum(['channel', 'tensor'])
    .default('channel')
    .meta({
      title: 'Granularity of the weights',
      description: 'What the 8-bit step after this one will use; the search rounds likewise.',
      optionTitles: { channel: 'per channel', tensor: 'per tensor' },
    }),
  ranges: z
    .enum(['mse', 'min-max'])
    .default('mse')
    .meta({
      title: 'Ranges of the activations',
      description:
        'What the 8-bit step after this one will use, for the search: clipped (static INT8 by default), or all of the range (dynamic INT8).',
      optionTitles: { mse: 'least squared error', 'min-max': 'minimum and maximum' },
    }),
  conv: z.boolean().default(false).meta({
    title: 'Convolutions',
    description: 'Smooth the inputs of Conv too, with the fixed strength.',
  }),
  layers: z.boolean().default(false).meta({
    title: 'Fold into layers too',
    description:
      'Not only into norms but also into the weights of the layer before (an up projection behind a gate). Its outputs then differ in size by channel: good for dynamic INT8, bad for static INT8, which quantizes them.',
  }),
  insertMul: z.boolean().default(false).meta({
    title: 'Insert Mul nodes',
    description:
      'Where the factors fit into nothing that is there, put a Mul node. It costs time in every run, and static INT8 may quantize its input, which undoes the gain.',
  }),
  samples: samplesParam(128),
  rows: rowsParam(),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

interface Plan {
  readonly group: ScaleGroup;
  readonly placement: Placement;
}

interface Choice extends Plan {
  readonly divisors: Float64Array;
  /** undefined: nothing was better. */
  readonly alpha: number | undefined;
  /** Of the rounding error, against no smoothing; undefined without a search. */
  readonly gain: number | undefined;
}

function planGroups(ctx: StepContext, scope: Scope, folder: ScaleFolder, settings: Params): Plan[] {
  const selects = nodeSelector(settings);
  const groups = findScaleGroups(scope, {
    shapeOf: folder.shapeOf,
    isChosen: ({ node, kind }) => (kind === 'linear' || settings.conv) && selects(node),
  });
  const plans: Plan[] = [];
  const left = new Map<string, string[]>();
  const leave = (reason: string, group: ScaleGroup) =>
    left.set(reason, [...(left.get(reason) ?? []), ...group.chosen.map(({ node }) => nodeLabel(node))]);
  for (const group of groups) {
    const placement = folder.place(group);
    if (folder.sharing(group, placement).length > 0)
      leave('a weight is also read by nodes that need it unchanged', group);
    else if (placement.fold && !settings.layers && !settings.conv && foldsIntoLayer(placement))
      leave('factors would go into the layer before, whose outputs would become unequal', group);
    else if (placement.fold || settings.insertMul) plans.push({ group, placement });
    else leave(`factors fit into nothing that is there (${placement.reason})`, group);
  }
  for (const [reason, labels] of left)
    ctx.advise({ level: 'info', code: 'quant/not-smoothed', message: `Left as it is: ${someOf(labels)}: ${reason}.` });
  return plans;
}

/** Rather than into a norm or a factor that is there. */
function foldsIntoLayer({ fold }: Placement): boolean {
  return fold!.constants.some(({ node }) => ['Conv', 'ConvTranspose', 'MatMul', 'Gemm'].includes(node.opType));
}

class Smoother {
  readonly choices: Choice[] = [];

  constructor(
    readonly ctx: StepContext,
    readonly settings: Params,
    readonly plans: readonly Plan[],
  ) {}

  /** Chooses the factors of each group as soon as its value has been seen in all samples. */
  async choose(): Promise<void> {
    await walkGroups(this.ctx, {
      step: TITLE,
      plans: this.plans,
      maxSamples: this.settings.samples,
      sampleOf: (plan) => this.#sampleOf(plan),
      decide: async (plan, sample) => {
        this.choices.push(await this.#choice(plan, sample));
      },
    });
  }

  #sampleOf({ group }: Plan): ChannelSample {
    return new ChannelSample(group.root, {
      channels: group.channels,
      rows: this.#searches(group) ? this.settings.rows : 0,
      histogram: this.settings.percentile < 100,
      seed: group.root,
    });
  }

  #searches(group: ScaleGroup): boolean {
    return this.settings.search && group.chosen.every(({ site }) => site !== undefined);
  }

  async #choice(plan: Plan, sample: ChannelSample): Promise<Choice> {
    const { group } = plan;
    const activations = sample.percentileMagnitudes(this.settings.percentile);
    const weights = new Float64Array(group.channels);
    for (const { site, weight, groups } of group.chosen) {
      const values = await readNumbers(weight.tensor);
      refuseNotFinite(values, weight.valueName);
      const own = site ? await inputMagnitudes(site) : convInputMagnitudes(values, weight.tensor.dims, groups);
      for (let k = 0; k < weights.length; k += 1) weights[k] = Math.max(weights[k]!, own[k]!);
    }
    if (!this.#searches(group)) {
      const { alpha } = this.settings;
      return { ...plan, divisors: smoothScales(activations, weights, alpha), alpha, gain: undefined };
    }
    const candidates = [
      new Float64Array(group.channels).fill(1),
      ...GRID.map((alpha) => smoothScales(activations, weights, alpha)),
    ];
    const rows = sample.rows();
    const losses = await smoothLosses(
      {
        executor: this.ctx.executor!,
        sites: group.chosen.map(({ site }) => site as LinearSite),
        rows: rows.values,
        count: rows.count,
        min: sample.min,
        max: sample.max,
        ranges: this.settings.ranges,
        perChannel: this.settings.granularity === 'channel',
      },
      candidates,
    );
    // The first of equals: leaving it alone wins a tie.
    const best = losses.reduce((least, loss, index) => (loss < losses[least]! ? index : least), 0);
    const gain = losses[0]! > 0 ? 1 - losses[best]! / losses[0]! : 0;
    return { ...plan, divisors: candidates[best]!, alpha: best === 0 ? undefined : GRID[best - 1], gain };
  }
}

/** No factor could be judged by such a weight. */
function refuseNotFinite(values: ArrayLike<number>, tensor: string): void {
  let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
  for (let at = 0; at < values.length; at += 1) poison += values[at]! * 0;
  if (poison !== 0) throw notFinite(tensor);
}

export const step = defineStep({
  id: 'smoothquant',
  title: TITLE,
  summary:
    'Moves outlier channels of the activations into the weights without changing what the model computes, so that 8-bit activations lose less. Put it before static or dynamic INT8 of a transformer.',
  section: 'quantization',
  order: 303,
  params,
  precision: 'exact-within-fp',
  optIn: true,
  needs: { execution: true, calibration: true },
  source: 'Xiao, Lin, Seznec, Wu, Demouth, Han 2023, arXiv 2211.10438, equation 4; alpha searched for each layer input',
  runsOn: () => runsEverywhere,
  check: adviceBefore,
  run: async (ctx, settings) => {
    const scopes = openScopes(ctx.model);
    const scope = scopes[0]!;
    const folder = new ScaleFolder(ctx, scope, await ctx.shapes());
    const plans = planGroups(ctx, scope, folder, settings);
    if (plans.length === 0) {
      ctx.advise(nothingToDo(TITLE, 'selected MatMul or Gemm whose input can be rescaled'));
      return;
    }
    const smoother = new Smoother(ctx, settings, plans);
    await smoother.choose();
    for (const { group, placement, divisors, alpha } of smoother.choices) {
      if (divisors.every((value) => value === 1)) continue;
      const labels = group.chosen.map(({ node }) => nodeLabel(node));
      if (await folder.divide(group, divisors, placement))
        ctx.ledger.record(`smoothed a layer input (alpha ${alpha!.toFixed(2)})`, labels, labels);
      else
        ctx.advise({
          level: 'warning',
          code: 'quant/rescale-overflow',
          message: `Left as it is: ${someOf(labels)}: a rescaled weight would leave the range of its type.`,
        });
    }
    closeScopes(scopes);
    if (smoother.choices.some(({ divisors }) => divisors.some((value) => value !== 1)))
      ctx.advise({
        level: 'info',
        code: 'quant/smooth-saturates',
        message:
          'Smoothed activations fill more of their 8 bits, so on CPUs without VNNI sums of products saturate more often; set "Reduced range" in the 8-bit step for those. WASM is not affected.',
        providers: ['cpu'],
      });
    ctx.leave({
      smoothed: smoother.choices.map(({ group, placement, alpha, gain }) => ({
        value: group.root,
        nodes: group.chosen.map(({ node }) => nodeLabel(node)),
        alpha: alpha ?? null,
        errorReduction: gain ?? null,
        folded: placement.fold !== undefined,
      })),
    });
  },
});
