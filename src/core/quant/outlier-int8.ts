import { z } from 'zod';
import type { JsonObject } from '../base/json.ts';
import type { Model } from '../ir/types.ts';
import type { ShapeTable } from '../shape/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  runsEverywhere,
  type StepContext,
} from '../step/define.ts';
import { samplesParam } from './support/calibration.ts';
import { linearSelectionParams, selectLinearSites } from './support/linear-selection.ts';
import type { LinearSite, SkippedSite } from './support/linear-sites.ts';
import { needOpset } from './support/need-opset.ts';
import { featureMagnitudes, outliersAbove } from './support/outlier-features.ts';
import { type OutlierWeight, replaceByOutlierSplit, storeOutlierWeight } from './support/outlier-layer.ts';
import { nodeLabel } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, nothingToDo, percent } from './support/report.ts';
import { openScopes, opsetOf, type Scope } from './support/scopes.ts';
import { dropReplaced, weightKey } from './support/weights.ts';

const TITLE = 'INT8 with outlier features in floating point (LLM.int8)';
const WHAT = 'selected MatMul or Gemm with a constant float32 weight in the main graph';
/** Round and Gather with negative axes exist from 11 on. */
const NEEDED_OPSET = 11;
/** Features listed for the report, per layer. */
const LISTED_FEATURES = 64;

const params = z.object({
  threshold: z.number().min(0.1).max(10_000).default(6).meta({
    title: 'Outlier threshold',
    description:
      'Input features that reach this magnitude in the calibration inputs stay in floating point. 6 is the value of the paper, found on transformers of 125 million parameters and more.',
  }),
  maxShare: z.number().min(0).max(1).default(0.2).meta({
    title: 'Largest share of outliers',
    description: 'A layer of which a larger share of features are outliers stays in floating point as a whole.',
  }),
  samples: samplesParam(64),
  ...linearSelectionParams,
});

type Params = z.output<typeof params>;

function selectSites(scopes: readonly Scope[], settings: Params, shapes?: ShapeTable) {
  const found = selectLinearSites(scopes, settings, shapes);
  const skipped: SkippedSite[] = [...found.skipped];
  const sites = found.sites.filter((site) => {
    if (site === found.kept) return false;
    const reason = obstacleFor(site);
    if (reason !== undefined) skipped.push({ node: site.node, reason });
    return reason === undefined;
  });
  return { sites, skipped };
}

function obstacleFor({ weight, scope, transA, activation }: LinearSite): string | undefined {
  const { dtype } = weight.tensor;
  if (dtype !== 'float32') return `its weight is ${dtype}`;
  if (scope.outer) return 'it is in a subgraph, whose values are not collected';
  if (transA) return 'its activation is read transposed';
  return scope.editor.constantOf(activation) ? 'its activation is constant' : undefined;
}

async function quantizeSites(ctx: StepContext, sites: readonly LinearSite[], settings: Params): Promise<LinearSite[]> {
  const magnitudes = await featureMagnitudes(ctx, TITLE, sites, settings.samples);
  const stored = new Map<string, OutlierWeight>();
  const skipped: SkippedSite[] = [];
  const replaced: LinearSite[] = [];
  const facts: JsonObject[] = [];
  const opset = opsetOf(ctx.model);
  for (const [done, site] of sites.entries()) {
    ctx.onProgress({ stage: 'quantizing weights', done, total: sites.length, unit: 'tensors' });
    const outliers = outliersAbove(magnitudes.get(site.activation)!, settings.threshold);
    if (outliers.length > settings.maxShare * site.K) {
      const share = percent(outliers.length, site.K);
      skipped.push({ node: site.node, reason: `${share} of its input features are outliers` });
      continue;
    }
    // Layers that share a weight may have other outliers each.
    const key = `${weightKey(site.weight)}/${site.order}/${outliers.join()}`;
    const weight = stored.get(key) ?? (await storeOutlierWeight(ctx, site, outliers));
    stored.set(key, weight);
    const action = `quantized ${site.opType} to INT8 but for outlier features`;
    ctx.ledger.record(action, [nodeLabel(site.node)], replaceByOutlierSplit(site, weight, opset));
    replaced.push(site);
    facts.push({
      node: nodeLabel(site.node),
      features: site.K,
      outlierCount: outliers.length,
      outliers: outliers.slice(0, LISTED_FEATURES),
    });
  }
  adviseSkipped(ctx, skipped);
  ctx.leave({ layers: facts, threshold: settings.threshold });
  adviseOutliers(ctx, facts, settings.threshold);
  return replaced;
}

function adviseOutliers(ctx: StepContext, layers: readonly JsonObject[], threshold: number): void {
  if (layers.length === 0) return;
  const sum = (key: string) => layers.reduce((total, layer) => total + (layer[key] as number), 0);
  const withOutliers = layers.filter(({ outlierCount }) => outlierCount !== 0).length;
  const message =
    withOutliers === 0
      ? `No input feature reaches ${threshold} in the calibration inputs, so every layer is integer throughout. Dynamic INT8 is the faster way to the same.`
      : `${withOutliers} of ${layers.length} layers have outlier features: ${sum('outlierCount')} of ${sum('features')} features (${percent(sum('outlierCount'), sum('features'))}) stay in floating point.`;
  ctx.advise({ level: 'info', code: withOutliers === 0 ? 'quant/no-outliers' : 'quant/outliers', message });
}

function check(model: Model, settings: Params): Advisory[] {
  return [
    ...adviceBefore(model, settings),
    ...(selectSites(openScopes(model), settings).sites.length === 0 ? [nothingToDo(TITLE, WHAT)] : []),
  ];
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  const partial = { level: 'partial', reason: 'MatMulInteger runs on the CPU' } as const;
  return { ...runsEverywhere, webgpu: partial, webnn: partial };
}

export const step = defineStep({
  id: 'outlier-int8',
  title: TITLE,
  summary:
    'Multiplies in 8 bits with a scale for each row and column, but leaves input features with outliers in floating point: keeps transformers whose activations have them. Needs calibration inputs.',
  section: 'quantization',
  order: 319,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source:
    'Dettmers et al. 2022, LLM.int8(): vector-wise quantization with mixed-precision decomposition; outliers found by calibration instead of in each batch',
  runsOn,
  check,
  run: async (ctx, settings) => {
    if (selectSites(openScopes(ctx.model), settings, await ctx.shapes()).sites.length > 0)
      await needOpset(ctx, TITLE, NEEDED_OPSET, 'Round');
    const scopes = openScopes(ctx.model);
    const { sites, skipped } = selectSites(scopes, settings, await ctx.shapes());
    adviseSkipped(ctx, skipped);
    if (sites.length === 0) {
      ctx.advise(nothingToDo(TITLE, WHAT));
      return;
    }
    const replaced = await quantizeSites(ctx, sites, settings);
    dropReplaced(
      scopes,
      replaced.map(({ scope, weightValue }) => ({ scope, value: weightValue })),
    );
  },
});
