import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { factsIn } from './support/facts.ts';
import { type Merge, mergeMovement } from './support/movements.ts';
import { containsOp, editEveryGraph, labelOf } from './support/scopes.ts';

const ops = ['Transpose', 'Reshape', 'Squeeze'];

export const step = defineStep({
  id: 'merge-movements',
  title: 'Merge data movements',
  summary: 'Merges Transpose after Transpose and Reshape after Reshape, and turns Slice + Squeeze into Gather.',
  section: 'cleanup',
  order: 155,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Transpose-1, Reshape-5, Slice-1, Squeeze-1, Gather-1',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(ctx, ({ editor, graph, nodes, opset, kind }) => {
      const facts = factsIn(table, graph, kind);
      for (const node of nodes) {
        const merge: Merge | undefined = editor.has(node) ? mergeMovement({ editor, node, opset, facts }) : undefined;
        if (!merge) continue;
        const names = [...merge.absorbed, node].map(labelOf);
        merge.apply();
        ctx.ledger.record(merge.action, names, [labelOf(editor.producerOf(node.outputs[0]!) ?? node)]);
      }
    });
  },
});
