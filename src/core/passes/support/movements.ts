/** Pairs of nodes that only move data and can be one. */

import { attrInt, attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import { constantInput, intsOf } from './constants.ts';
import { rankOf } from './facts.ts';
import { bypass, type Merge, type MovementQuestion } from './merge.ts';
import { axesOfReduction, concatOfSplit, sliceOfConcat, splitOfConcat } from './merge-parts.ts';
import { mergeCasts, mergeConcats, mergeSlices } from './merge-pieces.ts';
import { mergeExpands, mergePads, mergeTiles } from './merge-sizes.ts';
import { transposeOfBlocks } from './moved-blocks.ts';
import { madeBy } from './pattern.ts';
import { gatherOfRepeated } from './repeated-blocks.ts';
import { mergeAxes, mergeShapes } from './reshape-chains.ts';
import { isOp } from './scopes.ts';
import { constantRanges } from './slice-ranges.ts';
import { transposeOfTiled } from './tiled-transpose.ts';

type Rule = (question: MovementQuestion) => Merge | undefined;

const rules: Readonly<Record<string, readonly Rule[]>> = {
  Transpose: [mergeTransposes, transposeOfTiled],
  Reshape: [mergeReshapes, transposeOfBlocks, gatherOfRepeated, mergeShapes],
  Flatten: [mergeShapes],
  Squeeze: [sliceToGather, axesOfReduction, mergeAxes, mergeShapes],
  Unsqueeze: [axesOfReduction, mergeAxes, mergeShapes],
  Slice: [mergeSlices, sliceOfConcat],
  Concat: [concatOfSplit, mergeConcats],
  Split: [splitOfConcat],
  Pad: [mergePads],
  Expand: [mergeExpands],
  Tile: [mergeTiles],
  Cast: [mergeCasts],
};

export const movements: readonly string[] = Object.keys(rules);

/** What the node can be merged with, looking back. */
export function mergeMovement(question: MovementQuestion): Merge | undefined {
  const { node } = question;
  if (!isOp(node, ...movements)) return undefined;
  for (const rule of rules[node.opType]!) {
    const merge = rule(question);
    if (merge) return merge;
  }
  return undefined;
}

function mergeTransposes({ editor, node }: MovementQuestion): Merge | undefined {
  const first = madeBy(editor, node.inputs[0], 'Transpose');
  const inner = first && intsAttr(first, 'perm');
  const outer = intsAttr(node, 'perm');
  if (!first || !inner || !outer || inner.length !== outer.length) return undefined;
  return {
    action: 'merged two Transposes',
    absorbed: [first],
    apply: () => {
      node.attributes.set('perm', attrInts(outer.map((axis) => inner[axis]!)));
      bypass(editor, node, first);
    },
  };
}

/** A constant target without copied sizes does not depend on the shape in between. */
function mergeReshapes({ editor, node, opset }: MovementQuestion): Merge | undefined {
  const first = madeBy(editor, node.inputs[0], 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze');
  const target = opset < 5 ? undefined : intsOf(constantInput(editor, node, 1));
  if (!first || !target || target.includes(0)) return undefined;
  return {
    action: `merged a ${first.opType} into the Reshape after it`,
    absorbed: [first],
    apply: () => bypass(editor, node, first),
  };
}

/** One index of one axis, the axis then dropped: Slice(x, i, i + 1) + Squeeze is Gather(x, i). */
function sliceToGather({ editor, node, opset, facts }: MovementQuestion): Merge | undefined {
  const slice = madeBy(editor, node.inputs[0], 'Slice');
  if (!slice || !editor.singleConsumer(slice.outputs[0]!)) return undefined;
  const axes = opset < 13 ? intsAttr(node, 'axes') : intsOf(constantInput(editor, node, 1));
  const ranges = constantRanges(editor, slice, opset);
  const [range] = ranges ?? [];
  if (axes?.length !== 1 || ranges?.length !== 1 || !range || range.step !== 1) return undefined;
  const rank = rankOf(facts(slice.inputs[0]!));
  const fromStart = (axis: number) => (axis >= 0 || rank === undefined ? axis : axis + rank);
  if (fromStart(axes[0]!) !== fromStart(range.axis)) return undefined;
  const isLast = range.start === -1 && range.end >= 2 ** 31 - 1;
  if (range.end !== range.start + 1 && !isLast) return undefined;
  if (range.start < 0 && (opset < 11 || (range.start === -1 && !isLast))) return undefined;
  return {
    action: 'turned Slice + Squeeze into Gather',
    absorbed: [slice],
    apply: () => {
      const index = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.index`, [], [range.start]));
      const gather = makeNode({
        opType: 'Gather',
        name: node.name,
        inputs: [slice.inputs[0]!, index],
        outputs: [node.outputs[0]!],
        attributes: { axis: attrInt(range.axis) },
      });
      editor.replaceNode(node, [gather]);
      editor.removeNode(slice);
    },
  };
}
