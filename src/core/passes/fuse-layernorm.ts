import { z } from 'zod';
import { attrFloat, attrInt } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { type LayerNormMatch, matchLayerNorm } from './support/layernorm-pattern.ts';
import { onesVector, shapedVector } from './support/norm-pieces.ts';
import { prepareOpset, raiseOpsetParam } from './support/prepare-opset.ts';
import { containsOp, editEveryGraph, labelOf, type Scope } from './support/scopes.ts';

const OPSET = 17;
const ops = ['ReduceMean'];
const supported = new Set(['float32', 'float16', 'float64', 'bfloat16']);

const params = z.object({ raiseOpset: raiseOpsetParam('LayerNormalization', OPSET) });

function findIn(scope: Scope, facts: FactLookup): LayerNormMatch[] {
  return scope.nodes.flatMap((node) => {
    const match = matchLayerNorm(scope.editor, node, facts);
    return match && supported.has(facts(match.x)?.dtype ?? '') ? [match] : [];
  });
}

function fuse(ctx: StepContext, { editor }: Scope, facts: FactLookup, match: LayerNormMatch): void {
  const last = match.nodes.at(-1)!;
  const { dtype, shape } = facts(match.x)!;
  const sizes = shape!.slice(match.axis) as number[];
  const scale = match.gamma
    ? shapedVector(editor, match.gamma, sizes)
    : onesVector(editor, last.outputs[0]!, dtype!, sizes);
  const inputs = [match.x, scale];
  if (match.beta) inputs.push(shapedVector(editor, match.beta, sizes));
  const fused = makeNode({
    opType: 'LayerNormalization',
    name: last.name === '' ? '' : editor.freshName(`${last.name}/LayerNormalization`),
    inputs,
    outputs: [last.outputs[0]!],
    attributes: { axis: attrInt(match.axis), epsilon: attrFloat(match.epsilon) },
  });
  editor.replaceNode(last, [fused]);
  for (const node of match.nodes.slice(0, -1)) editor.removeNode(node);
  ctx.ledger.record('fused a LayerNormalization', match.nodes.map(labelOf), [labelOf(fused)]);
}

export const step = defineStep({
  id: 'fuse-layernorm',
  title: 'Fuse LayerNormalization',
  summary: 'Replaces layer normalization written out in up to ten elementary operators by the one operator.',
  section: 'fusion',
  order: 200,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source: 'Ba, Kiros and Hinton 2016 (arXiv 1607.06450), equations 3 and 4; ONNX LayerNormalization-17',
  runsOn: () => runsEverywhere,
  run: async (ctx, { raiseOpset }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const need = { stepId: 'fuse-layernorm', target: OPSET, mayRaise: raiseOpset, ops, find: findIn };
    if (!(await prepareOpset(ctx, need))) return;
    const table = await ctx.shapes();
    const fuseIn = (scope: Scope) => {
      const facts = factsIn(table, scope.graph, scope.kind);
      for (const match of findIn(scope, facts)) {
        if (match.nodes.every((node) => scope.editor.has(node))) fuse(ctx, scope, facts, match);
      }
    };
    await editEveryGraph(ctx, fuseIn, { ops });
  },
});
