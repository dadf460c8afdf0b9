import { z } from 'zod';
import type { Model, Node } from '../ir/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import {
  type BfloatCounts,
  findReadWeights,
  type ReadWeight,
  readExpanded,
  toBfloat16,
} from './support/bfloat-weights.ts';
import { needOpset } from './support/need-opset.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, nothingToDo, someOf } from './support/report.ts';
import { closeScopes, openScopes, type Scope } from './support/scopes.ts';

const TITLE = 'BF16 weights';
/** The first in which Cast takes bfloat16. */
const NEEDED_OPSET = 13;

const params = z.object({
  minElements: z.number().int().min(1).max(1_000_000).default(1024).meta({
    title: 'Smallest weight',
    description: 'Weights with fewer elements stay float32.',
    unit: 'elements',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

interface Selection {
  readonly chosen: readonly ReadWeight[];
  /** Read by nodes that were chosen and by others. */
  readonly mixed: readonly ReadWeight[];
}

/** A weight is stored once, so it is converted where all that read it were chosen. */
function selectWeights(scopes: readonly Scope[], settings: Params): Selection {
  const selects = nodeSelector(settings);
  const isChosen = ({ node }: { node: Node }) => selects(node);
  const weights = findReadWeights(scopes, settings.minElements).filter(({ readers }) => readers.some(isChosen));
  return {
    chosen: weights.filter(({ readers }) => readers.every(isChosen)),
    mixed: weights.filter(({ readers }) => !readers.every(isChosen)),
  };
}

const nothing = ({ minElements }: Params) =>
  nothingToDo(TITLE, `selected float32 weight of at least ${minElements} elements`);

function check(model: Model, settings: Params): Advisory[] {
  const advice = adviceBefore(model, settings);
  if (selectWeights(openScopes(model), settings).chosen.length === 0) advice.push(nothing(settings));
  return advice;
}

function adviseMixed(ctx: StepContext, mixed: readonly ReadWeight[]): void {
  for (const { value, readers } of mixed)
    ctx.advise({
      level: 'info',
      code: 'quant/weight-also-kept',
      message: `Weight "${value}" is read by nodes that were left out too (${someOf(readers.map(({ node }) => nodeLabel(node)))}), so it stays float32.`,
    });
}

function adviseOutcome(
  ctx: StepContext,
  counted: readonly { readonly name: string; readonly counts: BfloatCounts }[],
): void {
  const clamped = counted.filter(({ counts }) => counts.clamped > 0);
  if (clamped.length > 0)
    ctx.advise({
      level: 'warning',
      code: 'quant/clamped',
      message: `Weights beyond 3.39e38, the largest finite bfloat16, were clamped, in ${someOf(clamped.map(({ name }) => name))}.`,
    });
  for (const { name, counts } of counted)
    if (counts.nan > 0)
      ctx.advise({
        level: 'warning',
        code: 'quant/nan-weight',
        message: `Weight "${name}" has ${counts.nan} NaN elements, here as in the original; what reads them is NaN too.`,
      });
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  const missing = {
    level: 'none',
    reason: 'the WebGPU build of onnxruntime-web 1.30 has no Cast from bfloat16, so the model does not load; FP16 does',
  } as const;
  return { wasm: { level: 'full' }, webgpu: missing, webnn: missing, cpu: { level: 'full' } };
}

export const step = defineStep({
  id: 'bf16',
  title: TITLE,
  summary:
    'Stores weights in bfloat16, half the bytes with the range of float32, and computes in float32: onnxruntime has no bfloat16 arithmetic on CPU, WASM or WebGPU, so this makes the file smaller and nothing faster.',
  section: 'quantization',
  order: 385,
  exclusiveGroup: 'half-precision',
  params,
  precision: 'lossy',
  needs: {},
  source: 'Kalamkar et al. 2019 (arXiv 1905.12322); ONNX Cast-13; rounding: IEEE 754-2019, 4.3.1',
  runsOn,
  check,
  run: async (ctx, settings) => {
    const asked = selectWeights(openScopes(ctx.model), settings);
    adviseMixed(ctx, asked.mixed);
    if (asked.chosen.length === 0) {
      ctx.advise(nothing(settings));
      return;
    }
    await needOpset(ctx, TITLE, NEEDED_OPSET, 'Cast from bfloat16');
    const scopes = openScopes(ctx.model);
    const { chosen } = selectWeights(scopes, settings);
    const counted: { name: string; counts: BfloatCounts }[] = [];
    for (const [done, weight] of chosen.entries()) {
      ctx.onProgress({ stage: 'converting weights', done, total: chosen.length, unit: 'tensors' });
      const { tensor, counts } = await toBfloat16(ctx, weight.tensor, weight.value);
      counted.push({ name: weight.value, counts });
      ctx.ledger.record('stored a weight in bfloat16', [weight.value], readExpanded(weight, tensor, scopes));
    }
    closeScopes(scopes);
    adviseOutcome(ctx, counted);
  },
});
