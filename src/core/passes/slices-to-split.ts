import { z } from 'zod';
import { attrInt, attrInts } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import { tensorFromInts } from '../ir/tensor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';
import { constantRanges, placeIn } from './support/slice-ranges.ts';

interface Part {
  readonly node: Node;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

/** A slice of one axis whose size is known, from and to known places. */
function partOf(editor: GraphEditor, facts: FactLookup, node: Node, opset: number): Part | undefined {
  const shape = facts(node.inputs[0]!)?.shape;
  const ranges = constantRanges(editor, node, opset);
  const [range] = ranges ?? [];
  if (!shape || ranges?.length !== 1 || !range || range.step !== 1) return undefined;
  const axis = range.axis < 0 ? range.axis + shape.length : range.axis;
  const size = shape[axis];
  if (typeof size !== 'number') return undefined;
  const part = { node, axis, start: placeIn(size, range.start), end: placeIn(size, range.end) };
  return part.start < part.end ? part : undefined;
}

/** In order, when they cover the axis without a gap or an overlap. */
function covering(parts: readonly Part[], size: number): readonly Part[] | undefined {
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  let at = 0;
  for (const { start, end } of sorted) {
    if (start !== at) return undefined;
    at = end;
  }
  return at === size ? sorted : undefined;
}

function splitOf(editor: GraphEditor, parts: readonly Part[], opset: number): Node {
  const [first] = parts as [Part];
  const lengths = parts.map(({ start, end }) => end - start);
  const outputs = parts.map(({ node }) => node.outputs[0]!);
  const [value] = first.node.inputs as [string];
  const axis = attrInt(first.axis);
  const name = first.node.name;
  if (opset < 13) {
    return makeNode({
      opType: 'Split',
      name,
      inputs: [value],
      outputs,
      attributes: { axis, split: attrInts(lengths) },
    });
  }
  const split = editor.addInitializer(tensorFromInts(`${outputs[0]}.split`, [lengths.length], lengths));
  return makeNode({ opType: 'Split', name, inputs: [value, split], outputs, attributes: { axis } });
}

const ops = ['Slice'];

/** Runs after the fusions, which look for Slices (rotary embeddings above all). */
export const step = defineStep({
  id: 'slices-to-split',
  title: 'One Split instead of Slices',
  summary: 'Slices that together are a whole tensor become one Split.',
  section: 'fusion',
  order: 284,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification: Slice-10, Split-2, Split-13',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        if (opset < 2) return;
        const facts = factsIn(table, graph, kind);
        const groups = new Map<string, Part[]>();
        for (const node of nodes) {
          const part = isOp(node, ...ops) ? partOf(editor, facts, node, opset) : undefined;
          if (!part) continue;
          const key = `${part.axis} ${node.inputs[0]}`;
          const group = groups.get(key);
          if (group) group.push(part);
          else groups.set(key, [part]);
        }
        const taken = new Set<Node>();
        for (const group of groups.values()) {
          const [{ node, axis }] = group as [Part];
          const size = facts(node.inputs[0]!)!.shape![axis] as number;
          const parts = group.length > 1 ? covering(group, size) : undefined;
          if (!parts || parts.some((part) => taken.has(part.node))) continue;
          for (const part of parts) taken.add(part.node);
          const split = splitOf(editor, parts, opset);
          for (const part of parts.slice(1)) editor.removeNode(part.node);
          editor.replaceNode(parts[0]!.node, [split]);
          ctx.ledger.record(
            'turned Slices into a Split',
            parts.map((part) => labelOf(part.node)),
            [labelOf(split)],
          );
        }
      },
      { ops },
    );
  },
});
