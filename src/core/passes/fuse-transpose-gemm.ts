import { z } from 'zod';
import { attrInt, intAttr, intsAttr, setAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { type FactLookup, factsIn, rankOf } from './support/facts.ts';
import { removeIfUnread } from './support/merge.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Transpose'];
const floats = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/** The Transpose of a matrix that makes this operand and nobody else reads. */
function turnedOperand(editor: GraphEditor, node: Node, index: number): Node | undefined {
  const transpose = madeBy(editor, node.inputs[index], ...ops);
  const isAlone = transpose && editor.singleConsumer(transpose.outputs[0]!) && !editor.constantOf(transpose.inputs[0]!);
  const perm = transpose && intsAttr(transpose, 'perm', [1, 0]);
  return isAlone && perm?.join() === '1,0' ? transpose : undefined;
}

function absorb(editor: GraphEditor, gemm: Node): Node[] {
  const gone: Node[] = [];
  for (const [index, name] of [
    [0, 'transA'],
    [1, 'transB'],
  ] as const) {
    const transpose = turnedOperand(editor, gemm, index);
    if (!transpose) continue;
    setAttr(gemm, name, attrInt(1 - intAttr(gemm, name, 0)));
    editor.setInputs(gemm, gemm.inputs.with(index, transpose.inputs[0]!));
    removeIfUnread(editor, transpose);
    gone.push(transpose);
  }
  return gone;
}

/**
 * A product of two matrices, none of them a constant (layers stay as quantizers look for them), as Gemm. Stacks of
 * matrices stay: Gemm takes rank 2 only.
 */
function asGemm(editor: GraphEditor, facts: FactLookup, node: Node, opset: number): Node | undefined {
  const isMatrix = (name: string) => rankOf(facts(name)) === 2 && floats.has(facts(name)?.dtype ?? '');
  if (!isOp(node, 'MatMul') || opset < 11 || !node.inputs.every((name) => isMatrix(name) && !editor.constantOf(name)))
    return undefined;
  if (!turnedOperand(editor, node, 0) && !turnedOperand(editor, node, 1)) return undefined;
  const { name, inputs, outputs } = node;
  const gemm = makeNode({ opType: 'Gemm', name, inputs: [...inputs], outputs: [...outputs] });
  editor.replaceNode(node, [gemm]);
  return gemm;
}

/** Runs after the fusion of biases into Gemm, and before the quantizers. */
export const step = defineStep({
  id: 'fuse-transpose-gemm',
  title: 'Fuse Transpose into Gemm',
  summary:
    'Lets a Gemm, or the product of two computed matrices, read its operand the other way instead of a Transpose.',
  section: 'fusion',
  order: 262,
  params: z.object({}),
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification, Gemm-11 (transA, transB; C optional) and MatMul-13',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          const gemm = isOp(node, 'Gemm') ? node : asGemm(editor, facts, node, opset);
          const gone = gemm ? absorb(editor, gemm) : [];
          if (gone.length === 0) continue;
          ctx.ledger.record(`fused Transpose + ${node.opType}`, [...gone, node].map(labelOf), [labelOf(gemm!)]);
        }
      },
      { ops },
    );
  },
});
