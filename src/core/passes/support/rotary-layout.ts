/** How the value that a rotary embedding rotates lies, and what it was before its heads were split off. */
import type { Dim } from '../../ir/types.ts';
import { swapsHeads } from './attention-operands.ts';
import { sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';
import type { Look, Rotation } from './rotary-pattern.ts';

export interface Layout {
  readonly isByHead: boolean;
  readonly batch: Dim;
  readonly length: Dim;
  readonly heads: number;
  readonly size: number;
  /** One set of angles for all rows of the batch. */
  readonly isShared: boolean;
  /** Which row of the angles each place has, [batch, length]; where it is not given, they are in the order of the places. */
  readonly positions?: string;
  /** [batch, length, heads, size], where the value is it or was it. */
  readonly bySequence: string | undefined;
  /** [batch, length, heads * size] */
  readonly flat: string | undefined;
}

/** Of a rotation written out, whose factors have four axes once ones are put in front. */
export function layoutOf(look: Look, { whole, cos, sin, width }: Rotation): Layout | undefined {
  const { facts } = look;
  const shape = facts(whole)?.shape;
  const angles = facts(cos)?.shape;
  if (shape?.length !== 4 || !angles || angles.length > 4 || !sameShape(angles, facts(sin)?.shape)) return undefined;
  const [rows, a, b, columns] = [...Array<Dim>(4 - angles.length).fill(1), ...angles] as [Dim, Dim, Dim, Dim];
  const isByHead = a === 1 && sameShape([b], [shape[2]!]);
  if (columns !== width || (!isByHead && !(b === 1 && sameShape([a], [shape[1]!])))) return undefined;
  const place = placeOf(look, whole, isByHead);
  return place && (rows === 1 || sameShape([rows], [place.batch])) ? { ...place, isShared: rows === 1 } : undefined;
}

/** @param whole of four axes */
export function placeOf(
  { editor, facts }: Look,
  whole: string,
  isByHead: boolean,
): Omit<Layout, 'isShared'> | undefined {
  const shape = facts(whole)!.shape!;
  const [batch, length, heads, size] = (isByHead ? [0, 2, 1, 3] : [0, 1, 2, 3]).map((axis) => shape[axis]!);
  if (typeof heads !== 'number' || typeof size !== 'number') return undefined;
  const transpose = isByHead ? madeBy(editor, whole, 'Transpose') : undefined;
  const bySequence = isByHead ? (transpose && swapsHeads(transpose) ? transpose.inputs[0]! : undefined) : whole;
  const before = madeBy(editor, bySequence, 'Reshape')?.inputs[0];
  const isFlat = sameShape(facts(before ?? '')?.shape, [batch!, length!, heads * size]);
  return { isByHead, batch: batch!, length: length!, heads, size, bySequence, flat: isFlat ? before : undefined };
}
