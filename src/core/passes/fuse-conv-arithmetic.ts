import { z } from 'zod';
import type { Node } from '../ir/types.ts';
import type { StepContext } from '../step/define.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { absorbFollowers } from './support/absorb.ts';
import { arithmeticWithConstant, perChannel } from './support/affine-nodes.ts';
import { absorbInputArithmetic } from './support/conv-input.ts';
import { factsIn } from './support/facts.ts';
import { linearLayer } from './support/linear-layer.ts';
import { containsOp, editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';

const params = z.object({
  before: z.boolean().default(true).meta({
    title: 'Also before the Conv',
    description:
      'Folds a scale (and, without padding, an offset) of the input into the weights of the Conv that reads it.',
  }),
});

async function fuseFollowers(ctx: StepContext, { editor, opset }: Scope, node: Node): Promise<void> {
  const layer = linearLayer(editor, node);
  if (!layer) return;
  const gone = await absorbFollowers(ctx, editor, layer, async (next, value) => {
    const arithmetic = arithmeticWithConstant(editor, next, opset);
    if (arithmetic?.value !== value || arithmetic.constant.dtype !== layer.weight.dtype) return undefined;
    const numbers = await perChannel(arithmetic.constant, layer.channels, layer.rank);
    return numbers && arithmetic.toAffine(numbers);
  });
  if (gone.length === 0) return;
  const ops = gone.map(({ opType }) => opType).join(' + ');
  ctx.ledger.record(`fused ${node.opType} + ${ops}`, [node, ...gone].map(labelOf), [labelOf(node)]);
}

const ops = ['Conv', 'ConvTranspose', 'Gemm'];

/** y = conv(x) * a + b keeps its form under the change W' = W * a, bias' = bias * a + b, per output channel. */
export const step = defineStep({
  id: 'fuse-conv-arithmetic',
  title: 'Fuse constant arithmetic into Conv',
  summary: 'Folds Mul, Add, Sub and Div by per-channel constants into the weights of the Conv next to them.',
  section: 'fusion',
  order: 250,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source: 'Linearity of convolution; ONNX Conv-11 and ConvTranspose-11 weight layouts',
  runsOn: () => runsEverywhere,
  run: async (ctx, { before }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(ctx, async (scope) => {
      const facts = factsIn(table, scope.graph, scope.kind);
      for (const node of scope.nodes) {
        if (!isOp(node, ...ops)) continue;
        await fuseFollowers(ctx, scope, node);
        if (before) await absorbInputArithmetic(ctx, scope, facts, node);
      }
    });
  },
});
