/** Pad after Pad, Expand after Expand, Tile after Tile: what makes a tensor larger, twice. */
import { stringAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf, scalarOf } from './constants.ts';
import { bypass, type Merge, type MovementQuestion } from './merge.ts';
import { madeBy } from './pattern.ts';

/** Amounts of a Pad without `axes`, none of which cuts anything off, and what it pads with. */
function padding(editor: GraphEditor, node: Node) {
  const mode = stringAttr(node, 'mode', 'constant');
  const pads = intsOf(constantInput(editor, node, 1));
  if (!pads || node.inputs[3] || pads.some((amount) => amount < 0)) return undefined;
  // The border that the first one added is what the second would copy.
  if (mode === 'edge') return { mode, pads };
  const value = node.inputs[2] ? scalarOf(constantInput(editor, node, 2)) : 0;
  return mode === 'constant' && value !== undefined ? { mode: `constant ${value}`, pads } : undefined;
}

export function mergePads({ editor, node, opset }: MovementQuestion): Merge | undefined {
  const first = opset < 11 ? undefined : madeBy(editor, node.inputs[0], 'Pad');
  const inner = first && padding(editor, first);
  const outer = padding(editor, node);
  if (!first || !inner || !outer || inner.mode !== outer.mode || inner.pads.length !== outer.pads.length)
    return undefined;
  const pads = outer.pads.map((amount, at) => amount + inner.pads[at]!);
  return merged(editor, node, first, 'pads', pads);
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
