import { z } from 'zod';
import { calibrate } from '../calib/calibrate.ts';
import type { Model, Node } from '../ir/types.ts';
import type { ShapeTable } from '../shape/types.ts';
import {
  type Advisory,
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  type StepContext,
} from '../step/define.ts';
import { adviseCalibrated, calibrationOf, percentileParam, samplesParam } from './support/calibration.ts';
import { Float8Rewriter } from './support/float8-rewrite.ts';
import { needOpset } from './support/need-opset.ts';
import { nodeLabel, nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, nothingToDo } from './support/report.ts';
import { openScopes, type Scope } from './support/scopes.ts';
import { findWeightUses, type WeightUse } from './support/weight-uses.ts';
import { dropReplaced } from './support/weights.ts';

const TITLE = 'FP8, simulated';
/** The first in which QuantizeLinear and DequantizeLinear take 8-bit floats. */
const NEEDED_OPSET = 19;
/** IR version of ONNX 1.14, which brought the 8-bit floats. */
const NEEDED_IR = 9;

const params = z.object({
  format: z
    .enum(['float8e4m3fn', 'float8e5m2'])
    .default('float8e4m3fn')
    .meta({
      title: 'Format',
      description:
        'E4M3 has 3 bits of mantissa and ends at 448: the format for inference. E5M2 has 2 and ends at 57344: more range than scaled values need, less precision.',
      optionTitles: { float8e4m3fn: 'E4M3', float8e5m2: 'E5M2' },
    }),
  form: z
    .enum(['simulated', 'export'])
    .default('simulated')
    .meta({
      title: 'Form',
      description:
        'The same codes, scales and results. Simulated: written out as Cast and Mul, which runs here. For export: QuantizeLinear and DequantizeLinear, which runtimes with FP8 kernels (TensorRT) look for; onnxruntime loads that only at optimization level "basic" or "disabled".',
      optionTitles: { simulated: 'simulated, runs here', export: 'for export' },
    }),
  granularity: z
    .enum(['channel', 'tensor'])
    .default('channel')
    .meta({
      title: 'Granularity of the weights',
      description: 'One scale per output channel, or one for the whole weight. Activations have one each.',
      optionTitles: { channel: 'per channel', tensor: 'per tensor' },
    }),
  activations: z.boolean().default(true).meta({
    title: 'Activations too',
    description:
      'Rounds what products and convolutions read to FP8 as well; needs calibration inputs. Off: weights only.',
  }),
  method: z
    .enum(['min-max', 'moving-average', 'percentile'])
    .default('min-max')
    .meta({
      title: 'Calibration method',
      description:
        'Which magnitude becomes the largest FP8 number. Small values keep their precision in a floating-point format, so clipping gains little.',
      optionTitles: {
        'min-max': 'minimum and maximum',
        'moving-average': 'mean of minima and maxima',
        percentile: 'percentile',
      },
    }),
  percentile: percentileParam(),
  samples: samplesParam(200),
  ...nodePatternParams,
});

type Params = z.output<typeof params>;

const nothing = () => nothingToDo(TITLE, 'selected MatMul, Gemm or Conv with a constant float32 weight');

/** Products and convolutions with one constant operand. Activations are measured in the main graph only. */
function selectUses(scopes: readonly Scope[], settings: Params, shapes?: ShapeTable) {
  const selects = nodeSelector(settings);
  const skipped: { node: Node; reason: string }[] = [];
  const uses = findWeightUses(scopes).filter((use) => {
    const { family, node, scope, source } = use;
    if ((family !== 'linear' && family !== 'convolution') || !selects(node)) return false;
    const reason = whyNot(use, settings, shapes);
    if (reason === undefined) return true;
    if (source.tensor.dtype === 'float32' || !scope.outer) skipped.push({ node, reason });
    return false;
  });
  return { uses, skipped };
}

function whyNot(use: WeightUse, settings: Params, shapes: ShapeTable | undefined): string | undefined {
  const { scope, node, source } = use;
  if (source.tensor.dtype !== 'float32') return `its weight is ${source.tensor.dtype}`;
  const data = node.inputs[dataIndexOf(use)] ?? '';
  if (scope.editor.constantOf(data)) return 'all its inputs are constants';
  if (!settings.activations) return undefined;
  if (scope.outer) return 'activations are measured in the main graph only; with weights only it can be quantized';
  if (shapes && shapes.get(data)?.dtype !== 'float32') return 'its input is not known to be float32';
  return undefined;
}

