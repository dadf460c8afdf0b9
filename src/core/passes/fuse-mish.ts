import { z } from 'zod';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';

import { type FactLookup, factsIn } from './support/facts.ts';
import { madeBy, otherOperand, readOnlyBy, withScalar } from './support/pattern.ts';
import { prepareOpset, raiseOpsetParam } from './support/prepare-opset.ts';
import { containsOp, editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';

const OPSET = 18;
const ops = ['Tanh'];
/** Kernels of onnxruntime on the CPU. */
const dtypes = new Set(['float32', 'float16', 'float64']);

interface Match {
  readonly x: string;
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
}

/** log(1 + exp(x)), as one operator or three. */
function softplusOf(editor: GraphEditor, value: string, x: string): readonly Node[] | undefined {
  const node = madeBy(editor, value, 'Softplus', 'Log');
  if (node?.opType === 'Softplus') return node.inputs[0] === x ? [node] : undefined;
  const sum = node && madeBy(editor, node.inputs[0], 'Add');
  const shifted = withScalar(editor, sum, true);
  const power = shifted?.scalar === 1 ? madeBy(editor, shifted.value, 'Exp') : undefined;
  // A constant of higher rank than x would give the sum another shape; only a plain scalar is sure not to.
  if (!node || !sum || power?.inputs[0] !== x || editor.constantOf(shifted!.constant)!.dims.length > 0)
    return undefined;
  return [power, sum, node];
}

/** @param node a Mul that may be x * tanh(softplus(x)) */
function match(editor: GraphEditor, node: Node): Match | undefined {
  if (!isOp(node, 'Mul')) return undefined;
  for (const candidate of node.inputs) {
    const x = otherOperand(node, candidate);
    const tanh = madeBy(editor, candidate, 'Tanh');
    const softplus = tanh && x !== undefined ? softplusOf(editor, tanh.inputs[0]!, x) : undefined;
    if (!tanh || x === undefined || !softplus) continue;
    const nodes = [...softplus, tanh, node];
    const isPrivate = nodes.slice(0, -1).every((link, at) => readOnlyBy(editor, link.outputs[0]!, [nodes[at + 1]!]));
    if (isPrivate) return { x, nodes };
  }
  return undefined;
}

function findIn({ editor, nodes }: Scope, facts: FactLookup): Match[] {
  return nodes.flatMap((node) => {
    const found = match(editor, node);
    return found && dtypes.has(facts(found.x)?.dtype ?? '') ? [found] : [];
  });
}

export const step = defineStep({
  id: 'fuse-mish',
  title: 'Fuse Mish',
  summary: 'Replaces x * tanh(softplus(x)) by one operator.',
  section: 'fusion',
  order: 212,
  params: z.object({ raiseOpset: raiseOpsetParam('Mish', OPSET) }),
  precision: 'exact-within-fp',
  needs: {},
  source: 'Misra 2019 (arXiv 1908.08681); ONNX Mish-18',
  runsOn: () => ({
    ...runsEverywhere,
    webnn: { level: 'partial', reason: 'Mish is unknown to WebNN and runs on the CPU there' },
  }),
  run: async (ctx, { raiseOpset }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const need = { stepId: 'fuse-mish', target: OPSET, mayRaise: raiseOpset, ops, find: findIn };
    if (!(await prepareOpset(ctx, need))) return;
    const table = await ctx.shapes();
    const fuseIn = (scope: Scope) => {
      for (const { x, nodes } of findIn(scope, factsIn(table, scope.graph, scope.kind))) {
        const last = nodes.at(-1)!;
        const fused = makeNode({ opType: 'Mish', name: last.name, inputs: [x], outputs: [...last.outputs] });
        scope.editor.replaceNode(last, [fused]);
        for (const node of nodes.slice(0, -1)) scope.editor.removeNode(node);
        ctx.ledger.record('fused a Mish', nodes.map(labelOf), [labelOf(fused)]);
      }
    };
    await editEveryGraph(ctx, fuseIn, { ops });
  },
});
