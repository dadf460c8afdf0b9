import { z } from 'zod';
import { attrInt, attrInts } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { Maker, removeUnread, scaleOf } from './support/attention-operands.ts';
import { contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { factsIn } from './support/facts.ts';
import { AngleMaker, anglesOf } from './support/rotary-angles.ts';
import { type Layout, layoutOf } from './support/rotary-layout.ts';
import { type Look, matchRotation } from './support/rotary-pattern.ts';
import { matchStandardRotation, type Rotated } from './support/rotary-standard.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

/** RotaryEmbedding became a standard operator here. */
const OPSET = 23;
const ops = ['Neg', 'RotaryEmbedding'];

const params = z.object({
  operators: operatorsParam(
    'any: RotaryEmbedding of onnxruntime. standard: that of opset 23, where the model has it; below it nothing is fused.',
  ),
});

/** A query is wanted flat by a fused attention, a key may be wanted by head. */
function isQuery({ editor }: Maker, start: string): boolean {
  let value = start;
  for (;;) {
    const reader = editor.singleConsumer(value);
    if (isOp(reader, 'MatMul')) return reader.inputs[0] === value;
    if (!reader || scaleOf(editor, reader)?.value !== value) return false;
    value = reader.outputs[0]!;
  }
}

function matchWritten(look: Look, node: Node): Rotated | undefined {
  const rotation = matchRotation(look, node);
  const layout = rotation && layoutOf(look, rotation);
  if (!layout) return undefined;
  const { width, interleaved } = rotation;
  const [cos, sin] = [rotation.cos, rotation.sin].map((value) =>
    anglesOf(look.editor, look.facts, value, width, interleaved),
  );
  return cos && sin ? { rotation, layout, cos, sin } : undefined;
}

/** The standard operator takes angles for all rows of a batch by their positions only. */
function needsPositions({ layout }: Rotated, node: Node): boolean {
  return node.opType !== 'RotaryEmbedding' || (layout.isShared && layout.batch !== 1);
}

class Fuser {
  readonly #angles = new AngleMaker();
  readonly #ctx: StepContext;
  readonly #isStandard: boolean;

  constructor(ctx: StepContext, isStandard: boolean) {
    this.#ctx = ctx;
    this.#isStandard = isStandard;
  }

  fuse(maker: Maker, found: Rotated): void {
    const { editor } = maker;
    const { rotation, layout } = found;
    const { last, whole, sum } = rotation;
    const { isByHead, heads, size, bySequence } = layout;
    const output = last.outputs[0]!;
    const rank = maker.facts(output)?.shape?.length;
    const isFlat = !isByHead || layout.flat !== undefined || (bySequence !== undefined && isQuery(maker, output));
    editor.removeNode(last);
    const sources = last.inputs.map((input) => editor.producerOf(input)).filter((node) => node !== undefined);
    const input = isFlat
      ? (layout.flat ?? maker.node('Reshape', [bySequence!, maker.ints(0, 0, heads * size)]))
      : whole;
    const isDone = !isFlat || rank === 3;
    const rotated = this.#rotate(maker, found, input, isDone ? output : undefined);
    if (!isDone) {
      const target = [rotated, maker.ints(0, 0, heads, size)];
      if (isByHead) maker.node('Transpose', [maker.node('Reshape', target)], { perm: attrInts([0, 2, 1, 3]) }, output);
      else maker.node('Reshape', target, {}, output);
    }
    removeUnread(editor, sources);
    this.#ctx.ledger.record('fused a rotary embedding', [labelOf(sum)], [labelOf(editor.producerOf(rotated)!)]);
  }

  #rotate(
    maker: Maker,
    { rotation: { width, interleaved }, layout, cos, sin }: Rotated,
    input: string,
    output = maker.editor.freshName(`${maker.label}/RotaryEmbedding_output`),
  ): string {
    const rows = [cos, sin].map((angles) => this.#angles.rows(maker, angles, width / 2)) as [string, string];
    const positions =
      layout.positions ??
      (layout.isShared && !this.#isStandard ? this.#first(maker) : this.#positions(maker, layout, input));
    maker.editor.addNode(
      makeNode({
        opType: 'RotaryEmbedding',
        domain: this.#isStandard ? '' : importContrib(this.#ctx.model),
        name: maker.editor.freshName(`${maker.label}/RotaryEmbedding`),
        inputs: this.#isStandard ? [input, ...rows, positions] : [input, positions, ...rows],
        outputs: [output],
        attributes: {
          num_heads: attrInt(layout.heads),
          interleaved: attrInt(interleaved ? 1 : 0),
          ...(width < layout.size ? { rotary_embedding_dim: attrInt(width) } : {}),
        },
      }),
    );
    return output;
  }

  /** One position, which the operator of onnxruntime counts up from. */
  #first(maker: Maker): string {
    return this.#angles.once('first position', () => maker.ints(0));
  }

  /** [batch, length]: which row of the angles each position has; they are in its order. */
  #positions(maker: Maker, { batch, length, isShared, isByHead }: Layout, input: string): string {
    const key = `positions ${batch ?? input} ${length ?? input}`;
    const sizes = this.#angles.once(`sizes for ${key}`, () => {
      const isFlat = maker.facts(input)?.shape?.length !== 4 || !isByHead;
      if (isFlat && maker.opset >= 15) return maker.node('Shape', [input], { end: attrInt(2) });
      const axes = maker.ints(0, isFlat ? 1 : 2);
      return maker.node('Gather', [maker.node('Shape', [input]), axes], { axis: attrInt(0) });
    });
    return this.#angles.once(`${key} ${isShared}`, () => {
      const count = isShared
        ? maker.node('Gather', [sizes, maker.index(1)], { axis: attrInt(0) })
        : maker.node('ReduceProd', [sizes], { keepdims: attrInt(0) });
      const range = maker.node('Range', [maker.index(0), count, maker.index(1)]);
      return maker.node(isShared ? 'Expand' : 'Reshape', [range, sizes]);
    });
  }
}

/**
 * Positions are known only when the model runs, so there is no table of constants for them: the angles that the model
 * computes for the positions at hand are the table, in their order, at half their width.
 */
export const step = defineStep({
  id: 'fuse-rotary-embedding',
  title: 'Fuse rotary embeddings',
  summary:
    'Replaces rotary position embeddings written out (halves or pairs exchanged, two products, their sum) by the one operator; angles are computed once for all layers, at half the width. The standard operator becomes that of onnxruntime, which WebGPU has a kernel for and which takes one set of angles for a whole batch.',
  section: 'fusion',
  order: 232,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Su et al. 2021 (arXiv 2104.09864), equation 34; com.microsoft.RotaryEmbedding-1 of onnxruntime 1.30; ONNX RotaryEmbedding-23',
  runsOn: () => ({ ...runsEverywhere, ...contribSupport('RotaryEmbedding') }),
  run: async (ctx, { operators }) => {
    if (!containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      (scope) => {
        const { editor, opset } = scope;
        const isStandard = operators === 'standard';
        if (isStandard && opset < OPSET) return;
        const facts = factsIn(table, scope.graph, scope.kind);
        const fuser = new Fuser(ctx, isStandard);
        for (const node of scope.nodes) {
          if (!editor.has(node)) continue;
          const maker = new Maker(editor, facts, opset, labelOf(node));
          const found = matchWritten(maker, node) ?? matchStandardRotation(maker, node);
          if (found && (!isStandard || needsPositions(found, node))) fuser.fuse(maker, found);
        }
      },
      { ops },
    );
  },
});
