import type { InferContext } from '../context.ts';
import type { Shape } from '../facts.ts';
import { product, type Sym } from '../symbolic.ts';

/** @returns undefined when the axis does not exist */
export function axisOf(axis: number, rank: number): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? at : undefined;
}

/** @returns undefined when one of the axes does not exist */
export function axesOf(axes: readonly number[], rank: number): number[] | undefined {
  const result: number[] = [];
  for (const axis of axes) {
    const at = axisOf(axis, rank);
    if (at === undefined) return undefined;
    result.push(at);
  }
  return result;
}

export const unknownShape = (rank: number): Shape => new Array<Sym>(rank).fill(null);

/** The shape with one axis replaced. */
export function withDim(shape: Shape, axis: number, size: Sym): Shape {
  return shape.map((dim, at) => (at === axis ? size : dim));
}

export const sizeOf = (shape: Shape): Sym => product(shape);

export const allNumbers = (shape: readonly Sym[]): shape is readonly number[] =>
  shape.every((dim) => typeof dim === 'number');

/**
 * A list that older operator sets have as an attribute and newer ones as an input.
 * @returns 'unknown' when it is an input whose elements are not known; undefined when it is not given at all
 */
export function listArgument(
  c: InferContext,
  input: number,
  attribute: string,
): readonly number[] | 'unknown' | undefined {
  const given = c.ints(attribute);
  if (given) return given;
  return c.has(input) ? (c.numbers(input) ?? 'unknown') : undefined;
}

/** The length of a 1-D input: the rank of what it describes. */
export function lengthOf(c: InferContext, input: number): number | undefined {
  const shape = c.shape(input);
  const length = shape?.length === 1 ? shape[0] : undefined;
  return typeof length === 'number' ? length : undefined;
}

/** Output 0 is like input 0. */
export function sameAsInput(c: InferContext): void {
  c.set(0, c.dtype(0), c.shape(0));
}
