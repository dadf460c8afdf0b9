import { z } from 'zod';
import { tensorFromInts } from '../ir/tensor.ts';
import type { Dim } from '../ir/types.ts';
import type { ShapeTable } from '../shape/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type FactLookup, factsIn } from './support/facts.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

/** Sizes that the graph's inputs have, by name: a caller gives them, and they are hardly ever 0. */
function inputSizes(ctx: StepContext, table: ShapeTable): ReadonlySet<Dim> {
  return new Set(ctx.model.graph.inputs.flatMap(({ name }) => table.get(name)?.shape ?? []));
}

/**
 * A constant target for a Reshape: numbers as they are, 0 for a size copied from the same axis of the input, and -1 for
 * at most one other. Undefined when the shapes do not say enough.
 */
function constantTarget(
  facts: FactLookup,
  input: string,
  output: string,
  sizes: ReadonlySet<Dim>,
): number[] | undefined {
  const from = facts(input)?.shape;
  const to = facts(output)?.shape;
  if (!from || !to) return undefined;
  const target = to.map((dim, axis) => (typeof dim === 'number' ? dim : dim !== null && dim === from[axis] ? 0 : -1));
  // A size that is 0 would be taken for a copy.
  if (to.includes(0)) return undefined;
  const free = target.filter((dim) => dim === -1).length;
  if (free > 1) return undefined;
  // Beside a -1, a copied size must not be 0, or the rest cannot be divided out.
  const copied = to.filter((_, axis) => target[axis] === 0);
  return free === 0 || copied.every((dim) => sizes.has(dim)) ? target : undefined;
}

const ops = ['Reshape'];

export const step = defineStep({
  id: 'fold-reshape-targets',
  title: 'Write reshape targets down',
  summary:
    'Replaces computed Reshape targets (Shape, Slice, Concat chains) by constants where inference proves the shape.',
  section: 'cleanup',
  order: 130,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'ONNX operator specification, Reshape-5 to 21: 0 copies a size, -1 is inferred',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    const sizes = inputSizes(ctx, table);
    await editEveryGraph(ctx, ({ editor, graph, nodes, opset, kind }) => {
      const facts = factsIn(table, graph, kind);
      for (const node of nodes) {
        if (!isOp(node, 'Reshape') || opset < 5 || editor.constantOf(node.inputs[1]!)) continue;
        const target = constantTarget(facts, node.inputs[0]!, node.outputs[0]!, sizes);
        if (!target) continue;
        const name = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.shape`, [target.length], target));
        editor.setInputs(node, [node.inputs[0]!, name]);
        node.attributes.delete('allowzero');
        ctx.ledger.record('wrote a reshape target down', [labelOf(node)], [name]);
      }
    });
  },
});
