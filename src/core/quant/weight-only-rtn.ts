import { z } from 'zod';
import type { Model } from '../ir/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import { findLinearSites, type LinearSite, type SkippedSite } from './support/linear-sites.ts';
import { nbitsBlockSizes, replaceWithMatMulNBits, type StoredNBits, storeNBits } from './support/matmul-nbits.ts';
import { quantizeMatrix } from './support/nbits-matrix.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { alreadyQuantizedAdvice } from './support/quantized-ops.ts';
import { adviseSkipped, floatWeightBytes, nothingToDo, percent, unmatchedPatternAdvice } from './support/report.ts';
import { closeScopes, importContribOps, openScopes, type Scope } from './support/scopes.ts';
import { dropIfUnused, type WeightSource, weightBytes, weightKey } from './support/weights.ts';

const TITLE = 'Weight-only blocks, round to nearest';

const params = z.object({
  bits: z.literal([2, 4, 8]).default(4).meta({
    title: 'Bits per weight',
    description: '4 is the usual choice; 8 is nearly free of loss; 2 destroys most models without further methods.',
  }),
  blockSize: z.literal(nbitsBlockSizes).default(32).meta({
    title: 'Block size',
    description:
      'Weights that share one scale. Smaller is more accurate and larger in bytes: 4 bits cost 5.0 bits per weight at 32, 4.25 at 128.',
  }),
  symmetric: z.boolean().default(false).meta({
    title: 'Symmetric',
    description: 'No zero points: slightly smaller, slightly less accurate.',
  }),
  accuracyLevel: z
    .literal([0, 1, 4])
    .default(0)
    .meta({
      title: 'Computation',
      description:
        'What the kernel may compute in. WASM always computes in float32. With int8, WebGPU and native CPUs quantize the activations too: faster there, relative error about 3e-3.',
      optionTitles: { '0': "the runtime's choice", '1': 'float32', '4': 'int8 activations' },
    }),
  matmul: z
    .boolean()
    .default(true)
    .meta({ title: 'MatMul', description: 'Quantize MatMul nodes with a constant weight.' }),
  gemm: z.boolean().default(true).meta({ title: 'Gemm', description: 'Quantize Gemm nodes (fully connected layers).' }),
  keepLastLayer: z.boolean().default(false).meta({
    title: 'Keep the last layer',
    description: 'Leaves the last MatMul or Gemm as it is: the output layer is often the most sensitive.',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

interface Selection {
  readonly sites: readonly LinearSite[];
  readonly skipped: readonly SkippedSite[];
}

async function selectSites(ctx: StepContext, scopes: readonly Scope[], settings: Params): Promise<Selection> {
  const selects = nodeSelector(settings);
  const found = findLinearSites(scopes, await ctx.shapes());
  const ofType = found.sites.filter(({ opType }) => (opType === 'MatMul' ? settings.matmul : settings.gemm));
  const last = settings.keepLastLayer ? ofType.filter(({ scope }) => !scope.outer).at(-1) : undefined;
  const skipped = [...found.skipped];
  const sites = ofType.filter((site) => {
    if (site === last) return false;
    // MatMulNBits has no float64 or bfloat16 scales.
    if (site.weight.tensor.dtype === 'float32' || site.weight.tensor.dtype === 'float16') return selects(site.node);
    skipped.push({ node: site.node, reason: `its weight is ${site.weight.tensor.dtype}` });
    return false;
  });
  return { sites, skipped };
}

async function quantizeSites(ctx: StepContext, sites: readonly LinearSite[], settings: Params): Promise<void> {
  const stored = new Map<string, StoredNBits>();
  let done = 0;
  for (const site of sites) {
    ctx.onProgress({ stage: 'quantizing weights', done, total: sites.length, unit: 'tensors' });
    const key = `${weightKey(site.weight)}/${site.order}`;
    let weights = stored.get(key);
    if (!weights) {
      weights = storeNBits(site.weight.scope, await quantizeWeight(ctx, site, settings));
      stored.set(key, weights);
    }
    const action = `quantized ${site.opType} weights to ${settings.bits} bits`;
    ctx.ledger.record(action, [nodeLabel(site.node)], replaceWithMatMulNBits(site, weights, settings.accuracyLevel));
    done += 1;
  }
  ctx.onProgress({ stage: 'quantizing weights', done, total: sites.length, unit: 'tensors' });
}

function quantizeWeight(ctx: StepContext, site: LinearSite, { bits, blockSize, symmetric }: Params) {
  const { tensor, valueName } = site.weight;
  const scaleType = tensor.dtype as 'float32' | 'float16';
  return quantizeMatrix(ctx, { ...site, tensor, name: valueName, bits, blockSize, symmetric, scaleType });
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
        message: `Weight "${source.valueName}" (${weightBytes(source)} bytes) is also read by nodes that were not quantized, so its original stays in the file.`,
      });
  }
}

function check(model: Model, settings: Params): Advisory[] {
  const advice = [
    ...alreadyQuantizedAdvice(model),
    ...unmatchedPatternAdvice(model, [...settings.include, ...settings.exclude]),
  ];
  const scopes = openScopes(model);
  const { sites } = findLinearSites(scopes);
  const selects = nodeSelector(settings);
  const chosen = sites.filter(
    (site) => (site.opType === 'MatMul' ? settings.matmul : settings.gemm) && selects(site.node),
  );
  if (chosen.length === 0) advice.push(nothingToDo(TITLE, 'selected MatMul or Gemm with a constant weight'));
  const distinct = [...new Map(chosen.map(({ weight }) => [weight.tensor, weight])).values()];
  const bytes = distinct.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const all = floatWeightBytes(model);
  if (chosen.length > 0 && bytes < 0.5 * all)
    advice.push({
      level: 'info',
      code: 'quant/small-share',
      message: `MatMul and Gemm hold ${percent(bytes, all)} of the weights; the rest (convolutions, embeddings, recurrent layers) stays as it is. "INT8 weights" covers those.`,
    });
  if (distinct.some(({ tensor }) => tensor.dtype === 'float16'))
    advice.push({
      level: 'warning',
      code: 'quant/needs-shader-f16',
      message:
        'Weights are float16, so the scales are too: WebGPU runs this only on devices with the shader-f16 feature.',
      providers: ['webgpu'],
    });
  if (settings.bits === 2)
    advice.push({
      level: 'warning',
      code: 'quant/two-bits',
      message: 'Round to nearest at 2 bits leaves four values per block; expect large losses.',
    });
  return advice;
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  return {
    wasm: { level: 'full' },
    webgpu: { level: 'full' },
    webnn: { level: 'partial', reason: 'MatMulNBits was not tested on WebNN; nodes it lacks run on the CPU' },
    cpu: { level: 'full' },
  };
}

export const step = defineStep({
  id: 'weight-only-rtn',
  title: TITLE,
  summary:
    'Stores the weights of MatMul and Gemm in 2, 4 or 8 bits with a scale per block; needs no data. Smallest files, and the form that WebGPU runs best; on WASM it is small but slower than float32.',
  section: 'quantization',
  order: 310,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: {},
  source: 'onnxruntime 1.30, DefaultWeightOnlyQuantConfig (MLAS blockwise quantizer) and com.microsoft.MatMulNBits',
  runsOn,
  check,
  run: async (ctx, settings) => {
    const scopes = openScopes(ctx.model);
    const { sites, skipped } = await selectSites(ctx, scopes, settings);
    adviseSkipped(ctx, skipped);
    if (sites.length === 0) {
      ctx.advise(nothingToDo(TITLE, 'selected MatMul or Gemm with a constant weight'));
      return;
    }
    await quantizeSites(ctx, sites, settings);
    importContribOps(ctx.model);
    closeScopes(scopes);
    for (const { scope, weightValue } of sites) dropIfUnused(scope, weightValue);
    closeScopes(scopes);
    adviseKept(ctx, new Map(sites.map(({ weight }) => [weightKey(weight), weight])).values());
    ctx.advise({
      level: 'warning',
      code: 'quant/slow-on-wasm',
      message:
        'MatMulNBits computes in float32 on WASM and unpacks the weights in every run: expect a small file and a slower run than the original.',
      providers: ['wasm'],
    });
  },
});
