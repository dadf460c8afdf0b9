import { z } from 'zod';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { factsIn } from './support/facts.ts';
import { transposeOfUnitAxes } from './support/moved-blocks.ts';
import { inputSizes } from './support/reshape-target.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Transpose'];

/** Runs after the fusions, which look for Transposes. */
export const step = defineStep({
  id: 'transpose-to-reshape',
  title: 'Reshape instead of Transpose',
  summary: 'Turns a Transpose that moves only axes of size 1 into a Reshape, which copies nothing.',
  section: 'fusion',
  order: 286,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Transpose-1, Reshape-5',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    const sizes = inputSizes(ctx, table);
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          const merge = isOp(node, ...ops) ? transposeOfUnitAxes({ editor, node, opset, facts, sizes }) : undefined;
          if (!merge) continue;
          merge.apply();
          ctx.ledger.record(merge.action, [labelOf(node)]);
        }
      },
      { ops },
    );
  },
});
