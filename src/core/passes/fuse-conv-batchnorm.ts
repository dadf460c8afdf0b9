import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { absorbFollowers } from './support/absorb.ts';
import { batchNormAffine, isInferenceBatchNorm } from './support/affine-nodes.ts';
import { linearLayer } from './support/linear-layer.ts';
import { editEveryGraph, labelOf } from './support/scopes.ts';

const ops = ['BatchNormalization'];

/** W' = W * scale / sqrt(var + eps), b' = (b - mean) * scale / sqrt(var + eps) + B, per output channel. */
export const step = defineStep({
  id: 'fuse-conv-batchnorm',
  title: 'Fuse BatchNormalization into weights',
  summary: 'Folds inference BatchNormalization into the Conv, ConvTranspose or Gemm before it.',
  section: 'fusion',
  order: 240,
  params: z.object({}),
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Ioffe and Szegedy 2015 (arXiv 1502.03167), section 3.1: inference as a linear transform; ONNX BatchNormalization-15',
  runsOn: () => runsEverywhere,
  run: (ctx) =>
    editEveryGraph(
      ctx,
      async ({ editor, nodes, opset }) => {
        for (const node of nodes) {
          if (!isInferenceBatchNorm(editor, node, opset) || !editor.has(node)) continue;
          const layer = linearLayer(editor, editor.producerOf(node.inputs[0]!));
          if (!layer) continue;
          const gone = await absorbFollowers(ctx, editor, layer, async (next, value) =>
            isInferenceBatchNorm(editor, next, opset) && next.inputs[0] === value
              ? batchNormAffine(editor, next, layer.channels)
              : undefined,
          );
          if (gone.length === 0) continue;
          const from = [layer.node, ...gone].map(labelOf);
          ctx.ledger.record(`fused ${layer.node.opType} + BatchNormalization`, from, [labelOf(layer.node)]);
        }
      },
      { ops },
    ),
});
