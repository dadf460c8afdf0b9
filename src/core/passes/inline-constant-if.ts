import { z } from 'zod';
import { graphAttr } from '../ir/attributes.ts';
import type { Graph, Node } from '../ir/types.ts';
import { forEachGraph, localValues } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { constantInput, scalarOf } from './support/constants.ts';
import { factsIn } from './support/facts.ts';
import { inlineGraph } from './support/inline-graph.ts';
import { onlyPossibleBranch } from './support/possible-branch.ts';
import { containsOp, editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';

/**
 * The branch that an If always takes: its condition is constant or proven by shape inference, or with the other branch
 * the model would fail.
 */
function chosenBranch({ editor, graph, kind }: Scope, node: Node, table: ShapeTable): Graph | undefined {
  const scope = kind === 'main' ? table : kind === 'subgraph' ? table.scope(graph) : undefined;
  const proven = scope?.constants.get(node.inputs[0]!);
  const condition = scalarOf(constantInput(editor, node, 0)) ?? (proven?.length === 1 ? proven[0] : undefined);
  const branch =
    typeof condition === 'number'
      ? graphAttr(node, condition !== 0 ? 'then_branch' : 'else_branch')
      : onlyPossibleBranch(editor, table, factsIn(table, graph, kind), node);
  return branch?.outputs.length === node.outputs.length && branch.sparseInitializers.length === 0 ? branch : undefined;
}

const ops = ['If'];

export const step = defineStep({
  id: 'inline-constant-if',
  title: 'Inline decided branches',
  summary:
    'Replaces an If by the branch that it always takes, where its condition is known or the other branch could only fail.',
  section: 'cleanup',
  order: 150,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification, If-21',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    const definitions = new Map<string, number>();
    forEachGraph(ctx.model, (graph) => {
      for (const name of localValues(graph)) definitions.set(name, (definitions.get(name) ?? 0) + 1);
    });
    await editEveryGraph(ctx, (scope) => {
      for (const node of scope.nodes) {
        const branch = isOp(node, 'If') ? chosenBranch(scope, node, table) : undefined;
        if (!branch) continue;
        const nodes = inlineGraph(scope.editor, node, branch, (name) => (definitions.get(name) ?? 0) <= 1);
        ctx.ledger.record('inlined the branch that an If always takes', [labelOf(node)], nodes.map(labelOf));
      }
    });
  },
});
