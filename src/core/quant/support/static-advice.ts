/** What static quantization says about a model before it runs, and about what it made. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Model, Node } from '../../ir/types.ts';
import { forEachNode, isDefaultDomain } from '../../ir/walk.ts';
import type { Advisory, ExecutionProvider, ProviderSupport, StepContext } from '../../step/define.ts';
import { nodeLabel, nodeSelector } from './patterns.ts';
import { forecastFusion } from './qdq-fusion.ts';
import { qdqOps, quantizableOps } from './qdq-ops.ts';
import type { QdqPlan } from './qdq-plan.ts';
import { adviceBefore, nothingToDo, someOf } from './report.ts';
import { opsetOf } from './scopes.ts';
import type { StaticParams } from './static-params.ts';

export const STATIC_TITLE = 'Static INT8';

const isCore = ({ opType }: Node) => qdqOps[opType]?.role === 'core';
export const nothingStatic = () =>
  nothingToDo(STATIC_TITLE, 'selected Conv, MatMul or Gemm with a constant float32 weight');

/** By the user's lists of types and names. */
export function staticChooser(settings: StaticParams): (node: Node) => boolean {
  const selects = nodeSelector(settings);
  const types = new Set(settings.opTypes);
  return (node) => isDefaultDomain(node.domain) && types.has(node.opType) && selects(node);
}

/** Parameters that cannot go together. */
export function staticRefusal({ form, activationType }: StaticParams): Advisory | undefined {
  if (form !== 'qoperator' || !activationType.endsWith('16')) return undefined;
  return {
    level: 'error',
    code: 'quant/no-16-bit-operators',
    message: 'The QOperator form has no operators on 16-bit codes: choose the QDQ form or 8-bit activations.',
  };
}

export function checkStatic(model: Model, settings: StaticParams): Advisory[] {
  const advice = adviceBefore(model, settings);
  const { nodes } = model.graph;
  const has = (opType: string) => nodes.some((node) => node.opType === opType);
  const unknown = settings.opTypes.filter((op) => !quantizableOps.includes(op));
  if (unknown.length > 0)
    advice.push({
      level: 'warning',
      code: 'quant/operator-not-quantizable',
      message: `${someOf(unknown)}: there is no integer kernel for this, so it stays in float32. Possible: ${quantizableOps.join(', ')}.`,
    });
  const isChosen = staticChooser(settings);
  if (!nodes.some((node) => isCore(node) && isChosen(node))) advice.push(nothingStatic());
  if (settings.granularity === 'tensor' && has('Conv'))
    advice.push({
      level: 'warning',
      code: 'quant/per-tensor-conv',
      message:
        'One scale for a whole convolution weight often ruins accuracy, depthwise convolutions above all. Per channel costs nothing.',
    });
  if (settings.weightType === 'int8' && settings.activationType === 'uint8' && !settings.reduceRange)
    advice.push({
      level: 'warning',
      code: 'quant/saturation',
      message:
        'On x86 CPUs without VNNI native onnxruntime adds products of uint8 and int8 in 16 bits, which saturate: the result may be far off. uint8 weights or a reduced range avoid it. WASM and ARM are not concerned.',
      providers: ['cpu'],
    });
  // QDQS8ToU8Transformer makes the zero points uint8 and leaves the output_dtype that QDQPropagation wrote.
  if (settings.activationType === 'int8' && opsetOf(model) >= 21)
    advice.push({
      level: 'warning',
      code: 'quant/int8-in-opset-21',
      message:
        'From opset 21 on, onnxruntime 1.30 may refuse int8 activations when it optimizes the model on WASM and on x86 CPUs without VNNI ("output_dtype INT8 does not match y_zero_point type UINT8"). uint8 activations have no such trouble; neither does optimization level "basic".',
      providers: ['wasm', 'cpu'],
    });
  const refusal = staticRefusal(settings);
  if (refusal) advice.push(refusal);
  const is16Bit = settings.activationType.endsWith('16');
  if (is16Bit)
    advice.push({
      level: 'warning',
      code: 'quant/no-16-bit-kernels',
      message:
        'onnxruntime has no kernels for 16-bit activations: it converts and computes in floating point, so the file shrinks and the time grows. They are for accelerators that have them.',
    });
  else if (has('Conv'))
    advice.push({
      level: 'info',
      code: 'quant/conv-not-faster',
      message:
        'onnxruntime-web has no fast integer convolution: on WASM expect a smaller file and more time than fp32, where native runtimes gain.',
      providers: ['wasm'],
    });
  return advice;
}

