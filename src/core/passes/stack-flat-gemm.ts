import { z } from 'zod';
import { floatAttr, intAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { Dim, Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { type FactLookup, factsIn, sameShape } from './support/facts.ts';
import { removeIfUnread } from './support/merge.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';

interface Match {
  readonly flatten: Node;
  readonly gemm: Node;
  readonly unflatten: Node;
  readonly value: string;
}

/** A Gemm whose bias, where it has one, is a row: what MatMul + Add say for a stack of matrices. */
function isPlain(facts: FactLookup, gemm: Node, columns: Dim): boolean {
  const factors = floatAttr(gemm, 'alpha', 1) === 1 && floatAttr(gemm, 'beta', 1) === 1;
  if (!factors || intAttr(gemm, 'transA', 0) !== 0 || intAttr(gemm, 'transB', 0) !== 0) return false;
  if (!gemm.inputs[2]) return true;
  const bias = facts(gemm.inputs[2])?.shape;
  return bias?.length === 1 && (bias[0] === 1 || bias[0] === columns);
}

function match({ editor, opset }: Scope, facts: FactLookup, gemm: Node): Match | undefined {
  const flatten = opset < 7 ? undefined : madeBy(editor, gemm.inputs[0], 'Reshape', 'Flatten');
  const unflatten = editor.singleConsumer(gemm.outputs[0]!);
  if (!flatten || !isOp(unflatten, 'Reshape') || unflatten.inputs[0] !== gemm.outputs[0]) return undefined;
  const value = flatten.inputs[0]!;
  const before = facts(value)?.shape;
  const after = facts(unflatten.outputs[0]!)?.shape;
  const rows = facts(gemm.inputs[0]!)?.shape;
  const weight = facts(gemm.inputs[1]!)?.shape;
  if (!before || !after || before.length < 3 || weight?.length !== 2 || rows?.length !== 2) return undefined;
  const [inner, columns] = weight as [Dim, Dim];
  if (inner === null || columns === null || before.at(-1) !== inner || rows[1] !== inner) return undefined;
  if (!sameShape(after, [...before.slice(0, -1), columns]) || !isPlain(facts, gemm, columns)) return undefined;
  return { flatten, gemm, unflatten, value };
}

/**
 * x: [..., K] -> Reshape [-1, K] -> Gemm(W: [K, N], b: [N]) -> Reshape [..., N] is MatMul(x, W) + b: a node less, and the
 * fusions that take a bias (with GELU, with a residual and its norm) find it.
 */
export const step = defineStep({
  id: 'stack-flat-gemm',
  title: 'MatMul for flattened Gemm',
  summary: 'Turns Reshape + Gemm + Reshape, as GPT-2 is exported, into MatMul + Add.',
  section: 'cleanup',
  order: 165,
  params: z.object({}),
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification: Gemm-13, MatMul-13 (stacks of matrices)',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ['Gemm'])) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        const { editor } = scope;
        const facts = factsIn(table, scope.graph, scope.kind);
        for (const node of scope.nodes) {
          const found = isOp(node, 'Gemm') ? match(scope, facts, node) : undefined;
          if (!found) continue;
          const { flatten, gemm, unflatten, value } = found;
          const [, weight, bias] = gemm.inputs as [string, string, string | undefined];
          const [output] = unflatten.outputs as [string];
          const product = bias ? editor.freshName(`${output}.product`) : output;
          const nodes = [makeNode({ opType: 'MatMul', name: gemm.name, inputs: [value, weight], outputs: [product] })];
          if (bias) {
            nodes.push(makeNode({ opType: 'Add', name: unflatten.name, inputs: [product, bias], outputs: [output] }));
          }
          const labels = [flatten, gemm, unflatten].map(labelOf);
          editor.removeNode(gemm);
          editor.replaceNode(unflatten, nodes);
          removeIfUnread(editor, flatten);
          ctx.ledger.record('turned Reshape + Gemm + Reshape into MatMul', labels, nodes.map(labelOf));
        }
      },
      { ops: ['Gemm'] },
    );
  },
});
