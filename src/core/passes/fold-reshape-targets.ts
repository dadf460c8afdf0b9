import { z } from 'zod';
import { tensorFromInts } from '../ir/tensor.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { factsIn } from './support/facts.ts';
import { constantTarget, inputSizes } from './support/reshape-target.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Reshape'];

export const step = defineStep({
  id: 'fold-reshape-targets',
  title: 'Write reshape targets down',
  summary:
    'Replaces computed Reshape targets (Shape, Slice, Concat chains) by constants where inference proves the shape.',
  section: 'cleanup',
  order: 130,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification, Reshape-5 to 21: 0 copies a size, -1 is inferred',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    const sizes = inputSizes(ctx, table);
    await editEveryGraph(ctx, ({ editor, graph, nodes, opset, kind }) => {
      const facts = factsIn(table, graph, kind);
      for (const node of nodes) {
        if (!isOp(node, 'Reshape') || opset < 5 || editor.constantOf(node.inputs[1]!)) continue;
        const target = constantTarget(facts(node.inputs[0]!)?.shape, facts(node.outputs[0]!)?.shape, sizes);
        if (!target) continue;
        const name = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.shape`, [target.length], target));
        editor.setInputs(node, [node.inputs[0]!, name]);
        node.attributes.delete('allowzero');
        ctx.ledger.record('wrote a reshape target down', [labelOf(node)], [name]);
      }
    });
  },
});
