/** What a Pad adds around a tensor. */
import { floatAttr, intsAttr, stringAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf, scalarOf } from './constants.ts';

interface Pads {
  readonly mode: string;
  /** Of every axis: starts, then ends. */
  readonly amounts: readonly number[];
  /** Undefined where only the caller knows it; means nothing but in mode `constant`. */
  readonly value: number | undefined;
}

/** @returns undefined unless the amounts are constants of all axes, and none cuts anything off */
export function padsOf(editor: GraphEditor, pad: Node, opset: number): Pads | undefined {
  const amounts = opset < 11 ? intsAttr(pad, 'pads') : intsOf(constantInput(editor, pad, 1));
  if (!amounts || pad.inputs[3] || amounts.some((amount) => amount < 0)) return undefined;
  const given = pad.inputs[2] ? scalarOf(constantInput(editor, pad, 2)) : 0;
  const value = opset < 11 ? floatAttr(pad, 'value', 0) : given;
  return { mode: stringAttr(pad, 'mode', 'constant'), amounts, value };
}
