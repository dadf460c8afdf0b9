import { z } from 'zod';
import type { Model } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { type Advisory, defineStep, type ExecutionProvider, type ProviderSupport } from '../step/define.ts';
import { DynamicQuantizer } from './support/dynamic-ops.ts';
import { needOpset } from './support/need-opset.ts';
import { nodePatternParams, nodeSelector } from './support/patterns.ts';
import { adviceBefore, adviseSkipped, nothingToDo, percent } from './support/report.ts';
import { nodesOf, openScopes, opsetOf } from './support/scopes.ts';
import { findWeightUses, type WeightUse } from './support/weight-uses.ts';
import { dropReplaced, weightBytes } from './support/weights.ts';

const TITLE = 'Dynamic INT8';

/** The first with DynamicQuantizeLinear. */
const NEEDED_OPSET = 11;

const params = z.object({
  granularity: z
    .enum(['channel', 'tensor'])
    .default('channel')
    .meta({
      title: 'Granularity',
      description:
        'One scale per output channel, or one for the whole weight. Per tensor destroys models whose channels differ much in size (PP-OCRv4 recognition among them) and is not faster.',
      optionTitles: { channel: 'per channel', tensor: 'per tensor' },
    }),
  weightType: z.enum(['auto', 'int8', 'uint8']).default('auto').meta({
    title: 'Weight type',
    description:
      'Automatic: uint8, which computes the same everywhere. int8 saturates on x86 CPUs without VNNI and is not faster. LSTM has int8 only; automatic then takes 7 bits of it.',
  }),
  symmetric: z.boolean().default(true).meta({
    title: 'Symmetric weights',
    description:
      'Zero point in the middle. Convolutions per channel and LSTM are symmetric in any case: their kernels take nothing else.',
  }),
  reduceRange: z.boolean().default(false).meta({
    title: 'Reduced range (7 bits)',
    description: 'Weights in 7 bits, so that 8-bit multiply-add cannot saturate on CPUs without VNNI. Less accurate.',
  }),
  matmul: z
    .boolean()
    .default(true)
    .meta({ title: 'MatMul', description: 'Quantize MatMul nodes with a constant weight.' }),
  gemm: z.boolean().default(true).meta({ title: 'Gemm', description: 'Quantize Gemm nodes (fully connected layers).' }),
  conv: z.boolean().default(true).meta({
    title: 'Conv',
    description: 'Quantize convolutions. Saves bytes; seldom time, since the integer kernel is not the fast one.',
  }),
  lstm: z
    .boolean()
    .default(true)
    .meta({ title: 'LSTM', description: "Quantize LSTM nodes (onnxruntime's own operator)." }),
  ...nodePatternParams,
});

export type DynamicInt8Params = z.output<typeof params>;

/** Whether the settings name this operator type at all. */
function isChosenType(opType: string, settings: DynamicInt8Params): boolean {
  const chosen: Readonly<Record<string, boolean>> = {
    MatMul: settings.matmul,
    Gemm: settings.gemm,
    Conv: settings.conv,
    LSTM: settings.lstm,
  };
  return chosen[opType] ?? false;
}

function selectUses(model: Model, settings: DynamicInt8Params): WeightUse[] {
  const selects = nodeSelector(settings);
  return findWeightUses(openScopes(model)).filter(({ node }) => isChosenType(node.opType, settings) && selects(node));
}

function check(model: Model, settings: DynamicInt8Params): Advisory[] {
  const advice = adviceBefore(model, settings);
  const uses = selectUses(model, settings);
  if (uses.length === 0) advice.push(nothingToDo(TITLE, 'selected MatMul, Gemm, Conv or LSTM with a constant weight'));
  const opset = opsetOf(model);
  if (uses.length > 0 && opset < NEEDED_OPSET)
    advice.push({
      level: 'info',
      code: 'quant/opset-raised',
      message: `The model has opset ${opset}; DynamicQuantizeLinear needs ${NEEDED_OPSET}, so it is raised first.`,
    });
  const bytesOf = (chosen: readonly WeightUse[]) => {
    const distinct = new Map(chosen.map(({ source }) => [source.tensor, source]));
    return [...distinct.values()].reduce((sum, source) => sum + weightBytes(source), 0);
  };
  const total = bytesOf(uses);
  const inConvolutions = bytesOf(uses.filter(({ family }) => family === 'convolution'));
  if (inConvolutions > 0.5 * total)
    advice.push({
      level: 'info',
      code: 'quant/conv-not-faster',
      message: `Convolutions hold ${percent(inConvolutions, total)} of these weights. ConvInteger has no fast kernel, so expect a smaller file and no gain in speed, perhaps a loss.`,
    });
  advice.push(
    ...granularityAdvice(
      uses.map(({ node }) => node.opType),
      settings,
    ),
  );
  return advice;
}