export function staticRunsOn({ activationType, form }: StaticParams): Record<ExecutionProvider, ProviderSupport> {
  const reason = activationType.endsWith('16')
    ? 'WebGPU computes in floating point, and all 16-bit conversions run on the CPU with copies in between'
    : 'WebGPU has no integer kernels: it computes in floating point, and QuantizeLinear runs on the CPU with copies in between';
  if (form === 'qoperator') {
    const onCpu = 'it has none of these integer operators: all of them run on the CPU with copies in between';
    return {
      wasm: { level: 'full' },
      webgpu: { level: 'partial', reason: onCpu },
      webnn: { level: 'partial', reason: onCpu },
      cpu: { level: 'full' },
    };
  }
  return {
    wasm: { level: 'full' },
    webgpu: { level: 'partial', reason },
    webnn: { level: 'partial', reason: 'which quantized operators run depends on the device' },
    cpu: { level: 'full' },
  };
}

/** Values inside subgraphs cannot be observed from outside, so there is nothing to calibrate them by. */
export function adviseSubgraphs(ctx: StepContext): void {
  let inside = 0;
  forEachNode(ctx.model, (node, { graph }) => {
    if (graph !== ctx.model.graph && isCore(node) && isDefaultDomain(node.domain)) inside += 1;
  });
  if (inside === 0) return;
  ctx.advise({
    level: 'info',
    code: 'quant/subgraphs-left',
    message: `${inside} nodes inside If, Loop, Scan or functions stay in floating point: their values cannot be calibrated from outside. Dynamic INT8 and INT8 weights quantize there too.`,
  });
}

/**
 * Where integers begin and end, a node of its own converts: many of them cost what the integers gain. Leaves the
 * forecast in the step's record.
 */
export function reportFusion(
  ctx: StepContext,
  editor: GraphEditor,
  plan: QdqPlan,
  { activationType, form }: StaticParams,
): void {
  // Operators on int8 codes need no help of an optimizer.
  const type = form === 'qoperator' && activationType === 'int8' ? 'uint8' : activationType;
  const forecast = forecastFusion(plan, editor, type);
  const { quantize, dequantize, pairs } = forecast;
  const unfused = [...forecast.unfused].map(([node, reason]) => ({ node: nodeLabel(node), op: node.opType, reason }));
  const integer = plan.planned.size - unfused.length;
  ctx.leave({
    fusion: {
      planned: plan.planned.size,
      integer,
      quantizeLinearLeft: quantize,
      valuesDequantized: dequantize,
      pairsUnfused: pairs,
      unfused: unfused.slice(0, 100),
    },
  });
  const counts = `${integer} of ${ctx.model.graph.nodes.length} nodes compute in integers; ${quantize} values are quantized and ${dequantize} dequantized on the way in and out of them`;
  const isPatchy = quantize + dequantize > integer / 2;
  ctx.advise({
    level: isPatchy ? 'warning' : 'info',
    code: 'quant/boundaries',
    message: isPatchy
      ? `${counts}: so many conversions may cost more than the integers gain. Measure before you ship it.`
      : `${counts}.`,
  });
  if (unfused.length === 0) return;
  const byReason = new Map<string, string[]>();
  for (const { node, op, reason } of unfused)
    byReason.set(reason, [...(byReason.get(reason) ?? []), `${node} (${op})`]);
  for (const [reason, labels] of byReason)
    ctx.advise({
      level: 'warning',
      code: 'quant/unfused',
      message: `${labels.length} quantized nodes compute in floating point between their conversions (${pairs} pairs stay whole): ${someOf(labels)}: ${reason}.`,
    });
}
