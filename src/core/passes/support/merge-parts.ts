/** Tensors put together and taken apart again along the same axis. */
import { attrInt, intAttr, intsAttr, setAttr } from '../../ir/attributes.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { reduceOps } from '../../shape/ops/reduction.ts';
import { constantInput, intsOf } from './constants.ts';
import { rankOf } from './facts.ts';
import { type Merge, type MovementQuestion, removeIfUnread } from './merge.ts';
import { madeBy } from './pattern.ts';
import { constantRanges, placeIn } from './slice-ranges.ts';

function axisOf({ facts }: MovementQuestion, node: Node, fallback: number): number | undefined {
  const axis = intAttr(node, 'axis', fallback);
  const rank = rankOf(facts(node.inputs[0]!));
  return axis >= 0 ? axis : rank === undefined ? undefined : axis + rank;
}

/** Concat of all parts that one Split made, in their order: what was split. */
export function concatOfSplit(question: MovementQuestion): Merge | undefined {
  const { editor, node, opset } = question;
  const split = opset < 4 ? undefined : madeBy(editor, node.inputs[0], 'Split');
  if (!split || split.outputs.join() !== node.inputs.join() || split.outputs.includes('')) return undefined;
  const axis = axisOf(question, node, 1);
  const source = split.inputs[0]!;
  if (axis === undefined || axis !== axisOf(question, split, 0)) return undefined;
  if (editor.needsIdentity(node.outputs[0]!, source)) return undefined;
  return {
    action: 'took away a Split that a Concat undoes',
    absorbed: [split],
    apply: () => {
      editor.replaceUses(node.outputs[0]!, source);
      editor.removeNode(node);
      removeIfUnread(editor, split);
    },
  };
}

/** Where the pieces of a Concat begin along its axis, as far as their sizes are known. */
function piecesOf(question: MovementQuestion, concat: Node, axis: number) {
  const pieces: { readonly name: string; readonly start: number; readonly end: number }[] = [];
  let at = 0;
  for (const name of concat.inputs) {
    const size = question.facts(name)?.shape?.[axis];
    if (typeof size !== 'number') return undefined;
    pieces.push({ name, start: at, end: at + size });
    at += size;
  }
  return pieces;
}

/** Split of a Concat into what it was put together from. */
export function splitOfConcat(question: MovementQuestion): Merge | undefined {
  const { editor, node, opset, facts } = question;
  const concat = opset < 4 ? undefined : madeBy(editor, node.inputs[0], 'Concat');
  const axis = concat && axisOf(question, concat, 1);
  if (!concat || axis === undefined || axis !== axisOf(question, node, 0)) return undefined;
  const pieces = piecesOf(question, concat, axis);
  const parts = node.outputs.map((name) => facts(name)?.shape?.[axis]);
  if (pieces?.length !== parts.length) return undefined;
  if (!pieces.every(({ start, end }, at) => end - start === parts[at])) return undefined;
  const pairs = node.outputs.map((output, at) => [output, pieces[at]!.name] as const).filter(([output]) => output);
  // One that takes the name of an output would have to be copied where it is an input, or two of them one value.
  if (pairs.some(([output]) => editor.isGraphOutput(output))) return undefined;
  return {
    action: 'took away a Split of a Concat',
    absorbed: [concat],
    apply: () => {
      for (const [output, piece] of pairs) editor.replaceUses(output, piece);
      editor.removeNode(node);
      removeIfUnread(editor, concat);
    },
  };
}

/** Slice out of a single piece of a Concat: that piece, or a slice of it where nobody else needs the whole. */
export function sliceOfConcat(question: MovementQuestion): Merge | undefined {
  const { editor, node, opset } = question;
  const concat = opset < 10 ? undefined : madeBy(editor, node.inputs[0], 'Concat');
  const axis = concat && axisOf(question, concat, 1);
  const [range, ...more] = constantRanges(editor, node, opset) ?? [];
  if (!concat || axis === undefined || !range || more.length > 0 || range.step !== 1) return undefined;
  const rank = rankOf(question.facts(node.inputs[0]!));
  if (rank === undefined || (range.axis < 0 ? range.axis + rank : range.axis) !== axis) return undefined;
  const pieces = piecesOf(question, concat, axis);
  const total = pieces?.at(-1)?.end ?? 0;
  const [start, end] = [placeIn(total, range.start), placeIn(total, range.end)];
  const piece = pieces?.find((one) => one.start <= start && end <= one.end);
  if (!piece || start >= end) return undefined;
  const isWhole = piece.start === start && piece.end === end;
  if (isWhole ? editor.needsIdentity(node.outputs[0]!, piece.name) : !editor.singleConsumer(node.inputs[0]!))
    return undefined;
  return {
    action: isWhole ? 'took a piece of a Concat for itself' : 'sliced a piece instead of the whole Concat',
    absorbed: [concat],
    apply: () => {
      if (isWhole) {
        editor.replaceUses(node.outputs[0]!, piece.name);
        editor.removeNode(node);
      } else {
        const places = [start - piece.start, end - piece.start].map((at, which) =>
          editor.addInitializer(tensorFromInts(`${node.outputs[0]}.${which ? 'end' : 'start'}`, [1], [at])),
        );
        editor.setInputs(node, [piece.name, ...places, ...node.inputs.slice(3)]);
      }
      removeIfUnread(editor, concat);
    },
  };
}

const reductions = [...reduceOps, 'ArgMax', 'ArgMin'];

/** Squeeze of the axes that a reduction kept, or Unsqueeze of those that it dropped: the reduction can do that itself. */
export function axesOfReduction({ editor, node, facts }: MovementQuestion): Merge | undefined {
  const reduction = madeBy(editor, node.inputs[0], ...reductions);
  const rank = reduction && rankOf(facts(reduction.inputs[0]!));
  if (!reduction || rank === undefined || !editor.singleConsumer(reduction.outputs[0]!)) return undefined;
  const isSqueeze = node.opType === 'Squeeze';
  if ((intAttr(reduction, 'keepdims', 1) === 1) !== isSqueeze) return undefined;
  const named = (of: Node): number[] | undefined => {
    const axes = of.opType.startsWith('Arg')
      ? [intAttr(of, 'axis', 0)]
      : (intsAttr(of, 'axes') ?? intsOf(constantInput(editor, of, 1)));
    return axes?.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
  };
  const [reduced, moved] = [named(reduction), named(node)];
  if (!reduced?.length || reduced.join() !== moved?.join()) return undefined;
  return {
    action: `left the axes of a ${node.opType} to the reduction before it`,
    absorbed: [reduction],
    apply: () => {
      setAttr(reduction, 'keepdims', attrInt(isSqueeze ? 0 : 1));
      editor.removeNode(node);
      editor.graph.valueInfo.delete(reduction.outputs[0]!);
      editor.setOutputs(reduction, [node.outputs[0]!]);
    },
  };
}
