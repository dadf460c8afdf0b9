/**
 * Query, key and value that one product makes and that are told apart after their heads: [batch, length, 3 * heads * size],
 * reshaped to [batch, length, 3, heads, size], transposed to [3, batch, heads, length, size], one of three taken (timm,
 * Swin, PaddleOCR).
 */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { constantInput, intsOf, scalarOf } from './constants.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';

export interface Third {
  /** [batch, length, 3 * heads * size] */
  readonly whole: string;
  /** 0, 1 or 2 */
  readonly part: number;
}

/** @param value [batch, heads, length, size] */
export function thirdOf(editor: GraphEditor, facts: FactLookup, value: string): Third | undefined {
  const taken = takenFrom(editor, value);
  const transpose = madeBy(editor, taken?.from, 'Transpose');
  const reshape = madeBy(editor, transpose?.inputs[0], 'Reshape');
  if (!taken || !transpose || !reshape || intsAttr(transpose, 'perm')?.join() !== '2,0,3,1,4') return undefined;
  const whole = reshape.inputs[0]!;
  const [batch, length, width, ...more] = facts(whole)?.shape ?? [];
  const split = facts(reshape.outputs[0]!)?.shape;
  if (more.length > 0 || split?.length !== 5 || split[2] !== 3) return undefined;
  const [heads, size] = split.slice(3);
  if (typeof heads !== 'number' || typeof size !== 'number' || width !== 3 * heads * size) return undefined;
  if (!sameShape([batch ?? null, length ?? null], split.slice(0, 2))) return undefined;
  return { whole, part: taken.part };
}

/** One of three along the first axis, which is then gone. */
function takenFrom(editor: GraphEditor, value: string): { from: string; part: number } | undefined {
  const gather = madeBy(editor, value, 'Gather');
  if (gather) {
    const index = constantInput(editor, gather, 1);
    const part = index?.dims.length === 0 && intAttr(gather, 'axis', 0) === 0 ? scalarOf(index) : undefined;
    return part === undefined ? undefined : { from: gather.inputs[0]!, part: part < 0 ? part + 3 : part };
  }
  const squeeze = madeBy(editor, value, 'Squeeze');
  const axes = squeeze && (intsAttr(squeeze, 'axes') ?? intsOf(constantInput(editor, squeeze, 1)));
  const split = axes?.join() === '0' ? madeBy(editor, squeeze?.inputs[0], 'Split') : undefined;
  if (!split || intAttr(split, 'axis', 0) !== 0 || split.outputs.length !== 3) return undefined;
  return { from: split.inputs[0]!, part: split.outputs.indexOf(squeeze!.inputs[0]!) };
}