function granularityAdvice(opTypes: readonly string[], settings: DynamicInt8Params): Advisory[] {
  const advice: Advisory[] = [];
  if (!settings.symmetric && settings.granularity === 'channel' && opTypes.includes('Conv'))
    advice.push({
      level: 'info',
      code: 'quant/conv-symmetric',
      message: 'Convolutions are quantized symmetrically: ConvInteger takes a single zero point for all channels.',
    });
  if (opTypes.includes('LSTM') && (!settings.symmetric || settings.weightType === 'uint8'))
    advice.push({
      level: 'info',
      code: 'quant/lstm-symmetric',
      message:
        'LSTM weights are quantized to symmetric int8: DynamicQuantizeLSTM takes no other zero point per channel.',
    });
  if (settings.granularity === 'tensor' && opTypes.includes('Conv'))
    advice.push({
      level: 'warning',
      code: 'quant/per-tensor-conv',
      message:
        'One scale for a whole convolution weight often ruins accuracy, depthwise convolutions above all. Per channel costs nothing.',
    });
  return advice;
}

function runsOn(): Record<ExecutionProvider, ProviderSupport> {
  const fallback =
    'WebGPU has no kernels for DynamicQuantizeLinear, MatMulInteger, ConvInteger and DynamicQuantizeLSTM; these nodes run on the CPU, with copies in between';
  return {
    wasm: { level: 'full' },
    webgpu: { level: 'partial', reason: fallback },
    webnn: { level: 'partial', reason: 'the LSTM form runs on the CPU; the integer products depend on the device' },
    cpu: { level: 'full' },
  };
}

export const step = defineStep({
  id: 'dynamic-int8',
  title: TITLE,
  summary:
    'Weights in 8 bits; activations are measured and quantized in every run, so no calibration data is needed. Four times smaller; faster where MatMul dominates.',
  section: 'quantization',
  order: 320,
  exclusiveGroup: 'weights',
  params,
  precision: 'lossy',
  needs: {},
  source: 'onnxruntime 1.30 quantize_dynamic; ONNX DynamicQuantizeLinear-11, MatMulInteger-10, ConvInteger-10',
  runsOn,
  check,
  run: async (ctx, settings) => {
    if (selectUses(ctx.model, settings).some(({ source }) => source.tensor.dtype === 'float32'))
      await needOpset(ctx, TITLE, NEEDED_OPSET, 'DynamicQuantizeLinear');
    const scopes = openScopes(ctx.model);
    const shapes = await ctx.shapes();
    const selects = nodeSelector(settings);
    const nodes = [...nodesOf(scopes)].filter(
      ({ node }) => isDefaultDomain(node.domain) && isChosenType(node.opType, settings) && selects(node),
    );
    const quantizer = new DynamicQuantizer(ctx, scopes, shapes, settings);
    let done = 0;
    for (const { node, scope } of nodes) {
      ctx.onProgress({ stage: 'quantizing weights', done, total: nodes.length, unit: 'nodes' });
      await quantizer.quantize(scope, node);
      done += 1;
    }
    adviseSkipped(ctx, quantizer.skipped);
    if (quantizer.replacedWeights.length === 0) {
      ctx.advise(nothingToDo(TITLE, 'selected MatMul, Gemm, Conv or LSTM with a constant weight'));
      return;
    }
    dropReplaced(scopes, quantizer.replacedWeights);
  },
});
