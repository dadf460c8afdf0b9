import { z } from 'zod';
import { attrFloat } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { factsIn } from './support/facts.ts';
import { containsOp, editEveryGraph, labelOf, type Scope } from './support/scopes.ts';
import { matchSkipNorm, type SkipNormMatch } from './support/skip-norm-pattern.ts';

const ops = ['LayerNormalization', 'SimplifiedLayerNormalization', 'RMSNormalization'];

const params = z.object({
  operators: operatorsParam(
    'any: SkipLayerNormalization and SkipSimplifiedLayerNormalization of onnxruntime. standard: there is no such operator, so nothing is fused.',
  ),
});

function fuse(ctx: StepContext, { editor }: Scope, match: SkipNormMatch): void {
  const last = match.nodes.at(-1)!;
  const { kind, input, skip, gamma, beta = '', bias = '' } = match;
  const inputs = [input, skip, gamma, ...(kind === 'SkipLayerNormalization' ? [beta, bias] : [bias])];
  while (inputs.at(-1) === '') inputs.pop();
  for (const node of match.nodes.slice(0, -1)) editor.removeNode(node);
  const fused = makeNode({
    opType: kind,
    domain: importContrib(ctx.model),
    name: last.name,
    inputs,
    outputs: match.sum === undefined ? [last.outputs[0]!] : [last.outputs[0]!, '', '', match.sum],
    attributes: { epsilon: attrFloat(match.epsilon) },
  });
  editor.replaceNode(last, [fused]);
  ctx.ledger.record(`fused a ${kind}`, match.nodes.map(labelOf), [labelOf(fused)]);
}

/** After fuse-matmul-add, which takes a bias first: a Gemm adds it for nothing. */
export const step = defineStep({
  id: 'fuse-skip-norm',
  title: 'Fuse residual + normalization',
  summary:
    'Replaces a residual Add (and a bias before it) and the layer or RMS normalization that reads it by one operator.',
  section: 'fusion',
  order: 272,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'com.microsoft.SkipLayerNormalization-1 and SkipSimplifiedLayerNormalization-1 of onnxruntime 1.30 (ContribOperators.md)',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('SkipLayerNormalization') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        const facts = factsIn(table, scope.graph, scope.kind);
        for (const node of scope.nodes) {
          const match = scope.editor.has(node) ? matchSkipNorm(scope.editor, node, facts) : undefined;
          if (match) fuse(ctx, scope, match);
        }
      },
      { ops },
    );
  },
});
