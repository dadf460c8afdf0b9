/** Transposes that can be had more cheaply: between reshapes, or of axes of size 1. */
import { attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Dim } from '../../ir/types.ts';
import { sameShape } from './facts.ts';
import { type Merge, type MovementQuestion, removeIfUnread } from './merge.ts';
import { madeBy } from './pattern.ts';
import { constantTarget } from './reshape-target.ts';

const equal = (a: Dim | undefined, b: Dim | undefined) => a !== undefined && a !== null && a === b;

/**
 * Which axes of the shape before a Reshape make up each axis after it, where sizes before and behind stay and those in
 * the middle become one. Undefined when that is not what the Reshape does.
 */
function blocksOf(before: readonly Dim[], after: readonly Dim[]): number[][] | undefined {
  let head = 0;
  while (head < after.length - 1 && equal(before[head], after[head])) head++;
  let tail = 0;
  while (head + tail < after.length - 1 && equal(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const middle = before.length - head - tail;
  if (head + tail !== after.length - 1 || middle < 1) return undefined;
  return after.map((_, axis) => {
    if (axis < head) return [axis];
    if (axis > head) return [axis + middle - 1];
    return Array.from({ length: middle }, (_unused, at) => head + at);
  });
}

/** [B, H, S, D] -> [B * H, S, D] -> [B * H, D, S] -> [B, H, D, S] is one Transpose, and so on for other blocks. */
export function transposeOfBlocks({ editor, node, facts }: MovementQuestion): Merge | undefined {
  const transpose = madeBy(editor, node.inputs[0], 'Transpose');
  if (!transpose || !editor.singleConsumer(transpose.outputs[0]!)) return undefined;
  const reshape = madeBy(editor, transpose.inputs[0], 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze');
  const perm = intsAttr(transpose, 'perm');
  if (!reshape || !perm) return undefined;
  const source = reshape.inputs[0]!;
  const before = facts(source)?.shape;
  const between = facts(transpose.inputs[0]!)?.shape;
  const blocks = before && between && blocksOf(before, between);
  if (!blocks || blocks.length !== perm.length) return undefined;
  const axes = perm.flatMap((axis) => blocks[axis]!);
  const moved = axes.map((axis) => before![axis]!);
  if (!sameShape(moved, facts(node.outputs[0]!)?.shape)) return undefined;
  return {
    action: 'merged Reshape + Transpose + Reshape into a Transpose',
    absorbed: [reshape, transpose],
    apply: () => {
      const attributes = { perm: attrInts(axes) };
      const { name, outputs } = node;
      editor.replaceNode(node, [makeNode({ opType: 'Transpose', name, inputs: [source], outputs, attributes })]);
      editor.removeNode(transpose);
      removeIfUnread(editor, reshape);
    },
  };
}

/** Axes of size 1 can be moved without moving an element. */
export function transposeOfUnitAxes({ editor, node, opset, facts, sizes }: MovementQuestion): Merge | undefined {
  const perm = opset < 5 ? undefined : intsAttr(node, 'perm');
  const shape = facts(node.inputs[0]!)?.shape;
  if (!perm || !shape || perm.length !== shape.length) return undefined;
  const long = perm.filter((axis) => shape[axis] !== 1);
  const moves = perm.some((axis, at) => axis !== at);
  if (!moves || long.some((axis, at) => at > 0 && axis < long[at - 1]!)) return undefined;
  const target = constantTarget(
    shape,
    perm.map((axis) => shape[axis]!),
    sizes,
  );
  if (!target) return undefined;
  return {
    action: 'turned a Transpose of axes of size 1 into a Reshape',
    absorbed: [],
    apply: () => {
      const target1 = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.shape`, [target.length], target));
      const { name, outputs } = node;
      const inputs = [node.inputs[0]!, target1];
      editor.replaceNode(node, [makeNode({ opType: 'Reshape', name, inputs, outputs })]);
    },
  };
}
