import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { containsOp, editEveryGraph, labelOf } from './support/scopes.ts';
import { collectsForNobody, countedLoop, nodesWithin, unrollLoop } from './support/unroll.ts';

const params = z.object({
  maxNodes: z.number().int().min(0).max(100_000).default(128).meta({
    title: 'Nodes at most',
    description:
      'A loop is written out when its turns come to no more nodes than this. 0: only loops without turns go.',
  }),
});

const ops = ['Loop'];

/**
 * Only loops whose number of turns is known: a constant trip count and a condition that stays true. Loops that stay are
 * left as they are, with everything in them.
 */
export const step = defineStep({
  id: 'unroll-loops',
  title: 'Unroll short loops',
  summary: 'Writes out a Loop whose number of turns is known and small, and drops one that never runs.',
  section: 'cleanup',
  order: 182,
  params,
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification, Loop-21',
  runsOn: () => runsEverywhere,
  run: async (ctx, { maxNodes }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        const { editor, nodes, opset, kind, graph } = scope;
        const known = kind === 'main' ? table.constants : table.scope(graph)?.constants;
        for (const node of nodes) {
          const loop = countedLoop(scope, node, known);
          if (!loop || loop.trips * nodesWithin(loop.body) > maxNodes) continue;
          if (loop.trips === 0 && !collectsForNobody(editor, loop)) continue;
          throwIfCancelled(ctx.signal);
          const made = unrollLoop(editor, loop, opset);
          const what =
            loop.trips === 0 ? 'removed a Loop that never runs' : `wrote out the ${loop.trips} turns of a Loop`;
          ctx.ledger.record(what, [labelOf(node)], made.map(labelOf));
        }
      },
      { ops },
    );
  },
});
