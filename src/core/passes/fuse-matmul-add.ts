import { z } from 'zod';
import { makeNode } from '../ir/build.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { type FactLookup, factsIn, staticShape } from './support/facts.ts';
import { containsOp, editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';

const params = z.object({
  when: z.enum(['constant-weight', 'always']).default('constant-weight').meta({
    title: 'When',
    description:
      'constant-weight: layers, whose weight and bias are constants. always: also where one of them is computed.',
  }),
});

type Params = z.output<typeof params>;

const floats = new Set(['float32', 'float64', 'float16', 'bfloat16']);

/** The bias must broadcast to [M, N] one way: the sum may not be larger than the product. */
function isBiasFor(facts: FactLookup, product: string, bias: string, columns: number | string | null): boolean {
  const shape = facts(bias)?.shape;
  if (!shape || shape.length > 2) return false;
  const rows = facts(product)?.shape?.[0];
  const fits = (dim: (typeof shape)[number] | undefined, against: typeof columns | undefined) =>
    dim === undefined || dim === 1 || (dim !== null && dim === against);
  return fits(shape.at(-1), columns) && fits(shape.at(-2), rows);
}

function match({ editor, opset }: Scope, facts: FactLookup, node: Node, { when }: Params): Node | undefined {
  if (!isOp(node, 'MatMul') || opset < 7) return undefined;
  const [a, b] = node.inputs as [string, string];
  const left = facts(a);
  const right = facts(b);
  if (left?.shape?.length !== 2 || right?.shape?.length !== 2 || !floats.has(right.dtype ?? '')) return undefined;
  const sum = editor.singleConsumer(node.outputs[0]!);
  if (!isOp(sum, 'Add')) return undefined;
  const bias = sum.inputs[0] === node.outputs[0] ? sum.inputs[1]! : sum.inputs[0]!;
  const columns = staticShape(right)?.[1] ?? right.shape[1] ?? null;
  if (!isBiasFor(facts, node.outputs[0]!, bias, columns) || facts(bias)?.dtype !== right.dtype) return undefined;
  if (when === 'constant-weight' && !(editor.constantOf(b) && editor.constantOf(bias))) return undefined;
  return sum;
}

/** MatMul of matrices and an Add that broadcasts along rows or columns. Stacks of matrices stay: Gemm takes rank 2 only. */
export const step = defineStep({
  id: 'fuse-matmul-add',
  title: 'Fuse MatMul + Add into Gemm',
  summary: 'Turns a matrix product and the bias added to it into one Gemm.',
  section: 'fusion',
  order: 260,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification, Gemm-13',
  runsOn: () => runsEverywhere,
  run: async (ctx, options) => {
    if (!containsOp(ctx.model.graph, ['MatMul'])) return;
    const table = await ctx.shapes();
    await editEveryGraph(ctx, (scope) => {
      const { editor } = scope;
      const facts = factsIn(table, scope.graph, scope.kind);
      for (const node of scope.nodes) {
        const sum = match(scope, facts, node, options);
        if (!sum) continue;
        const bias = sum.inputs[0] === node.outputs[0] ? sum.inputs[1]! : sum.inputs[0]!;
        const gemm = makeNode({
          opType: 'Gemm',
          name: node.name,
          inputs: [...node.inputs, bias],
          outputs: [...sum.outputs],
        });
        editor.removeNode(node);
        editor.replaceNode(sum, [gemm]);
        ctx.ledger.record('fused MatMul + Add', [node, sum].map(labelOf), [labelOf(gemm)]);
      }
    });
  },
});
