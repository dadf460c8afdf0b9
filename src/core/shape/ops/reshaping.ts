/** Operators that keep the elements and change the shape around them, or report it. */
import type { InferContext, InferFn } from '../context.ts';
import type { Shape } from '../facts.ts';
import { divideExactly, floorDiv, mul, product, type Sym, sameSym } from '../symbolic.ts';
import { axesOf, lengthOf, listArgument, unknownShape } from './helpers.ts';

const reshape: InferFn = (c) => c.set(0, c.dtype(0), reshapedShape(c));

function reshapedShape(c: InferContext): Shape | undefined {
  const target = c.ints('shape') ?? c.values(1);
  if (!target) {
    const rank = lengthOf(c, 1);
    return rank === undefined ? undefined : unknownShape(rank);
  }
  return resolveReshape(c.shape(0), target, c.int('allowzero', 0) === 1);
}

/**
 * The shape that a Reshape target means for an input of shape `input`: 0 copies the input's size (unless `allowZero`),
 * one -1 takes what is left. An unknown (null) element of the target takes what is left too when it is the only one,
 * since the sizes must multiply to the same count.
 */
export function resolveReshape(input: Shape | undefined, target: readonly Sym[], allowZero: boolean): Shape {
  const result: Sym[] = target.map((size, axis) => {
    if (size === 0 && !allowZero) return input ? (input[axis] ?? null) : null;
    return size === -1 ? null : size;
  });
  const open = result.flatMap((size, axis) => (size === null ? [axis] : []));
  if (open.length !== 1 || !input || input.includes(null)) return result;
  // Equal sizes on both sides cancel first: that keeps sums such as (past+seq) out of the polynomial division.
  const dividends = [...input];
  const divisors: Sym[] = [];
  for (const size of result) {
    if (size === null) continue;
    const at = dividends.findIndex((dim) => sameSym(dim, size));
    if (at >= 0) dividends.splice(at, 1);
    else divisors.push(size);
  }
  const divisor = product(divisors);
  const dividend = product(dividends);
  // With a size of zero around, "what is left" cannot be computed by division.
  if (divisor === 0 || result.includes(0)) return result;
  result[open[0]!] = divideExactly(dividend, divisor) ?? floorDiv(dividend, divisor);
  return result;
}

const transpose: InferFn = (c) => {
  const shape = c.shape(0);
  const perm = c.ints('perm') ?? shape?.map((_, axis) => shape.length - 1 - axis);
  const isValid =
    shape && perm && perm.length === shape.length && perm.every((axis) => axis >= 0 && axis < shape.length);
  c.set(0, c.dtype(0), isValid ? perm.map((axis) => shape[axis]!) : undefined);
};

const flatten: InferFn = (c) => {
  const shape = c.shape(0);
  const given = c.int('axis', 1);
  if (!shape) return c.set(0, c.dtype(0), [null, null]);
  const axis = given < 0 ? given + shape.length : given;
  c.set(0, c.dtype(0), [product(shape.slice(0, axis)), product(shape.slice(axis))]);
};

const squeeze: InferFn = (c) => {
  const shape = c.shape(0);
  const axes = listArgument(c, 1, 'axes');
  if (!shape) return c.set(0, c.dtype(0), undefined);
  if (axes === 'unknown') {
    const count = lengthOf(c, 1);
    return c.set(0, c.dtype(0), count === undefined ? undefined : unknownShape(Math.max(0, shape.length - count)));
  }
  if (axes === undefined) {
    // Every axis of size 1 goes: the rank is known only when all sizes are.
    const isKnown = shape.every((dim) => typeof dim === 'number');
    return c.set(0, c.dtype(0), isKnown ? shape.filter((dim) => dim !== 1) : undefined);
  }
  const gone = axesOf(axes, shape.length);
  c.set(0, c.dtype(0), gone && shape.filter((_, axis) => !gone.includes(axis)));
};

const unsqueeze: InferFn = (c) => {
  const shape = c.shape(0);
  const axes = listArgument(c, 1, 'axes');
  if (!shape || axes === undefined) return c.set(0, c.dtype(0), undefined);
  if (axes === 'unknown') {
    const count = lengthOf(c, 1);
    return c.set(0, c.dtype(0), count === undefined ? undefined : unknownShape(shape.length + count));
  }
  const rank = shape.length + axes.length;
  const added = axesOf(axes, rank);
  if (!added) return c.set(0, c.dtype(0), undefined);
  let next = 0;
  const result = Array.from({ length: rank }, (_, axis): Sym => (added.includes(axis) ? 1 : (shape[next++] ?? null)));
  c.set(0, c.dtype(0), result);
};

/** Shape with `start` and `end` (opset 15); out-of-range bounds are clamped. */
const shapeOf: InferFn = (c) => {
  const shape = c.shape(0);
  if (!shape) return c.set(0, 'int64', [null]);
  const [start, end] = shapeBounds(c, shape.length);
  c.set(0, 'int64', [Math.max(0, end - start)]);
};

export function shapeBounds(c: InferContext, rank: number): [start: number, end: number] {
  const clamp = (at: number): number => Math.min(rank, Math.max(0, at < 0 ? at + rank : at));
  return [clamp(c.int('start', 0)), clamp(c.int('end', rank))];
}

const depthToSpace: InferFn = (c) => {
  const shape = c.shape(0);
  const block = c.int('blocksize', 1);
  if (shape?.length !== 4) return c.set(0, c.dtype(0), unknownShape(4));
  const [n, channels, height, width] = shape as [Sym, Sym, Sym, Sym];
  c.set(0, c.dtype(0), [n, floorDiv(channels, block * block), mul(height, block), mul(width, block)]);
};

const spaceToDepth: InferFn = (c) => {
  const shape = c.shape(0);
  const block = c.int('blocksize', 1);
  if (shape?.length !== 4) return c.set(0, c.dtype(0), unknownShape(4));
  const [n, channels, height, width] = shape as [Sym, Sym, Sym, Sym];
  c.set(0, c.dtype(0), [n, mul(channels, block * block), floorDiv(height, block), floorDiv(width, block)]);
};

export const reshaping: Record<string, InferFn> = {
  Reshape: reshape,
  Transpose: transpose,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Shape: shapeOf,
  Size: (c) => c.set(0, 'int64', []),
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
