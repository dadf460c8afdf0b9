import { z } from 'zod';
import { StudioError } from '../base/errors/index.ts';
import { calibrate } from '../calib/calibrate.ts';
import { calibrationMethodIds } from '../calib/types.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Model, Node } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { raiseOpset } from '../passes/support/raise-opset.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import { codeRange } from './support/affine.ts';
import { nodePatternParams, nodeSelector } from './support/patterns.ts';
import { quantizableOps } from './support/qdq-ops.ts';
import { planQdq, type QdqPlan } from './support/qdq-plan.ts';
import { QdqRewriter } from './support/qdq-rewrite.ts';
import { alreadyQuantizedAdvice } from './support/quantized-ops.ts';
import { adviseSkipped, nothingToDo, someOf, unmatchedPatternAdvice } from './support/report.ts';
import { closeScopes, openScopes } from './support/scopes.ts';
import { dropIfUnused } from './support/weights.ts';

const TITLE = 'INT8, activations quantized by calibration';

/** The first in which DequantizeLinear takes an axis. */
const NEEDED_OPSET = 13;
/** Fewer say little about what other inputs will do. */
const FEW_SAMPLES = 16;

const params = z.object({
  granularity: z
    .enum(['channel', 'tensor'])
    .default('channel')
    .meta({
      title: 'Granularity of the weights',
      description:
        'One scale per output channel, or one for the whole weight, which destroys models whose channels differ much in size.',
      optionTitles: { channel: 'per channel', tensor: 'per tensor' },
    }),
  activationType: z.enum(['uint8', 'int8']).default('uint8').meta({
    title: 'Activation type',
    description:
      'uint8 has kernels everywhere. int8 is what ARM and some accelerators prefer; on x86 onnxruntime leaves Add, Mul and Concat in floating point with it.',
  }),
  symmetricActivations: z.boolean().default(false).meta({
    title: 'Symmetric activations',
    description:
      'Zero point in the middle: simpler for some accelerators, and half the codes are lost after Relu, which then stays a node of its own.',
  }),
  reduceRange: z.boolean().default(false).meta({
    title: 'Reduced range (7 bits)',
    description: 'Weights in 7 bits, so that 8-bit multiply-add cannot saturate on CPUs without VNNI. Less accurate.',
  }),
  method: z
    .enum(calibrationMethodIds)
    .default('mse')
    .meta({
      title: 'Calibration method',
      description:
        'How the range of each activation follows from the calibration inputs. Minimum and maximum clip nothing; the last three clip outliers in favour of the rest, entropy so hard that transformers may suffer.',
      optionTitles: {
        'min-max': 'minimum and maximum',
        'moving-average': 'mean of minima and maxima',
        percentile: 'percentile',
        entropy: 'entropy (KL divergence)',
        mse: 'least squared error',
      },
    }),
  percentile: z.number().min(90).max(100).default(99.999).meta({
    title: 'Percentile',
    description: 'For "percentile": how many percent of the values stay within the range.',
    unit: '%',
  }),
  samples: z.number().int().min(1).max(10_000).default(200).meta({
    title: 'Calibration samples',
    description: 'At most so many inputs are run, the first ones.',
    unit: 'samples',
  }),
  opTypes: z
    .array(z.string().min(1).max(80))
    .max(100)
    .default([...quantizableOps])
    .meta({
      title: 'Operator types',
      description:
        'Conv, MatMul and Gemm are quantized wherever they stand, the others only between quantized ones. Relu and Clip are folded into them.',
    }),
  computedProducts: z.boolean().default(false).meta({
    title: 'Products of activations',
    description: 'Quantize MatMul nodes without a constant weight too (attention scores). Often costs much accuracy.',
  }),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

const coreOps = ['Conv', 'MatMul', 'Gemm'];
const nothing = () => nothingToDo(TITLE, 'selected Conv, MatMul or Gemm with a constant float32 weight');

function check(model: Model, settings: Params): Advisory[] {
  const advice = [
    ...alreadyQuantizedAdvice(model),
    ...unmatchedPatternAdvice(model, [...settings.include, ...settings.exclude]),
  ];
  const unknown = settings.opTypes.filter((op) => !quantizableOps.includes(op));
  if (unknown.length > 0)
    advice.push({
      level: 'warning',
      code: 'quant/operator-not-quantizable',
      message: `${someOf(unknown)}: there is no integer kernel for this, so it stays in float32. Possible: ${quantizableOps.join(', ')}.`,
    });
  const isChosen = chooser(settings);
  if (!model.graph.nodes.some((node) => coreOps.includes(node.opType) && isChosen(node))) advice.push(nothing());
  if (settings.granularity === 'tensor' && model.graph.nodes.some(({ opType }) => opType === 'Conv'))
    advice.push({
      level: 'warning',
      code: 'quant/per-tensor-conv',
      message:
        'One scale for a whole convolution weight often ruins accuracy, depthwise convolutions above all. Per channel costs nothing.',
    });
  if (model.graph.nodes.some(({ opType }) => opType === 'Conv'))
    advice.push({
      level: 'info',
      code: 'quant/conv-not-faster',
      message:
        'onnxruntime-web has no fast integer convolution: on WASM expect a smaller file and more time than fp32, where native runtimes gain.',
      providers: ['wasm'],
    });
  return advice;
}

function chooser(settings: Params): (node: Node) => boolean {
  const selects = nodeSelector(settings);
  const types = new Set(settings.opTypes);
  return (node) => isDefaultDomain(node.domain) && types.has(node.opType) && selects(node);
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  return {
    wasm: { level: 'full' },
    webgpu: {
      level: 'partial',
      reason:
        'WebGPU has no integer kernels: it computes in floating point, and QuantizeLinear runs on the CPU with copies in between',
    },
    webnn: { level: 'partial', reason: 'which quantized operators run depends on the device' },
    cpu: { level: 'full' },
  };
}

async function needOpset(ctx: StepContext): Promise<void> {
  const obstacle = await raiseOpset(ctx, NEEDED_OPSET);
  if (obstacle === undefined) return;
  const reason = `DequantizeLinear with an axis needs opset ${NEEDED_OPSET}, and the model cannot be raised: ${obstacle}`;
  throw new StudioError('pass/refused', { step: TITLE, reason });
}

async function makePlan(ctx: StepContext, editor: GraphEditor, settings: Params): Promise<QdqPlan> {
  const shapes = await ctx.shapes();
  return planQdq({
    editor,
    nodes: ctx.model.graph.nodes,
    isFloat32: (value) => (editor.constantOf(value)?.dtype ?? shapes.get(value)?.dtype) === 'float32',
    isChosen: chooser(settings),
    computedProducts: settings.computedProducts,
    foldClipping: !settings.symmetricActivations,
  });
}

async function measure(ctx: StepContext, plan: QdqPlan, settings: Params, scheme: ReturnType<typeof activationScheme>) {
  const { executor, calibration: source, model } = ctx;
  if (!source) throw new StudioError('calib/no-data', { step: TITLE });
  if (!executor) throw new StudioError('pass/refused', { step: TITLE, reason: 'this host cannot run models' });
  const { min, max } = codeRange(scheme);
  const calibration = await calibrate({
    model,
    executor,
    source,
    tensors: [...plan.values.keys()].filter((value) => !plan.sameAs.has(value)),
    job: ctx,
    maxSamples: settings.samples,
    settings: {
      method: settings.method,
      percentile: settings.percentile,
      grid: { symmetric: scheme.symmetric, steps: max - min },
    },
  });
  adviseSource(ctx, source.origin, calibration.samples);
  return calibration.bounds;
}

function adviseSource(
  ctx: StepContext,
  origin: NonNullable<StepContext['calibration']>['origin'],
  samples: number,
): void {
  const says = {
    'calibration-split': "the task's calibration inputs",
    'task-inputs': 'the very inputs that the task judges by, so its figures flatter',
    generated:
      'random inputs, which may be far from real ones: choose a task with real data before you trust the result',
  }[origin];
  ctx.advise({
    level: origin === 'generated' ? 'warning' : 'info',
    code: 'quant/calibrated',
    message: `Activations were calibrated with ${samples} samples: ${says}.`,
  });
  if (samples < FEW_SAMPLES)
    ctx.advise({
      level: 'warning',
      code: 'quant/few-samples',
      message: `${samples} calibration samples are few: values beyond what they show are clipped. ${FEW_SAMPLES} to 200 are usual.`,
    });
}

/** Where integers begin and end, a node of its own converts: many of them cost what the integers gain. */
function adviseBoundaries(ctx: StepContext, editor: GraphEditor, plan: QdqPlan): void {
  let into = 0;
  let back = 0;
  for (const [value, maker] of plan.values) {
    if (!maker) into += 1;
    else if (editor.isGraphOutput(value) || editor.consumersOf(value).some((reader) => !plan.planned.has(reader)))
      back += 1;
  }
  const counts = `${plan.planned.size} of ${ctx.model.graph.nodes.length} nodes compute in integers; ${into} values are quantized and ${back} dequantized on the way in and out of them`;
  const isPatchy = into + back > plan.planned.size / 2;
  ctx.advise({
    level: isPatchy ? 'warning' : 'info',
    code: 'quant/boundaries',
    message: isPatchy
      ? `${counts}: so many conversions may cost more than the integers gain. Measure before you ship it.`
      : `${counts}.`,
  });
}

const activationScheme = ({ activationType, symmetricActivations }: Params) =>
  ({ type: activationType, symmetric: symmetricActivations, reduceRange: false }) as const;

export const step = defineStep({
  id: 'static-int8',
  title: TITLE,
  summary:
    'Weights and activations in 8 bits with scales fixed beforehand, so that convolutions and matrix products run in integers from end to end. Needs calibration inputs.',
  section: 'quantization',
  order: 315,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source:
    'onnxruntime 1.30 quantize_static, QDQ format; ONNX QuantizeLinear-13, DequantizeLinear-13; entropy: Migacz, GTC 2017',
  runsOn,
  check,
  run: async (ctx, settings) => {
    if (!ctx.model.graph.nodes.some(chooser(settings))) {
      ctx.advise(nothing());
      return;
    }
    await needOpset(ctx);
    const scopes = openScopes(ctx.model);
    const { editor } = scopes[0]!;
    const plan = await makePlan(ctx, editor, settings);
    adviseSkipped(ctx, plan.skipped);
    if (plan.planned.size === 0) {
      ctx.advise(nothing());
      return;
    }
    const scheme = activationScheme(settings);
    const bounds = await measure(ctx, plan, settings, scheme);
    adviseBoundaries(ctx, editor, plan);
    const { granularity, reduceRange } = settings;
    const qdq = { perChannel: granularity === 'channel', reduceRange, activation: scheme };
    const rewriter = new QdqRewriter(ctx, editor, plan, qdq, bounds);
    await rewriter.rewrite();
    closeScopes(scopes);
    for (const value of rewriter.replaced) dropIfUnused(scopes[0]!, value);
    closeScopes(scopes);
  },
});
