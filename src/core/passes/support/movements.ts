/** Pairs of nodes that only move data and can be one. */
import { attrInt, attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf } from './constants.ts';
import { sliceRanges } from './evaluate/index.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { madeBy } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface MovementQuestion {
  readonly editor: GraphEditor;
  readonly node: Node;
  readonly opset: number;
  readonly facts: FactLookup;
}

export interface Merge {
  readonly action: string;
  /** Nodes before the one asked about that are passed over (they go when nobody else reads them). */
  readonly absorbed: readonly Node[];
  readonly apply: () => void;
}

/** What the node can be merged with, looking back. */
export function mergeMovement(question: MovementQuestion): Merge | undefined {
  const { node } = question;
  if (isOp(node, 'Transpose')) return mergeTransposes(question);
  if (isOp(node, 'Reshape')) return mergeReshapes(question);
  return isOp(node, 'Squeeze') ? sliceToGather(question) : undefined;
}

/** Bypasses a node; it is removed when that was its last reader. */
function bypass(editor: GraphEditor, node: Node, skipped: Node): void {
  editor.setInputs(node, [skipped.inputs[0]!, ...node.inputs.slice(1)]);
  const isRead = skipped.outputs.some((name) => editor.isGraphOutput(name) || editor.consumersOf(name).length > 0);
  if (!isRead) editor.removeNode(skipped);
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
  const inputs = slice.inputs.map((_, at) => constantInput(editor, slice, at));
  const ranges = sliceRanges(slice, inputs, opset);
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
