/** Operators that keep the elements and their order, one after the other. */
import { attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf } from './constants.ts';
import { rankOf } from './facts.ts';
import { bypass, type Merge, type MovementQuestion, removeIfUnread } from './merge.ts';
import { madeBy } from './pattern.ts';
import { constantTarget } from './reshape-target.ts';

/** Squeeze and Unsqueeze have their axes in an input since opset 13. */
function axesOf(editor: GraphEditor, node: Node, opset: number): number[] | undefined {
  return opset < 13 ? intsAttr(node, 'axes') : intsOf(constantInput(editor, node, 1));
}

const fromStart = (axes: readonly number[], rank: number) => axes.map((axis) => (axis < 0 ? axis + rank : axis));

/** Squeeze after Squeeze, Unsqueeze after Unsqueeze. */
export function mergeAxes({ editor, node, opset, facts }: MovementQuestion): Merge | undefined {
  const first = madeBy(editor, node.inputs[0], node.opType);
  const inner = first && axesOf(editor, first, opset);
  const outer = axesOf(editor, node, opset);
  const rank = first && rankOf(facts(first.inputs[0]!));
  if (!first || !inner || !outer || rank === undefined) return undefined;
  const axes = node.opType === 'Squeeze' ? squeezed(inner, outer, rank) : unsqueezed(inner, outer, rank);
  return {
    action: `merged two ${node.opType}s`,
    absorbed: [first],
    apply: () => {
      if (opset < 13) node.attributes.set('axes', attrInts(axes));
      else {
        const name = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.axes`, [axes.length], axes));
        editor.setInputs(node, [node.inputs[0]!, name]);
      }
      bypass(editor, node, first);
    },
  };
}

/** Axes of the tensor before both that go. */
function squeezed(inner: readonly number[], outer: readonly number[], rank: number): number[] {
  const gone = new Set(fromStart(inner, rank));
  const left = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !gone.has(axis));
  for (const axis of fromStart(outer, left.length)) gone.add(left[axis]!);
  return [...gone].sort((a, b) => a - b);
}

/** Axes of the tensor after both that are new. */
function unsqueezed(inner: readonly number[], outer: readonly number[], rank: number): number[] {
  const middle = rank + inner.length;
  const between = new Set(fromStart(inner, middle));
  const last = new Set(fromStart(outer, middle + outer.length));
  const axes: number[] = [];
  for (let axis = 0, at = 0; axis < middle + outer.length; axis++) {
    if (last.has(axis)) axes.push(axis);
    else if (between.has(at++)) axes.push(axis);
  }
  return axes;
}

/** Two of any kind, where the last shape can be written down as a target from the first. */
export function mergeShapes({ editor, node, opset, facts, sizes }: MovementQuestion): Merge | undefined {
  const first = opset < 5 ? undefined : madeBy(editor, node.inputs[0], 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze');
  if (!first) return undefined;
  const source = first.inputs[0]!;
  const target = constantTarget(facts(source)?.shape, facts(node.outputs[0]!)?.shape, sizes);
  if (!target) return undefined;
  return {
    action: `merged a ${first.opType} and a ${node.opType}`,
    absorbed: [first],
    apply: () => {
      const name = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.shape`, [target.length], target));
      const reshape = makeNode({ opType: 'Reshape', name: node.name, inputs: [source, name], outputs: node.outputs });
      editor.replaceNode(node, [reshape]);
      removeIfUnread(editor, first);
    },
  };
}
