import { z } from 'zod';
import { attrInt, attrInts, intAttr, setAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node, Tensor } from '../ir/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { editEveryGraph, isOp, labelOf, type Scope } from './support/scopes.ts';
import { hashOfMatrix, isLargeMatrix, isTransposeOf } from './support/transposed-weights.ts';

/** Every reader is a product with it on the right, so that it may as well be computed. */
function isOnlyMultiplied(editor: GraphEditor, name: string): boolean {
  const readers = editor.consumersOf(name);
  const multiplies = (node: Node) =>
    isOp(node, 'MatMul', 'Gemm') && node.inputs[1] === name && node.inputs.filter((one) => one === name).length === 1;
  return readers.length > 0 && readers.every(multiplies);
}

interface Matrix {
  readonly name: string;
  readonly tensor: Tensor;
}

/** Pairs of the matrix to keep and its transpose to drop; none is in two. */
async function pairsIn(ctx: StepContext, { editor, graph }: Scope, minBytes: number): Promise<[Matrix, Matrix][]> {
  const all: Matrix[] = [...graph.initializers.keys()].flatMap((name) => {
    const tensor = editor.isGraphOutput(name) ? undefined : editor.constantOf(name);
    return tensor && isLargeMatrix(tensor, minBytes) ? [{ name, tensor }] : [];
  });
  const key = ({ tensor }: Matrix, isTurned: boolean) =>
    [tensor.dtype, ...(isTurned ? [...tensor.dims].reverse() : tensor.dims)].join();
  const shapes = new Map<string, number>();
  for (const matrix of all) shapes.set(key(matrix, false), (shapes.get(key(matrix, false)) ?? 0) + 1);
  const candidates = all.filter((matrix) => {
    const [own, turned] = [key(matrix, false), key(matrix, true)];
    return (shapes.get(turned) ?? 0) > (own === turned ? 1 : 0);
  });
  const byHash = new Map<string, Matrix[]>();
  for (const matrix of candidates) {
    const hash = `${key(matrix, false)} ${await hashOfMatrix(matrix.tensor, false, ctx.signal)}`;
    byHash.set(hash, [...(byHash.get(hash) ?? []), matrix]);
    await ctx.yield();
  }
  const pairs: [Matrix, Matrix][] = [];
  const taken = new Set<string>();
  for (const dropped of candidates) {
    if (taken.has(dropped.name) || !isOnlyMultiplied(editor, dropped.name)) continue;
    const hash = `${key(dropped, true)} ${await hashOfMatrix(dropped.tensor, true, ctx.signal)}`;
    for (const kept of byHash.get(hash) ?? []) {
      if (kept.name === dropped.name || taken.has(kept.name)) continue;
      if (!(await isTransposeOf(kept.tensor, dropped.tensor, ctx.signal))) continue;
      pairs.push([kept, dropped]);
      taken.add(kept.name).add(dropped.name);
      break;
    }
  }
  return pairs;
}

function tie(ctx: StepContext, editor: GraphEditor, kept: string, dropped: string): void {
  const readers = [...new Set(editor.consumersOf(dropped))];
  for (const gemm of readers.filter((node) => isOp(node, 'Gemm'))) {
    setAttr(gemm, 'transB', attrInt(1 - intAttr(gemm, 'transB', 0)));
    editor.setInputs(gemm, [gemm.inputs[0]!, kept, ...gemm.inputs.slice(2)]);
  }
  const others = readers.filter((node) => !isOp(node, 'Gemm'));
  if (others.length > 0) {
    const turned = editor.freshName(`${dropped}.turned`);
    const name = editor.freshName(`${dropped}/Transpose`);
    const attributes = { perm: attrInts([1, 0]) };
    editor.addNode(makeNode({ opType: 'Transpose', name, inputs: [kept], outputs: [turned], attributes }));
    for (const node of others) editor.setInputs(node, [node.inputs[0]!, turned]);
  }
  editor.removeInitializer(dropped);
  editor.graph.valueInfo.delete(dropped);
  ctx.ledger.record('tied a weight to its transpose', readers.map(labelOf), [kept]);
}

/** Readers inside subgraphs are not looked for: a weight that one of them captures is not "only multiplied". */
export const step = defineStep({
  id: 'tie-transposed',
  title: 'Tie transposed weights',
  summary:
    'Stores a weight once where the file has its transpose too, as with a tied embedding and output layer. The file shrinks; memory at run time does not, since the transpose is made when the model is loaded.',
  section: 'cleanup',
  order: 198,
  // A computed weight is none to quantizers, and the folding of constants would write it out again.
  afterQuantization: true,
  optIn: true,
  params: z.object({
    minKib: z.number().int().min(0).max(1_048_576).default(4).meta({
      title: 'Smallest weight',
      description: 'Smaller weights stay as they are.',
      unit: 'KiB',
    }),
  }),
  // The runtime may sum up a product in another order where its weight is no constant of the file.
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification: Transpose-1, Gemm-7 (transB)',
  runsOn: () => runsEverywhere,
  run: async (ctx, { minKib }) => {
    await editEveryGraph(
      ctx,
      async (scope) => {
        if (scope.kind !== 'main') return;
        for (const [kept, dropped] of await pairsIn(ctx, scope, minKib * 1024))
          tie(ctx, scope.editor, kept.name, dropped.name);
      },
      { ops: ['MatMul', 'Gemm'] },
    );
  },
});
