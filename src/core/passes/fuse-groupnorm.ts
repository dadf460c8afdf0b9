import { z } from 'zod';
import { attrFloat } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { DType } from '../ir/dtype.ts';
import type { GraphEditor } from '../ir/editor.ts';
import { smallValues, tensorFromNumbers } from '../ir/tensor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { type FactLookup, factsIn, sameShape } from './support/facts.ts';
import { removeIfUnread } from './support/merge.ts';
import { madeBy, otherOperand } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['InstanceNormalization'];
/** Half precision is for WebGPU, where it gains nothing. */
const MERGED: DType = 'float32';
const dtypes: ReadonlySet<DType> = new Set<DType>(['float32', 'float16']);
/** BatchNormalization has one output and no mode of training from here on. */
const OPSET = 9;

/** Groups of channels, normalized each, then a factor and a summand for each channel, as torch.onnx writes GroupNorm. */
interface GroupNorm {
  readonly norm: Node;
  /** Makes [batch, groups, ..] of the input. */
  readonly group: Node;
  /** Makes [batch, channels, ..] of the result. */
  readonly ungroup: Node;
  readonly mul: Node;
  readonly add: Node;
  readonly groups: number;
  readonly dtype: DType;
  readonly scale: readonly number[];
  readonly bias: readonly number[];
  readonly gamma: readonly number[];
  readonly beta: readonly number[];
}

function matchGroupNorm(editor: GraphEditor, facts: FactLookup, norm: Node): GroupNorm | undefined {
  const group = madeBy(editor, norm.inputs[0], 'Reshape');
  const ungroup = editor.singleConsumer(norm.outputs[0]!);
  if (!group || !isOp(ungroup, 'Reshape') || ungroup.inputs[0] !== norm.outputs[0]) return undefined;
  const mul = editor.singleConsumer(ungroup.outputs[0]!);
  const add = mul && editor.singleConsumer(mul.outputs[0]!);
  if (!isOp(mul, 'Mul') || !isOp(add, 'Add')) return undefined;
  const result = facts(ungroup.outputs[0]!);
  const grouped = facts(group.outputs[0]!)?.shape;
  const [channels, groups] = [result?.shape?.[1], grouped?.[1]];
  const dtype = result?.dtype;
  if (!result || !dtype || !dtypes.has(dtype) || typeof channels !== 'number' || typeof groups !== 'number')
    return undefined;
  if (result.shape!.length < 3 || channels % groups !== 0 || !sameShape([result.shape![0]!], [grouped![0]!]))
    return undefined;
  const [gamma, beta] = [mul, add].map((node, at) =>
    byChannel(
      editor,
      otherOperand(node, at === 0 ? ungroup.outputs[0]! : mul.outputs[0]!),
      channels,
      result.shape!.length,
    ),
  );
  const [scale, bias] = [1, 2].map((at) => {
    const tensor = editor.constantOf(norm.inputs[at]!);
    return tensor && smallValues(tensor);
  });
  if (!gamma || !beta || !scale || !bias) return undefined;
  return { norm, group, ungroup, mul, add, groups, dtype, scale, bias, gamma, beta };
}

/** The numbers of a constant with one for each channel of a value of the given rank. */
function byChannel(
  editor: GraphEditor,
  name: string | undefined,
  channels: number,
  rank: number,
): readonly number[] | undefined {
  const tensor = name === undefined ? undefined : editor.constantOf(name);
  if (!tensor || tensor.dims.length > rank) return undefined;
  const axis = tensor.dims.length - (rank - 1);
  if (!tensor.dims.every((dim, at) => dim === (at === axis ? channels : 1))) return undefined;
  const values = smallValues(tensor);
  // One number for all channels.
  return axis < 0 && values ? Array<number>(channels).fill(values[0]!) : values;
}

class Fuser {
  constructor(
    readonly ctx: StepContext,
    readonly editor: GraphEditor,
    readonly facts: FactLookup,
  ) {}

