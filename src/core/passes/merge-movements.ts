import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { factsIn } from './support/facts.ts';
import type { Merge } from './support/merge.ts';
import { mergeMovement, movements } from './support/movements.ts';
import { inputSizes } from './support/reshape-target.ts';
import { containsOp, editEveryGraph, labelOf } from './support/scopes.ts';

export const step = defineStep({
  id: 'merge-movements',
  title: 'Merge data movements',
  summary:
    'Merges chains of Transpose, Reshape, Squeeze, Unsqueeze, Slice, Concat, Split, Pad, Expand, Tile and Cast, turns Slice + Squeeze and repeated heads into Gather, and transposes a constant before it is tiled.',
  section: 'cleanup',
  order: 155,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source:
    'ONNX operator specification: Transpose-1, Reshape-5, Slice-1, Squeeze-1, Gather-1, Concat-4, Split-2, Pad-11, Expand-8, Cast-6, Tile-6, ReduceMean-1',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, movements)) return;
    const table = await ctx.shapes();
    const sizes = inputSizes(ctx, table);
    await editEveryGraph(ctx, ({ editor, graph, nodes, opset, kind }) => {
      const facts = factsIn(table, graph, kind);
      for (const node of nodes) {
        const merge: Merge | undefined = editor.has(node)
          ? mergeMovement({ editor, node, opset, facts, sizes })
          : undefined;
        if (!merge) continue;
        const names = [...merge.absorbed, node].map(labelOf);
        merge.apply();
        ctx.ledger.record(merge.action, names, [labelOf(editor.producerOf(node.outputs[0]!) ?? node)]);
      }
    });
  },
});
