import { z } from 'zod';
import { attrFloat, attrInt } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import {
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  runsEverywhere,
  type StepContext,
} from '../step/define.ts';
import { operatorsParam } from './support/contrib.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { onesVector, shapedVector } from './support/norm-pieces.ts';
import { matchRmsNorm, type RmsNormMatch } from './support/rmsnorm-pattern.ts';
import { containsOp, editEveryGraph, labelOf, type Scope } from './support/scopes.ts';

/** RMSNormalization became a standard operator here. */
const OPSET = 23;
const ops = ['ReduceMean'];
const supported = new Set(['float32', 'float16', 'float64']);

const params = z.object({
  operators: operatorsParam(
    'any: RMSNormalization of opset 23 where the model has it, else SimplifiedLayerNormalization of onnxruntime. standard: only the former.',
  ),
});

const notInWebNN: Partial<Record<ExecutionProvider, ProviderSupport>> = {
  webnn: {
    level: 'partial',
    reason: 'RMS normalization as one operator is not known to WebNN and runs on the CPU there',
  },
};

function fuse(ctx: StepContext, { editor, opset }: Scope, facts: FactLookup, match: RmsNormMatch): void {
  const last = match.nodes.at(-1)!;
  const [output] = last.outputs as [string];
  const { dtype } = facts(match.x)!;
  const opType = opset >= OPSET ? 'RMSNormalization' : 'SimplifiedLayerNormalization';
  const gamma = match.gamma
    ? shapedVector(editor, match.gamma, match.sizes)
    : onesVector(editor, output, dtype!, match.sizes);
  const fused = makeNode({
    opType,
    name: last.name === '' ? '' : editor.freshName(`${last.name}/${opType}`),
    inputs: [match.x, gamma],
    outputs: [output],
    attributes: { axis: attrInt(match.axis), epsilon: attrFloat(match.epsilon) },
  });
  editor.replaceNode(last, [fused]);
  for (const node of match.nodes.slice(0, -1)) editor.removeNode(node);
  ctx.ledger.record('fused an RMSNormalization', match.nodes.map(labelOf), [labelOf(fused)]);
}

/**
 * onnxruntime registers SimplifiedLayerNormalization in the domain of the standard operators, at version 1, though the
 * standard does not have it: other tools may not know it.
 */
export const step = defineStep({
  id: 'fuse-rmsnorm',
  title: 'Fuse RMSNorm',
  summary:
    'Replaces root-mean-square normalization written out in up to nine elementary operators by the one operator.',
  section: 'fusion',
  order: 202,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Zhang and Sennrich 2019 (arXiv 1910.07467), equation 4; ONNX RMSNormalization-23; SimplifiedLayerNormalization-1 of onnxruntime 1.30',
  runsOn: () => ({ ...runsEverywhere, ...notInWebNN }),
  run: async (ctx, { operators }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        if (operators === 'standard' && scope.opset < OPSET) return;
        const facts = factsIn(table, scope.graph, scope.kind);
        for (const node of scope.nodes) {
          const match = scope.editor.has(node) ? matchRmsNorm(scope.editor, node, facts) : undefined;
          if (match && supported.has(facts(match.x)?.dtype ?? '')) fuse(ctx, scope, facts, match);
        }
      },
      { ops },
    );
  },
});