  fuse(found: GroupNorm, merge: boolean): void {
    const { add, gamma, beta, groups, dtype, scale, bias } = found;
    const perGroup = gamma.length / groups;
    const first = (values: readonly number[]) => scale.map((_, at) => values[at * perGroup]!);
    const isUniform = [gamma, beta].every((values) =>
      values.every((value, at) => value === values[Math.floor(at / perGroup) * perGroup]),
    );
    if (!isUniform) {
      if (merge && dtype === MERGED) this.#affine(found);
      return;
    }
    const [factor, summand] = [first(gamma), first(beta)];
    const names = [
      this.#vector(
        `${add.outputs[0]}.scale`,
        dtype,
        scale.map((value, at) => value * factor[at]!),
      ),
      this.#vector(
        `${add.outputs[0]}.bias`,
        dtype,
        bias.map((value, at) => value * factor[at]! + summand[at]!),
      ),
    ] as const;
    this.#absorb(found, names);
  }

  /** The normalization itself takes factor and summand; groups of one channel need no grouping either. */
  #absorb({ norm, group, ungroup, mul, add, groups, gamma }: GroupNorm, vectors: readonly [string, string]): void {
    const { editor } = this;
    const [x] = group.inputs as [string];
    const [output] = add.outputs as [string];
    const isSame = sameShape(this.facts(x)?.shape, this.facts(ungroup.outputs[0]!)?.shape);
    const labels = [norm, mul, add].map(labelOf);
    editor.removeNode(add);
    editor.removeNode(mul);
    if (groups === gamma.length && isSame) {
      editor.removeNode(ungroup);
      editor.setInputs(norm, [x, ...vectors]);
      editor.setOutputs(norm, [output]);
      removeIfUnread(editor, group);
    } else {
      editor.setInputs(norm, [norm.inputs[0]!, ...vectors]);
      editor.setOutputs(ungroup, [output]);
    }
    this.ctx.ledger.record('put a factor and a summand into a normalization', labels, [labelOf(norm)]);
  }

  /** A factor and a summand for each channel in one pass over the values. */
  #affine({ ungroup, mul, add, dtype, gamma, beta }: GroupNorm): void {
    const { editor } = this;
    const [output] = add.outputs as [string];
    const each = (value: number) => gamma.map(() => value);
    const fused = makeNode({
      opType: 'BatchNormalization',
      name: editor.freshName(`${labelOf(add)}/BatchNormalization`),
      inputs: [
        ungroup.outputs[0]!,
        this.#vector(`${output}.scale`, dtype, gamma),
        this.#vector(`${output}.bias`, dtype, beta),
        this.#vector(`${output}.mean`, dtype, each(0)),
        this.#vector(`${output}.variance`, dtype, each(1)),
      ],
      outputs: [output],
      attributes: { epsilon: attrFloat(0) },
    });
    const labels = [mul, add].map(labelOf);
    editor.replaceNode(add, [fused]);
    editor.removeNode(mul);
    this.ctx.ledger.record('made one of the factor and the summand behind a GroupNorm', labels, [labelOf(fused)]);
  }

  #vector(name: string, dtype: DType, values: readonly number[]): string {
    return this.editor.addInitializer(tensorFromNumbers(name, dtype, [values.length], values));
  }
}

/**
 * No operator for all of it is worth making: the standard GroupNormalization has no kernel in onnxruntime, which runs its
 * definition (27 nodes and more), 1.5 to 2.4 times as long as torch's form; that of com.microsoft has one for CUDA only.
 * Factor and summand as BatchNormalization with mean 0 and variance 1 took the whole 0.85 to 0.95 times as long
 * (onnxruntime-web 1.30, WASM, one thread, 64 channels, 8 x 8 to 64 x 64, runs in turns). On WebGPU, which puts two
 * Transposes around it, four layers of a convolution, this and SiLU took 1.02, 0.99 and 1.12 times as long at 16 x 16,
 * 64 x 64 and 128 x 128, in half precision 0.99, 1.04 and 1.01 times (onnxruntime 1.30 on an NVIDIA H200, runs in turns).
 */
export const step = defineStep({
  id: 'fuse-groupnorm',
  title: 'Fuse the end of GroupNorm',
  summary:
    'Factor and summand of each channel behind a group normalization become one operator, or part of the normalization where a group has the same for all of its channels.',
  section: 'fusion',
  order: 204,
  params: z.object({
    merge: z.boolean().default(true).meta({
      title: 'Factor and summand as one',
      description:
        'Where channels of a group differ: BatchNormalization instead of Mul and Add. Faster on WASM; on WebGPU, which has it with channels last, it may bring two Transposes.',
    }),
  }),
  precision: 'exact-within-fp',
  needs: {},
  source: 'Wu and He 2018 (arXiv 1803.08494), equation 1; ONNX InstanceNormalization-6, BatchNormalization-9',
  runsOn: () => runsEverywhere,
  run: async (ctx, { merge }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, kind, nodes, opset }) => {
        if (opset < OPSET) return;
        const facts = factsIn(table, graph, kind);
        const fuser = new Fuser(ctx, editor, facts);
        for (const node of nodes) {
          const found = isOp(node, ...ops) && editor.has(node) ? matchGroupNorm(editor, facts, node) : undefined;
          if (found) fuser.fuse(found, merge);
        }
      },
      { ops },
    );
  },
});
