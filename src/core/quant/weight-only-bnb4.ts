import { z } from 'zod';
import type { JsonObject } from '../base/json.ts';
import type { Model } from '../ir/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import { bnb4BlockSizes, quantizeToCodebook } from './support/bnb4-matrix.ts';
import { Bnb4Store, replaceWithMatMulBnb4, type StoredBnb4 } from './support/bnb4-nodes.ts';
import { linearSelectionParams, selectLinearSites } from './support/linear-selection.ts';
import type { LinearSite, SkippedSite } from './support/linear-sites.ts';
import { needOpset } from './support/need-opset.ts';
import { nodeLabel } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, nothingToDo } from './support/report.ts';
import { importContribOps, openScopes, type Scope } from './support/scopes.ts';
import { dropReplaced, weightKey } from './support/weights.ts';

const TITLE = 'Weight-only blocks, NF4 or FP4';
const WHAT = 'selected MatMul or Gemm with a constant float32 weight';
/** Slice, by which the quantized scales are cut to length, takes inputs from 10 on. */
const DOUBLE_QUANTIZATION_OPSET = 11;

const params = z.object({
  codebook: z
    .enum(['nf4', 'fp4'])
    .default('nf4')
    .meta({
      title: 'Codebook',
      description:
        'The 16 values that a weight can take, times the largest of its block. NF4 has them where a normal distribution has its weights and is the better one for trained layers; FP4 is a 4-bit float.',
      optionTitles: { nf4: 'NF4 (normal float)', fp4: 'FP4 (float)' },
    }),
  blockSize: z.literal(bnb4BlockSizes).default(64).meta({
    title: 'Block size',
    description: 'Weights that share one scale. 64, bitsandbytes’ choice, costs 4.5 bits per weight, 16 costs 6.',
  }),
  doubleQuantization: z.boolean().default(false).meta({
    title: 'Double quantization',
    description:
      'Stores the scales in 8 bits too (4.13 instead of 4.5 bits per weight at block 64). The operator takes float32 scales, so a few nodes expand them when the model loads: the file is smaller, memory while it runs is not.',
  }),
  ...linearSelectionParams,
});

type Params = z.output<typeof params>;

function selectSites(
  scopes: readonly Scope[],
  settings: Params,
  shapes?: Awaited<ReturnType<StepContext['shapes']>>,
): { sites: LinearSite[]; skipped: SkippedSite[] } {
  const found = selectLinearSites(scopes, settings, shapes);
  const skipped = [...found.skipped];
  const sites = found.sites.filter((site) => {
    if (site === found.kept) return false;
    const { dtype } = site.weight.tensor;
    if (dtype === 'float32') return true;
    skipped.push({ node: site.node, reason: `its weight is ${dtype}, and MatMulBnb4 runs everywhere in float32 only` });
    return false;
  });
  return { sites, skipped };
}

async function quantizeSites(ctx: StepContext, sites: readonly LinearSite[], settings: Params): Promise<void> {
  const { codebook, blockSize, doubleQuantization } = settings;
  const store = new Bnb4Store(doubleQuantization);
  const stored = new Map<string, StoredBnb4>();
  const facts: JsonObject[] = [];
  for (const [done, site] of sites.entries()) {
    ctx.onProgress({ stage: 'quantizing weights', done, total: sites.length, unit: 'tensors' });
    const key = `${weightKey(site.weight)}/${site.order}`;
    let weight = stored.get(key);
    if (!weight) {
      const { tensor, valueName, scope } = site.weight;
      const { K, N, order } = site;
      weight = store.add(
        scope,
        await quantizeToCodebook(ctx, { tensor, name: valueName, K, N, order, codebook, blockSize }),
      );
      stored.set(key, weight);
      facts.push({ weight: valueName, bitsPerWeight: Number(((8 * weight.byteLength) / (K * N)).toFixed(3)) });
    }
    const action = `quantized ${site.opType} weights to ${codebook.toUpperCase()}`;
    ctx.ledger.record(action, [nodeLabel(site.node)], replaceWithMatMulBnb4(site, weight));
  }
  ctx.leave({ weights: facts });
}

function check(model: Model, settings: Params): Advisory[] {
  const { sites } = selectSites(openScopes(model), settings);
  return [...adviceBefore(model, settings), ...(sites.length === 0 ? [nothingToDo(TITLE, WHAT)] : [])];
}

/** Numbers checked on onnxruntime 1.30's native CPU, WASM and WebGPU kernels. */
function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  return {
    wasm: { level: 'full' },
    webgpu: { level: 'full' },
    webnn: { level: 'partial', reason: 'MatMulBnb4 was not tested on WebNN; nodes it lacks run on the CPU' },
    cpu: { level: 'full' },
  };
}

export const step = defineStep({
  id: 'weight-only-bnb4',
  title: TITLE,
  summary:
    'Stores the weights of MatMul and Gemm as 4-bit entries of a codebook with a scale per block, as bitsandbytes does; needs no data. On WASM its kernel is slower than float32, but faster than the one for integer blocks.',
  section: 'quantization',
  order: 318,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: {},
  source:
    'Dettmers et al. 2023, QLoRA (NF4, double quantization); onnxruntime 1.30, com.microsoft.MatMulBnb4 (layout, FP4 table)',
  runsOn,
  check,
  run: async (ctx, settings) => {
    if (settings.doubleQuantization) {
      const { sites } = selectSites(openScopes(ctx.model), settings, await ctx.shapes());
      if (sites.length > 0) await needOpset(ctx, TITLE, DOUBLE_QUANTIZATION_OPSET, 'double quantization');
    }
    const scopes = openScopes(ctx.model);
    const { sites, skipped } = selectSites(scopes, settings, await ctx.shapes());
    adviseSkipped(ctx, skipped);
    if (sites.length === 0) {
      ctx.advise(nothingToDo(TITLE, WHAT));
      return;
    }
    await quantizeSites(ctx, sites, settings);
    importContribOps(ctx.model);
    dropReplaced(
      scopes,
      sites.map(({ scope, weightValue }) => ({ scope, value: weightValue })),
    );
    ctx.advise({
      level: 'warning',
      code: 'quant/slow-on-wasm',
      message:
        'MatMulBnb4 unpacks the weights in every run on WASM: expect a small file and a slower run than the original (measured for one product of 2048 x 2048: 2 to 5 times float32, where MatMulNBits takes 4 to 20 times).',
      providers: ['wasm'],
    });
  },
});