/** The operand that is not the weight. */
const dataIndexOf = ({ inputIndex }: WeightUse) => (inputIndex === 0 ? 1 : 0);

function check(model: Model, settings: Params): Advisory[] {
  const advice = adviceBefore(model, settings);
  if (selectUses(openScopes(model), settings).uses.length === 0) advice.push(nothing());
  return advice;
}

async function measure(ctx: StepContext, uses: readonly WeightUse[], settings: Params): Promise<Map<string, number>> {
  const { source, executor } = calibrationOf(ctx, TITLE);
  const { model } = ctx;
  const tensors = [...new Set(uses.map((use) => use.node.inputs[dataIndexOf(use)]!))];
  const { bounds, samples } = await calibrate({
    model,
    executor,
    source,
    tensors,
    job: ctx,
    maxSamples: settings.samples,
    settings: { method: settings.method, percentile: settings.percentile, grid: { symmetric: true, steps: 255 } },
  });
  adviseCalibrated(ctx, source.origin, samples);
  return new Map([...bounds].map(([value, { min, max }]) => [value, Math.max(Math.abs(min), Math.abs(max))]));
}

function adviseSimulated(ctx: StepContext, { form }: Params): void {
  ctx.advise({
    level: 'info',
    code: 'quant/simulated',
    message:
      'FP8 is simulated here: values are rounded to FP8 and computed with in float32, as no runtime here has FP8 arithmetic. Accuracy is what FP8 gives; times and memory are not.',
  });
  if (form === 'export')
    ctx.advise({
      level: 'warning',
      code: 'quant/export-form',
      message:
        'onnxruntime 1.30 mistakes FP8 for 8-bit integers when it optimizes this form, and does not load it: set the graph optimization level to "basic", or choose the simulated form, to measure it here.',
    });
}

function runsOn({ form }: Params): Record<ExecutionProvider, ProviderSupport> {
  const simulated = {
    level: 'partial',
    reason:
      form === 'export'
        ? 'FP8 is simulated in float32, and the export form loads only at optimization level "basic" or "disabled"'
        : 'FP8 is simulated in float32: a small file, nothing faster',
  } as const;
  const missing = {
    level: 'none',
    reason: 'the WebGPU build of onnxruntime-web 1.30 has no FP8 kernels, so the model does not load',
  } as const;
  return { wasm: simulated, webgpu: missing, webnn: missing, cpu: simulated };
}

async function raise(ctx: StepContext): Promise<void> {
  await needOpset(ctx, TITLE, NEEDED_OPSET, 'FP8');
  ctx.model.irVersion = Math.max(ctx.model.irVersion, NEEDED_IR);
}

export const step = defineStep({
  id: 'fp8-qdq',
  title: TITLE,
  summary:
    'Weights and the inputs of products and convolutions in 8-bit floating point. Its accuracy is simulated here: a quarter of the bytes, nothing faster. Exports as QuantizeLinear and DequantizeLinear for runtimes with FP8 kernels.',
  section: 'quantization',
  order: 319,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: ({ activations }) => (activations ? { execution: true, calibration: true } : {}),
  source: 'Micikevicius et al. 2022 (arXiv 2209.05433); ONNX QuantizeLinear-19, DequantizeLinear-19, Cast-19',
  runsOn,
  check,
  run: async (ctx, settings) => {
    if (selectUses(openScopes(ctx.model), settings).uses.length === 0) {
      ctx.advise(nothing());
      return;
    }
    await raise(ctx);
    const scopes = openScopes(ctx.model);
    const { uses, skipped } = selectUses(scopes, settings, await ctx.shapes());
    adviseSkipped(ctx, skipped);
    const largest = settings.activations ? await measure(ctx, uses, settings) : undefined;
    const rewriter = new Float8Rewriter(ctx, settings);
    const replaced = uses.map(({ scope, node, inputIndex }) => ({ scope, value: node.inputs[inputIndex]! }));
    for (const [done, use] of uses.entries()) {
      const { scope, node } = use;
      ctx.onProgress({ stage: 'quantizing weights', done, total: uses.length, unit: 'nodes' });
      await rewriter.rewriteWeight(use);
      const dataIndex = dataIndexOf(use);
      if (largest) rewriter.rewriteActivation(scope, node, dataIndex, largest.get(node.inputs[dataIndex]!)!);
      ctx.ledger.record(`quantized ${node.opType} to FP8`, [nodeLabel(node)], [nodeLabel(node)]);
    }
    dropReplaced(scopes, replaced);
    adviseSimulated(ctx, settings);
  },
});
