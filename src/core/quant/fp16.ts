import { z } from 'zod';
import type { Model, Tensor } from '../ir/types.ts';
import { forEachNode, forEachWeight } from '../ir/walk.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import { samplesParam } from './support/calibration.ts';
import { reasonsByLimits } from './support/half-limits.ts';
import { type HalfPlan, planHalf } from './support/half-plan.ts';
import { HalfRewriter } from './support/half-rewrite.ts';
import { defaultOpBlockList } from './support/half-rules.ts';
import { HalfWeights } from './support/half-weights.ts';
import { surveyWeights } from './support/halves.ts';
import { nodeLabel, nodePatternParams } from './support/patterns.ts';
import { nothingToDo, someOf, unmatchedPatternAdvice } from './support/report.ts';
import { closeScopes, openScopes, opsetOf, type Scope } from './support/scopes.ts';

const TITLE = 'FP16';

const params = z.object({
  keepIoTypes: z.boolean().default(true).meta({
    title: 'Keep input and output types',
    description:
      'Inputs and outputs stay float32, with a Cast at each, so that programs which use the model need no change.',
  }),
  protectLargeWeights: z.boolean().default(true).meta({
    title: 'Protect large weights',
    description:
      'Nodes with a weight beyond 65504, which float16 cannot hold, stay in float32. Off: such weights are clamped, as onnxruntime does.',
  }),
  opBlockList: z
    .array(z.string().min(1).max(80))
    .max(200)
    .default([...defaultOpBlockList])
    .meta({
      title: 'Operators to keep in float32',
      description: "Operator types that are not converted. The default is onnxruntime's list.",
    }),
  nodeBlockList: z.array(z.string().min(1).max(200)).max(200).default([]).meta({
    title: 'Nodes to keep in float32',
    description: 'Name patterns with * and ?, for nodes whose values pass 65504 or need more than 11 bits.',
  }),
  include: nodePatternParams.include,
  exclusions: z
    .enum(['none', 'calibrated'])
    .default('none')
    .meta({
      title: 'Exclusions by calibration',
      description:
        'Runs calibration inputs and keeps nodes with large values in float32, where float16 would overflow. Needs a task or inputs.',
      optionTitles: { none: 'none', calibrated: 'nodes with large values' },
    }),
  largestValue: z.number().min(1).max(65504).default(512).meta({
    title: 'Largest value',
    description:
      'With exclusions by calibration: nodes that read or make values beyond this stay in float32. At 512, 128 such values sum to 65536, which float16 cannot hold, and its steps are 0.5.',
  }),
  maxReductionDepth: z.number().int().min(0).max(1_000_000).default(0).meta({
    title: 'Longest sum',
    description:
      'Products, convolutions and reductions over more terms stay in float32; 0 sets no limit. For runtimes that add in float16.',
    unit: 'terms',
  }),
  samples: samplesParam(64, 'With exclusions by calibration'),
});

type Params = z.output<typeof params>;

function hasFloat32Weights(model: Model): boolean {
  let found = false;
  forEachWeight(model, (tensor) => {
    found ||= tensor.dtype === 'float32';
  });
  return found;
}

/** Initializers and Constant nodes, in the form in which the editors give them, with the names of their values. */
function float32Constants(scopes: readonly Scope[]): Map<Tensor, string> {
  const tensors = new Map<Tensor, string>();
  for (const { editor, graph } of scopes) {
    const values = [
      ...graph.initializers.keys(),
      ...editor.nodes().flatMap(({ opType, outputs }) => (opType === 'Constant' ? outputs : [])),
    ];
    for (const value of values) {
      const tensor = editor.constantOf(value);
      if (tensor?.dtype === 'float32') tensors.set(tensor, value);
    }
  }
  return tensors;
}

