import { z } from 'zod';
import { attrInt } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { Dim, Node } from '../ir/types.ts';
import { subgraphsOf } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { mayFold } from './support/foldable.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';
import { SizeSources } from './support/size-sources.ts';

/** Elements of a size computation that inference knows up to the sizes of the inputs; undefined for anything else. */
function sizesOf(table: ShapeTable, node: Node): readonly Dim[] | undefined {
  const [output] = node.outputs;
  if (!output || node.outputs.length !== 1 || !mayFold(node) || subgraphsOf(node).length > 0) return undefined;
  const elements = table.constants.get(output);
  const facts = table.get(output);
  if (facts?.dtype !== 'int64' || (facts.shape?.length ?? 2) > 1) return undefined;
  // Those that are numbers throughout are constants, which is another step's work.
  const isSymbolic = elements?.some((element) => typeof element === 'string');
  return isSymbolic && elements!.every((element) => element !== null) ? elements : undefined;
}

const ops = ['Shape'];

/**
 * Exporters ask every layer's input for its shape again and compute the same sizes from it. What symbolic inference
 * finds to be the same numbers is computed once, and sizes of a graph input are read from that input directly.
 */
export const step = defineStep({
  id: 'common-sizes',
  title: 'Compute sizes once',
  summary:
    'Merges shape computations that give the same sizes, and reads sizes of graph inputs by one Shape node with start and end.',
  section: 'cleanup',
  order: 135,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'Symbolic shape inference; ONNX operator specification, Shape-15 (start, end)',
  runsOn: () => runsEverywhere,
  run: async (ctx) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const whole = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, nodes, opset, kind }) => {
        const table = kind === 'main' ? whole : whole.scope(graph);
        if (!table) return;
        const sources = new SizeSources(kind === 'main' ? graph.inputs : [], table, opset);
        const first = new Map<string, Node>();
        for (const node of nodes) {
          const sizes = sizesOf(table, node);
          if (!sizes) continue;
          const output = node.outputs[0]!;
          const rank = table.get(output)!.shape!.length;
          const key = `${rank}:${sizes.join(',')}`;
          const earlier = first.get(key);
          if (earlier) {
            if (editor.needsIdentity(output, earlier.outputs[0]!)) continue;
            editor.replaceUses(output, earlier.outputs[0]!);
            editor.removeNode(node);
            ctx.ledger.record('computed equal sizes once', [labelOf(node)], [labelOf(earlier)]);
            continue;
          }
          const source = rank === 1 ? sources.find(sizes) : undefined;
          const isThere = isOp(node, 'Shape') && source?.input === node.inputs[0];
          if (!source || isThere) {
            first.set(key, node);
            continue;
          }
          const { input, start, end, isWhole } = source;
          const attributes = isWhole ? {} : { start: attrInt(start), end: attrInt(end) };
          const { name } = node;
          const shape = makeNode({ opType: 'Shape', name, inputs: [input], outputs: [output], attributes });
          const label = labelOf(node);
          editor.replaceNode(node, [shape]);
          first.set(key, shape);
          ctx.ledger.record('read sizes from a graph input', [label], [labelOf(shape)]);
        }
      },
      { ops: [...ops] },
    );
  },
});
