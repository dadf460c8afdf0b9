/** Pad after Pad, Expand after Expand, Tile after Tile: what makes a tensor larger, twice. */
import type { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf } from './constants.ts';
import { bypass, type Merge, type MovementQuestion } from './merge.ts';
import { padsOf } from './pads.ts';
import { madeBy } from './pattern.ts';

export function mergePads({ editor, node, opset }: MovementQuestion): Merge | undefined {
  const first = opset < 11 ? undefined : madeBy(editor, node.inputs[0], 'Pad');
  const inner = first && padsOf(editor, first, opset);
  const outer = inner && padsOf(editor, node, opset);
  if (!first || !outer || inner.mode !== outer.mode || inner.amounts.length !== outer.amounts.length) return undefined;
  // NaN is filled with NaN.
  const isSame = outer.value === inner.value || Object.is(outer.value, inner.value);
  const isFilled = outer.mode === 'constant' && outer.value !== undefined && isSame;
  // Of edges, the border that the first one added is what the second would copy.
  if (!isFilled && outer.mode !== 'edge') return undefined;
  const amounts = outer.amounts.map((amount, at) => amount + inner.amounts[at]!);
  return merged(editor, node, first, 'pads', amounts);
}

export function mergeTiles({ editor, node, opset }: MovementQuestion): Merge | undefined {
  const first = opset < 6 ? undefined : madeBy(editor, node.inputs[0], 'Tile');
  const inner = first && intsOf(constantInput(editor, first, 1));
  const outer = intsOf(constantInput(editor, node, 1));
  if (!first || !inner || !outer) return undefined;
  const repeats = outer.map((count, at) => count * inner[at]!);
  return merged(editor, node, first, 'repeats', repeats);
}

function merged(editor: GraphEditor, node: Node, first: Node, what: string, values: readonly number[]): Merge {
  return {
    action: `merged two ${node.opType}s`,
    absorbed: [first],
    apply: () => {
      const name = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.${what}`, [values.length], values));
      editor.setInputs(node, node.inputs.with(1, name));
      bypass(editor, node, first);
    },
  };
}

/** The second alone gives the same shape: each axis is as large as it says, or was that large before both. */
export function mergeExpands({ editor, node, facts }: MovementQuestion): Merge | undefined {
  const first = madeBy(editor, node.inputs[0], 'Expand');
  const before = first && facts(first.inputs[0]!)?.shape;
  const after = facts(node.outputs[0]!)?.shape;
  const target = intsOf(constantInput(editor, node, 1));
  if (!first || !before || !after || !target) return undefined;
  const isReached = after.every((dim, axis) => {
    if (dim === null) return false;
    const said = target[axis - (after.length - target.length)];
    const had = before[axis - (after.length - before.length)];
    return dim === said || dim === had || (dim === 1 && said === undefined && had === undefined);
  });
  return isReached
    ? { action: 'merged two Expands', absorbed: [first], apply: () => bypass(editor, node, first) }
    : undefined;
}
