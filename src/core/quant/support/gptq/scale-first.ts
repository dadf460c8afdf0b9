/** AWQ's channel factors before GPTQ: large activations become smaller and their weights larger, then errors are fed back. */
import type { Node } from '../../../ir/types.ts';
import type { StepContext } from '../../../step/define.ts';
import { applyAwqScales } from '../awq-scales.ts';
import { nodeLabel } from '../patterns.ts';
import { openScopes } from '../scopes.ts';
import type { WeightOnlySettings } from '../weight-only-params.ts';
import { planWeightOnly, type WeightScheme } from '../weight-only-plan.ts';

/** Positions by which AWQ judges very wide layers; its own step has it as a parameter. */
const ROWS = 512;

/** Nothing is clipped: GPTQ chooses the ranges of blocks itself, when it comes to them. */
export async function scaleFirst(
  ctx: StepContext,
  settings: WeightOnlySettings & { readonly samples: number },
  title: string,
): Promise<void> {
  const { weights } = planWeightOnly(openScopes(ctx.model), settings, await ctx.shapes());
  const schemeOf = new Map<Node, WeightScheme>();
  for (const { sites, scheme } of weights)
    for (const { node, scope } of sites) if (!scope.outer) schemeOf.set(node, scheme);
  const choices = await applyAwqScales(ctx, {
    title,
    schemeOf: (node) => schemeOf.get(node),
    samples: settings.samples,
    rows: ROWS,
    useWeights: true,
    insertMul: true,
    // GPTQ rounds better than to nearest: the inputs of the float model are closer to what layers will read.
    isSequential: false,
    clip: false,
  });
  ctx.leave({
    scaled: choices.map(({ group, placement, alpha, before, after }) => ({
      value: group.root,
      nodes: group.chosen.map(({ node }) => nodeLabel(node)),
      alpha,
      errorReduction: before > 0 ? 1 - after / before : 0,
      folded: placement.fold !== undefined,
    })),
  });
}
