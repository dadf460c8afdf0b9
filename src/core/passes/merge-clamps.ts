import { z } from 'zod';
import { attrFloat, floatAttr, setAttr } from '../ir/attributes.ts';
import type { GraphEditor } from '../ir/editor.ts';
import { tensorFromNumbers } from '../ir/tensor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { constantInput, scalarOf } from './support/constants.ts';
import { factsIn } from './support/facts.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Clip'];
const floats = new Set<string>(['float32', 'float64', 'float16', 'bfloat16']);

interface Limits {
  readonly min: number;
  readonly max: number;
}

/** Of a Relu or of a Clip whose limits are constants. */
function limitsOf(editor: GraphEditor, node: Node, opset: number): Limits | undefined {
  if (node.opType === 'Relu') return { min: 0, max: Number.POSITIVE_INFINITY };
  const limit = (index: number, name: string, open: number) =>
    opset < 11 ? floatAttr(node, name, open) : node.inputs[index] ? scalarOf(constantInput(editor, node, index)) : open;
  const min = limit(1, 'min', Number.NEGATIVE_INFINITY);
  const max = limit(2, 'max', Number.POSITIVE_INFINITY);
  return min === undefined || max === undefined ? undefined : { min, max };
}

/** One clamp after another is a clamp, as long as their ranges meet. */
export const step = defineStep({
  id: 'merge-clamps',
  title: 'Merge Relu and Clip',
  summary: 'Turns a Relu or Clip before a Clip into limits of that Clip.',
  section: 'fusion',
  order: 254,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Relu-6, Clip-6, Clip-11',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        if (opset < 6) return;
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          const first = isOp(node, ...ops) ? madeBy(editor, node.inputs[0], 'Relu', 'Clip') : undefined;
          const dtype = first && facts(node.inputs[0]!)?.dtype;
          const inner = first && editor.singleConsumer(first.outputs[0]!) && limitsOf(editor, first, opset);
          const outer = inner && limitsOf(editor, node, opset);
          // Limits of whole numbers may be beyond what a double holds.
          if (!first || !inner || !outer || !dtype || !floats.has(dtype)) continue;
          const both = { min: Math.max(inner.min, outer.min), max: Math.min(inner.max, outer.max) };
          if (both.min > both.max || inner.min > inner.max || outer.min > outer.max) continue;
          setLimits(editor, node, opset, both, dtype);
          editor.setInputs(node, node.inputs.with(0, first.inputs[0]!));
          editor.removeNode(first);
          ctx.ledger.record(`merged ${first.opType} + Clip`, [first, node].map(labelOf), [labelOf(node)]);
        }
      },
      { ops },
    );
  },
});

function setLimits(
  editor: GraphEditor,
  node: Node,
  opset: number,
  { min, max }: Limits,
  dtype: Parameters<typeof tensorFromNumbers>[1],
): void {
  const named = [
    ['min', min],
    ['max', max],
  ] as const;
  if (opset < 11) {
    for (const [name, value] of named) if (Number.isFinite(value)) setAttr(node, name, attrFloat(value));
    return;
  }
  const limits = named.map(([name, value]) =>
    Number.isFinite(value)
      ? editor.addInitializer(tensorFromNumbers(`${node.outputs[0]}.${name}`, dtype, [], [value]))
      : '',
  );
  editor.setInputs(node, limits[1] ? [node.inputs[0]!, ...limits] : [node.inputs[0]!, limits[0]!]);
}
