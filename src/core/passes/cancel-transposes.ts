import { z } from 'zod';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { editEveryGraph, type Scope } from './support/scopes.ts';
import { gainOf, growRegions, isOrderOf, transposesByPerm, trim } from './support/turned/region.ts';
import { turnRegion } from './support/turned/rewrite.ts';

const ops = ['Transpose'];
/** Each round takes Transposes away, which lets others meet; more than a few never happen. */
const MAX_ROUNDS = 20;

/** @returns whether anything was changed */
async function cancelOnce(ctx: StepContext, scope: Scope, facts: FactLookup): Promise<boolean> {
  let isChanged = false;
  for (const { perm, transposes } of transposesByPerm(scope, facts)) {
    // What another region's turning has taken away or changed is looked at in the next round.
    const isLeft = (node: Node) => scope.editor.has(node) && isOrderOf(node, facts, perm);
    for (const region of growRegions(scope, facts, perm, transposes.filter(isLeft))) {
      if (![...region.entries.values()].every(isLeft)) continue;
      trim(scope, facts, region);
      if (region.nodes.size === 0 || gainOf(scope, facts, region) <= 0) continue;
      await turnRegion(ctx, scope, facts, region);
      isChanged = true;
      await ctx.yield();
    }
  }
  return isChanged;
}

/**
 * Transposes are pushed and cancelled as a whole: a region between them is turned where that leaves fewer. Runs after
 * the fusions of attention, which look for Transposes, and before those that a layer's bias goes into.
 */
export const step = defineStep({
  id: 'cancel-transposes',
  title: 'Cancel Transposes',
  summary:
    'Computes what stands between Transposes in the order of axes from before, where that leaves fewer of them; layers that mix tokens become convolutions of width 1.',
  section: 'fusion',
  order: 238,
  params: z.object({}),
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification: Transpose-1, MatMul-1, Conv-1; (A B)ᵀ = Bᵀ Aᵀ',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    await editEveryGraph(
      ctx,
      async (scope) => {
        if (scope.kind === 'function') return;
        const facts = factsIn(await ctx.shapes(), scope.graph, scope.kind);
        for (let round = 0; round < MAX_ROUNDS; round++) if (!(await cancelOnce(ctx, scope, facts))) break;
      },
      { ops },
    );
  },
});
