import { z } from 'zod';
import { attrInt, attrInts, intAttr, intsAttr, setAttr, stringAttr } from '../ir/attributes.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { padsOf } from './support/pads.ts';
import { madeBy } from './support/pattern.ts';
import { editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['Pad'];

interface Padding {
  readonly pad: Node;
  /** Of the axes behind batch and channel: starts, then ends. */
  readonly amounts: readonly number[];
  readonly value: number;
}

/** A Pad by a constant, of places only, that nobody else reads. */
function paddingOf(editor: GraphEditor, value: string | undefined, opset: number): Padding | undefined {
  const pad = madeBy(editor, value, ...ops);
  const found = pad && editor.singleConsumer(pad.outputs[0]!) ? padsOf(editor, pad, opset) : undefined;
  if (!pad || found?.mode !== 'constant' || found.value === undefined) return undefined;
  const { amounts: all, value: filled } = found;
  const rank = all.length / 2;
  const [starts, ends] = [all.slice(0, rank), all.slice(rank)];
  if (rank < 3 || [...starts.slice(0, 2), ...ends.slice(0, 2)].some((amount) => amount !== 0)) return undefined;
  return { pad, amounts: [...starts.slice(2), ...ends.slice(2)], value: filled };
}

/** What the node adds itself; undefined where that depends on the size of its input. */
function ownPads(node: Node, places: number): number[] | undefined {
  const auto = stringAttr(node, 'auto_pad', 'NOTSET');
  if (auto !== 'NOTSET' && auto !== 'VALID') return undefined;
  const none = new Array<number>(2 * places).fill(0);
  return auto === 'VALID' ? none : intsAttr(node, 'pads', none);
}

/**
 * A pooling kernel must reach past the border, as runtimes insist. Of its own padding, none may be there: it counts
 * otherwise than what is in the tensor.
 */
function fitsPooling(node: Node, { amounts, value }: Padding, own: readonly number[]): boolean {
  const kernel = intsAttr(node, 'kernel_shape') ?? [];
  const isWithin = amounts.every((amount, at) => amount < (kernel[at % kernel.length] ?? 0));
  if (!isWithin || intAttr(node, 'ceil_mode', 0) !== 0 || own.some((amount) => amount !== 0)) return false;
  if (node.opType === 'MaxPool') return value === Number.NEGATIVE_INFINITY && node.outputs.length === 1;
  // Dilation is no part of what is counted; opset 19 has it.
  return value === 0 && (intsAttr(node, 'dilations') ?? []).every((step) => step === 1);
}

function padsWith(node: Node, padding: Padding, opset: number): number[] | undefined {
  const own = ownPads(node, padding.amounts.length / 2);
  if (own?.length !== padding.amounts.length) return undefined;
  if (isOp(node, 'Conv') ? padding.value !== 0 : !fitsPooling(node, padding, own)) return undefined;
  // Before opset 7 the padding never counted.
  if (isOp(node, 'AveragePool') && opset < 7) return undefined;
  return own.map((amount, at) => amount + padding.amounts[at]!);
}

/** Runs after BatchNormalization and constants before a Conv have gone into it, which they only can without padding. */
export const step = defineStep({
  id: 'fuse-pad',
  title: 'Fuse Pad into Conv and pooling',
  summary: 'Lets a Conv, AveragePool or MaxPool put the border around its input itself.',
  section: 'fusion',
  order: 252,
  params: z.object({}),
  precision: 'exact-within-fp',
  needs: {},
  source: 'ONNX operator specification: Pad-11, Conv-11, AveragePool-7 (count_include_pad), MaxPool-11',
  runsOn: () => runsEverywhere,
  run: (ctx) =>
    editEveryGraph(
      ctx,
      ({ editor, nodes, opset }) => {
        for (const node of nodes) {
          const padding = isOp(node, 'Conv', 'AveragePool', 'MaxPool')
            ? paddingOf(editor, node.inputs[0], opset)
            : undefined;
          const pads = padding && padsWith(node, padding, opset);
          if (!padding || !pads) continue;
          setAttr(node, 'pads', attrInts(pads));
          node.attributes.delete('auto_pad');
          if (node.opType === 'AveragePool') setAttr(node, 'count_include_pad', attrInt(1));
          editor.setInputs(node, node.inputs.with(0, padding.pad.inputs[0]!));
          editor.removeNode(padding.pad);
          ctx.ledger.record(`fused Pad + ${node.opType}`, [padding.pad, node].map(labelOf), [labelOf(node)]);
        }
      },
      { ops },
    ),
});