function check(model: Model, settings: Params): Advisory[] {
  const advice = unmatchedPatternAdvice(model, [...settings.nodeBlockList, ...settings.include]);
  if (!hasFloat32Weights(model)) advice.push(nothingToDo(TITLE, 'float32 weights'));
  const opTypes = new Set<string>();
  forEachNode(model, (node) => void opTypes.add(node.opType));
  const custom = settings.opBlockList.filter((op) => !defaultOpBlockList.includes(op) && !opTypes.has(op));
  if (custom.length > 0)
    advice.push({
      level: 'warning',
      code: 'quant/operator-not-in-model',
      message: `The model has no operator ${someOf(custom)}; keeping it in float32 changes nothing.`,
    });
  if (model.functions.length > 0)
    advice.push({
      level: 'warning',
      code: 'quant/functions-kept',
      message: `${model.functions.length} model-local functions stay in float32, with a Cast at each call.`,
    });
  return advice;
}

function adviseOutcome(ctx: StepContext, plan: HalfPlan, weights: HalfWeights): void {
  const byReason = new Map<string, string[]>();
  for (const { node, reason } of plan.kept) byReason.set(reason, [...(byReason.get(reason) ?? []), nodeLabel(node)]);
  for (const [reason, labels] of byReason)
    ctx.advise({
      level: 'info',
      code: 'quant/kept-float32',
      message: `Kept in float32: ${someOf(labels)}, because ${reason}.`,
    });
  const large = weights.clamped.filter(({ counts }) => counts.large > 0);
  const sum = (pick: 'large' | 'small') => weights.clamped.reduce((total, { counts }) => total + counts[pick], 0);
  if (large.length > 0)
    ctx.advise({
      level: 'warning',
      code: 'quant/clamped',
      message: `${sum('large')} weights beyond 65504 were clamped, in ${someOf(large.map(({ name }) => name))}. Keep the nodes that read them in float32 if accuracy suffers.`,
    });
  if (sum('small') > 0)
    ctx.advise({
      level: 'info',
      code: 'quant/clamped-small',
      message: `${sum('small')} weights closer to zero than 5.96e-8 became that smallest number.`,
    });
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  const upcast = 'the CPU kernels compute in float32, with Casts that the runtime inserts: half the file, not faster';
  return {
    wasm: { level: 'partial', reason: upcast },
    webgpu: {
      level: 'partial',
      reason: 'the device must have the shader-f16 feature; without it the model loads and fails when it runs',
    },
    webnn: { level: 'full' },
    cpu: { level: 'partial', reason: upcast },
  };
}

export const step = defineStep({
  id: 'fp16',
  title: TITLE,
  summary:
    'Weights and activations in 16-bit floating point: half the bytes at nearly no loss, and the fast type of most GPUs.',
  section: 'quantization',
  order: 390,
  exclusiveGroup: 'half-precision',
  params,
  precision: 'lossy',
  needs: ({ exclusions }) => (exclusions === 'calibrated' ? { execution: true, calibration: true } : {}),
  source:
    'onnxruntime 1.30, transformers/float16.py (clamping, block list); IEEE 754-2019 binary16; exclusions: NVIDIA Model Optimizer, onnx/autocast',
  runsOn,
  check,
  run: async (ctx, settings) => {
    const scopes = openScopes(ctx.model);
    const constants = float32Constants(scopes);
    const { tooLarge: large, notNumbers } = await surveyWeights(ctx, constants.keys());
    const tooLarge = settings.protectLargeWeights ? large : new Set<Tensor>();
    for (const tensor of notNumbers)
      ctx.advise({
        level: 'warning',
        code: 'quant/nan-weight',
        message: `Weight "${constants.get(tensor)}" has NaN elements, here as in the original; what reads them is NaN too.`,
      });
    const unfit = await reasonsByLimits(ctx, scopes, TITLE, settings);
    const plan = planHalf(scopes, await ctx.shapes(), opsetOf(ctx.model), { ...settings, tooLarge, unfit });
    const weights = new HalfWeights(ctx, plan);
    await weights.convert();
    const rewriter = new HalfRewriter(ctx, plan, weights);
    rewriter.rewrite();
    closeScopes(scopes);
    if (rewriter.converted === 0) ctx.advise(nothingToDo(TITLE, 'node to convert'));
    adviseOutcome(ctx, plan, weights);
  },
});
