import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput } from './constants.ts';
import { sliceRanges } from './evaluate/index.ts';

/** What a Slice cuts; undefined unless all of it is constant. Axes and ends may count from the end. */
export function constantRanges(editor: GraphEditor, slice: Node, opset: number): ReturnType<typeof sliceRanges> {
  const inputs = slice.inputs.map((_, at) => constantInput(editor, slice, at));
  return sliceRanges(slice, inputs, opset);
}

/** Where a bound of a Slice lies on an axis of this size: from the end where it is negative, and never outside. */
export const placeIn = (size: number, at: number): number => Math.max(0, Math.min(size, at < 0 ? at + size : at));
