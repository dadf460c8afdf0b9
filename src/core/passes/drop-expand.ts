import { z } from 'zod';
import type { Dim, Node } from '../ir/types.ts';
import { broadcastOps, comparisonOps } from '../shape/ops/elementwise.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Expand'];
const broadcasting = [...broadcastOps, ...comparisonOps, 'Where'];

/** Is every axis of the result as large without the Expand, from what is expanded or from another operand? */
function isReached(facts: FactLookup, node: Node, index: number, source: string): boolean {
  const after = facts(node.outputs[0]!)?.shape;
  const operands = node.inputs.map((name, at) => facts(at === index ? source : name)?.shape);
  if (!after || operands.some((shape) => !shape)) return false;
  const sizeAt = (shape: readonly Dim[], fromEnd: number) => shape[shape.length - fromEnd] ?? null;
  return after.every((dim, axis) => {
    const fromEnd = after.length - axis;
    return dim !== null && operands.some((shape) => shape!.length >= fromEnd && sizeAt(shape!, fromEnd) === dim);
  });
}

/** Runs after the fusions of attention, whose masks are expanded. */
export const step = defineStep({
  id: 'drop-expand',
  title: 'Leave Expand to broadcasting',
  summary: 'Takes away an Expand before an operator that broadcasts its operands anyway.',
  section: 'fusion',
  order: 237,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Expand-8; multidirectional broadcasting (docs/Broadcasting.md)',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        if (opset < 8) return;
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          if (!isOp(node, ...broadcasting)) continue;
          for (const [index, name] of node.inputs.entries()) {
            const expand = madeBy(editor, name, ...ops);
            if (!expand || !editor.singleConsumer(name)) continue;
            const [source] = expand.inputs as [string];
            if (!isReached(facts, node, index, source)) continue;
            editor.setInputs(node, node.inputs.with(index, source));
            editor.removeNode(expand);
            ctx.ledger.record(`left an Expand to ${node.opType}`, [expand, node].map(labelOf), [labelOf(node)]);
          }
        }
      },
      { ops },
    );
  },
});
