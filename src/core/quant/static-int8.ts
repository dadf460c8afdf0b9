import { StudioError } from '../base/errors/index.ts';
import type { GraphEditor } from '../ir/editor.ts';
import { raiseOpset } from '../passes/support/raise-opset.ts';
import { defineStep, type StepContext } from '../step/define.ts';
import { planQdq, type QdqPlan } from './support/qdq-plan.ts';
import { QdqRewriter, type QdqSettings } from './support/qdq-rewrite.ts';
import { adviseSkipped } from './support/report.ts';
import { closeScopes, importContribOps, openScopes, opsetOf } from './support/scopes.ts';
import {
  adviseSubgraphs,
  checkStatic,
  nothingStatic,
  reportFusion,
  STATIC_TITLE,
  staticChooser,
  staticRunsOn,
} from './support/static-advice.ts';
import { type StaticParams, staticParams } from './support/static-params.ts';
import { checkRanges, measureRanges, rangeFacts } from './support/static-ranges.ts';
import { dropIfUnused } from './support/weights.ts';

/** The first in which DequantizeLinear takes an axis. */
const NEEDED_OPSET = 13;
/** The first in which QuantizeLinear gives 16 bits. */
const OPSET_OF_16_BITS = 21;

async function needOpset(ctx: StepContext): Promise<void> {
  const obstacle = await raiseOpset(ctx, NEEDED_OPSET);
  if (obstacle === undefined) return;
  const reason = `DequantizeLinear with an axis needs opset ${NEEDED_OPSET}, and the model cannot be raised: ${obstacle}`;
  throw new StudioError('pass/refused', { step: STATIC_TITLE, reason });
}

async function makePlan(ctx: StepContext, editor: GraphEditor, settings: StaticParams): Promise<QdqPlan> {
  const shapes = await ctx.shapes();
  return planQdq({
    editor,
    nodes: ctx.model.graph.nodes,
    isFloat32: (value) => (editor.constantOf(value)?.dtype ?? shapes.get(value)?.dtype) === 'float32',
    isChosen: staticChooser(settings),
    computedProducts: settings.computedProducts,
    foldClipping: !settings.symmetricActivations,
  });
}

/** Below opset 21 onnxruntime's own QuantizeLinear gives 16 bits. */
async function qdqSettings(ctx: StepContext, settings: StaticParams): Promise<QdqSettings> {
  const { granularity, reduceRange, weightType, activationType: type, symmetricActivations: symmetric } = settings;
  let activationDomain: QdqSettings['activationDomain'] = '';
  if (type.endsWith('16') && opsetOf(ctx.model) < OPSET_OF_16_BITS) {
    const obstacle = await raiseOpset(ctx, OPSET_OF_16_BITS);
    if (obstacle !== undefined) {
      activationDomain = 'com.microsoft';
      ctx.advise({
        level: 'info',
        code: 'quant/contrib-16-bit',
        message: `16-bit QuantizeLinear is standard from opset ${OPSET_OF_16_BITS}, and the model has ${opsetOf(ctx.model)} (${obstacle}): onnxruntime's own operators of that name are used.`,
      });
    }
  }
  const activation = { type, symmetric, reduceRange: false };
  return { perChannel: granularity === 'channel', reduceRange, weightType, activation, activationDomain };
}

export const step = defineStep({
  id: 'static-int8',
  title: STATIC_TITLE,
  summary:
    'Weights and activations in 8 bits with scales fixed beforehand, so that convolutions and matrix products run in integers from end to end. Needs calibration inputs.',
  section: 'quantization',
  order: 315,
  exclusiveGroup: 'weights',
  params: staticParams,
  precision: 'lossy',
  needs: { execution: true, calibration: true },
  source:
    'onnxruntime 1.30 quantize_static, QDQ format; ONNX QuantizeLinear-13, DequantizeLinear-13; entropy: Migacz, GTC 2017',
  runsOn: staticRunsOn,
  check: (model, settings) => [...checkRanges(settings.ranges), ...checkStatic(model, settings)],
  run: async (ctx, settings) => {
    if (!ctx.model.graph.nodes.some(staticChooser(settings))) {
      ctx.advise(nothingStatic());
      return;
    }
    await needOpset(ctx);
    const qdq = await qdqSettings(ctx, settings);
    const scopes = openScopes(ctx.model);
    const { editor } = scopes[0]!;
    const plan = await makePlan(ctx, editor, settings);
    adviseSkipped(ctx, plan.skipped);
    adviseSubgraphs(ctx);
    if (plan.planned.size === 0) {
      ctx.advise(nothingStatic());
      return;
    }
    const ranges = await measureRanges(ctx, plan, settings, qdq);
    ctx.leave({ calibration: rangeFacts(ranges, settings.method) });
    reportFusion(ctx, editor, plan, settings.activationType);
    if (qdq.activationDomain !== '') importContribOps(ctx.model);
    const rewriter = new QdqRewriter(ctx, editor, plan, qdq, ranges.bounds);
    await rewriter.rewrite();
    closeScopes(scopes);
    for (const value of rewriter.replaced) dropIfUnused(scopes[0]!, value);
    closeScopes(scopes);
  },
});
