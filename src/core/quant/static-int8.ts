import { StudioError } from '../base/errors/index.ts';
import { raiseOpset } from '../passes/support/raise-opset.ts';
import { defineStep, type StepContext } from '../step/define.ts';
import { needOpset } from './support/need-opset.ts';
import { nodeLabel } from './support/patterns.ts';
import type { QdqPlan } from './support/qdq-plan.ts';
import type { QdqSettings } from './support/qdq-rewrite.ts';
import { toQOperators } from './support/qoperator.ts';
import { adviseSkipped, someOf } from './support/report.ts';
import { closeScopes, importContribOps, openScopes, opsetOf } from './support/scopes.ts';
import {
  adviseSubgraphs,
  checkStatic,
  nothingStatic,
  reportFusion,
  STATIC_TITLE,
  staticChooser,
  staticRefusal,
  staticRunsOn,
} from './support/static-advice.ts';
import { planStatic, rewriteStatic } from './support/static-build.ts';
import { type StaticParams, staticParams } from './support/static-params.ts';
import { checkRanges, measureRanges, rangeFacts } from './support/static-ranges.ts';
import { chooseLeft } from './support/static-sensitivity.ts';

/** The first in which DequantizeLinear takes an axis. */
const NEEDED_OPSET = 13;
/** The first in which QuantizeLinear gives 16 bits. */
const OPSET_OF_16_BITS = 21;

/** Below opset 21 onnxruntime's own QuantizeLinear gives 16 bits. */
async function qdqSettings(ctx: StepContext, settings: StaticParams): Promise<QdqSettings> {
  const { granularity, reduceRange, activationType: type, symmetricActivations: symmetric } = settings;
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
  // The operators on codes have no kernel for int8 times uint8; in the QDQ form the optimizer makes both unsigned.
  const weightType = settings.form === 'qoperator' && type === 'int8' ? 'int8' : settings.weightType;
  return { perChannel: granularity === 'channel', reduceRange, weightType, activation, activationDomain };
}

function convertForm(ctx: StepContext, plan: QdqPlan): void {
  const scopes = openScopes(ctx.model);
  const { editor } = scopes[0]!;
  const { converted, kept } = toQOperators(editor, plan.planned.keys(), opsetOf(ctx.model));
  closeScopes(scopes);
  importContribOps(ctx.model);
  const labels = kept.map((node) => `${nodeLabel(node)} (${node.opType})`);
  ctx.ledger.record(`made ${converted.length} nodes operators on codes`, converted.map(nodeLabel));
  if (kept.length > 0)
    ctx.advise({
      level: 'info',
      code: 'quant/no-operator-on-codes',
      message: `${kept.length} nodes keep the QDQ form: there is no operator on codes for ${someOf(labels)}.`,
    });
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
    const refusal = staticRefusal(settings);
    if (refusal) throw new StudioError('pass/refused', { step: STATIC_TITLE, reason: refusal.message });
    if (!ctx.model.graph.nodes.some(staticChooser(settings))) {
      ctx.advise(nothingStatic());
      return;
    }
    await needOpset(ctx, STATIC_TITLE, NEEDED_OPSET, 'DequantizeLinear with an axis');
    const qdq = await qdqSettings(ctx, settings);
    const scopes = openScopes(ctx.model);
    const { editor } = scopes[0]!;
    const question = { nodes: [...ctx.model.graph.nodes], editor, shapes: await ctx.shapes(), settings };
    const whole = planStatic(question);
    adviseSkipped(ctx, whole.skipped);
    adviseSubgraphs(ctx);
    if (whole.planned.size === 0) {
      ctx.advise(nothingStatic());
      return;
    }
    const ranges = await measureRanges(ctx, whole, settings, qdq);
    ctx.leave({ calibration: rangeFacts(ranges, settings.method) });
    let plan = whole;
    if (settings.sensitivity === 'auto') {
      const left = await chooseLeft({ ctx, settings, qdq, shapes: question.shapes, bounds: ranges.bounds });
      plan = planStatic({ ...question, left });
      if (plan.planned.size === 0) return;
    }
    reportFusion(ctx, editor, plan, settings);
    await rewriteStatic(ctx, scopes, plan, qdq, ranges.bounds);
    if (settings.form === 'qoperator') convertForm(ctx, plan);
  },
});
