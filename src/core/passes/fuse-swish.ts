import { z } from 'zod';
import { attrFloat } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { madeBy, otherOperand, readOnlyBy, withScalar } from './support/pattern.ts';
import { editEveryGraph, isOp, labelOf } from './support/scopes.ts';

interface Match {
  readonly x: string;
  readonly alpha: number;
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
}

/** @param node a Mul that may be x * Sigmoid(alpha * x) */
function match(editor: GraphEditor, node: Node): Match | undefined {
  if (!isOp(node, 'Mul')) return undefined;
  for (const candidate of node.inputs) {
    const x = otherOperand(node, candidate);
    const sigmoid = madeBy(editor, candidate, 'Sigmoid');
    if (!sigmoid || x === undefined || !readOnlyBy(editor, candidate, [node])) continue;
    const argument = sigmoid.inputs[0]!;
    if (argument === x) return { x, alpha: 1, nodes: [sigmoid, node] };
    const product = madeBy(editor, argument, 'Mul');
    const scaled = withScalar(editor, product, true);
    if (!product || scaled?.value !== x || !readOnlyBy(editor, argument, [sigmoid])) continue;
    // A constant of higher rank than x would give the sum another shape; only a plain scalar is sure not to.
    if (editor.constantOf(scaled.constant)!.dims.length > 1) continue;
    return { x, alpha: scaled.scalar, nodes: [product, sigmoid, node] };
  }
  return undefined;
}

const ops = ['Sigmoid'];

const params = z.object({
  operators: operatorsParam(
    'any: QuickGelu of onnxruntime. standard: there is no such operator with a kernel, so nothing is fused.',
  ),
});

/**
 * There is no standard operator before opset 24, and onnxruntime has no kernel for that one: QuickGelu of com.microsoft
 * is the same function and has kernels for WASM, WebGPU and the CPU.
 */
export const step = defineStep({
  id: 'fuse-swish',
  title: 'Fuse Swish (SiLU)',
  summary: 'Replaces x * Sigmoid(alpha * x) by QuickGelu, an operator of onnxruntime.',
  section: 'fusion',
  order: 230,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source: 'Ramachandran, Zoph and Le 2017 (arXiv 1710.05941); com.microsoft.QuickGelu-1 of onnxruntime 1.30',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('QuickGelu') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard') return;
    await editEveryGraph(
      ctx,
      ({ editor, nodes }) => {
        for (const node of nodes) {
          const found = editor.has(node) ? match(editor, node) : undefined;
          if (!found) continue;
          const [output] = node.outputs as [string];
          const fused = makeNode({
            opType: 'QuickGelu',
            domain: importContrib(ctx.model),
            name: node.name,
            inputs: [found.x],
            outputs: [output],
            attributes: { alpha: attrFloat(found.alpha) },
          });
          editor.replaceNode(node, [fused]);
          for (const gone of found.nodes.slice(0, -1)) editor.removeNode(gone);
          ctx.ledger.record('fused a Swish', found.nodes.map(labelOf), [labelOf(fused)]);
        }
      },
      { ops },
    );
  },
});
