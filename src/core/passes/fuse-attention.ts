import { z } from 'zod';
import { attrFloat, attrInt } from '../ir/attributes.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type Projected, projectionBias } from './support/attention-bias.ts';
import { type AttentionCache, cacheOf } from './support/attention-cache.ts';
import { coversScores, MaskMaker, type MaskPlan, planMask } from './support/attention-mask.ts';
import { Maker, type Scaled } from './support/attention-operands.ts';
import { type AttentionMatch, attentionOps, matchAttention } from './support/attention-pattern.ts';
import { replaceAttention } from './support/attention-replace.ts';
import { contribSupport, operatorsParam } from './support/contrib.ts';
import { factsIn } from './support/facts.ts';
import { containsOp, editEveryGraph, labelOf } from './support/scopes.ts';

const params = z.object({
  operators: operatorsParam(
    'any: MultiHeadAttention of onnxruntime. standard: nothing is fused, since the standard operator has a kernel on the CPU only.',
  ),
});

function fuse(ctx: StepContext, maker: Maker, masks: MaskMaker, match: AttentionMatch, plan: MaskPlan) {
  const { query, value } = match;
  const cache = coversScores(maker, match, plan) ? cacheOf(maker.editor, maker.facts, match) : undefined;
  const [q, k, v] = operandsOf(maker, match, cache);
  const projected: Projected = k.isFlat
    ? projectionBias(
        maker,
        match.dtype,
        [q.value, k.value, v.value],
        [query.heads * query.size, value.heads * value.size],
      )
    : { inputs: [q.value, k.value, v.value], bias: '' };
  const bias = masks.bias(maker, match, plan, projected.inputs[0]!, {
    value: projected.inputs[1]!,
    axis: k.isFlat ? 1 : 2,
  });
  const pasts = cache ? [cache.key.past, cache.value.past] : [];
  const { guard } = plan;
  replaceAttention(ctx, maker, match, {
    opType: 'MultiHeadAttention',
    inputs: [...projected.inputs, projected.bias, '', bias ?? '', ...pasts],
    attributes: { num_heads: attrInt(query.heads), scale: attrFloat(match.factor * q.factor * k.factor) },
    joins: cache ? [cache.key.concat, cache.value.concat] : [],
    factor: guard && (() => masks.rowsWithKeys(maker, match.dtype, guard)),
  });
}

interface Input extends Scaled {
  /** [batch, length, heads * size] instead of [batch, heads, length, size] */
  readonly isFlat: boolean;
}

/** Query, key and value as the operator takes them: keys and values of a cache that stays outside of it are by head. */
function operandsOf(maker: Maker, { query, key, value }: AttentionMatch, cache: AttentionCache | undefined) {
  const flat = (scaled: Scaled): Input => ({ ...scaled, isFlat: true });
  const thirds = maker.thirds([query, key, value]);
  if (thirds) return thirds.map(flat) as [Input, Input, Input];
  const q = flat(maker.flat(query, true));
  if (cache) {
    const [added, values] = [cache.key.added, cache.value.added].map((operand) => flat(maker.flat(operand, false)));
    return [q, { ...added!, factor: cache.key.factor }, values!] as const;
  }
  const isFlat = [key, value].every(({ bySequence, merged }) => (bySequence?.value ?? merged) !== undefined);
  if (isFlat) return [q, flat(maker.flat(key, true)), flat(maker.flat(value, false))] as const;
  return [q, { ...maker.byHead(key), isFlat }, { ...maker.byHead(value), isFlat }] as const;
}

/** The projections stay MatMul nodes, so that quantizers find their weights. */
export const step = defineStep({
  id: 'fuse-attention',
  title: 'Fuse attention',
  summary:
    'Replaces scaled dot-product attention written out (heads split off, two products, scale, mask, softmax, heads merged), or the standard operator, which WebGPU has no kernel for, by that of onnxruntime, which also joins the keys and values of earlier calls itself.',
  section: 'fusion',
  order: 234,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Vaswani et al. 2017 (arXiv 1706.03762), equation 1; com.microsoft.MultiHeadAttention-1 of onnxruntime 1.30; ONNX Attention-23 and -24',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('MultiHeadAttention') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, attentionOps)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        const facts = factsIn(table, scope.graph, scope.kind);
        const masks = new MaskMaker();
        for (const node of scope.nodes) {
          const match = scope.editor.has(node) ? matchAttention(scope.editor, node, facts) : undefined;
          if (!match || match.causal || match.key.heads !== match.query.heads) continue;
          const maker = new Maker(scope.editor, facts, scope.opset, labelOf(node));
          const plan = planMask(maker, match);
          if (plan) fuse(ctx, maker, masks, match, plan);
        }
      },
      { ops: attentionOps },
    );
  },
});
