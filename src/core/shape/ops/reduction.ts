/** Reductions, ArgMax/ArgMin, TopK, and the losses that end in a reduction. */
import type { InferContext, InferFn } from '../context.ts';
import type { Shape } from '../facts.ts';
import type { Sym } from '../symbolic.ts';
import { axesOf, axisOf, listArgument, unknownShape, withDim } from './helpers.ts';

export const reduceOps = [
  ...['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean', 'ReduceMin'],
  ...['ReduceProd', 'ReduceSum', 'ReduceSumSquare'],
] as const;

function reducedShape(c: InferContext): Shape | undefined {
  const shape = c.shape(0);
  if (!shape) return undefined;
  const keep = c.int('keepdims', 1) === 1;
  const given = listArgument(c, 1, 'axes');
  if (given === 'unknown') {
    // An empty list may mean "all" or "none", so only the number of axes is known, and only if it is not zero.
    const count = c.shape(1)?.[0];
    if (keep) return unknownShape(shape.length);
    return typeof count === 'number' && count > 0 ? unknownShape(Math.max(0, shape.length - count)) : undefined;
  }
  const isNoop = given === undefined || given.length === 0;
  if (isNoop && c.int('noop_with_empty_axes', 0) === 1) return shape;
  const axes = isNoop ? shape.map((_, axis) => axis) : axesOf(given, shape.length);
  return axes && reduceAxes(shape, axes, keep);
}

export function reduceAxes(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  return keep
    ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : shape.filter((_, axis) => !axes.includes(axis));
}

const reduce: InferFn = (c) => c.set(0, c.dtype(0), reducedShape(c));

const argReduce: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = shape && axisOf(c.int('axis', 0), shape.length);
  c.set(0, 'int64', axis === undefined ? undefined : reduceAxes(shape!, [axis], c.int('keepdims', 1) === 1));
};

const topK: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = shape && axisOf(c.int('axis', -1), shape.length);
  const k: Sym = c.int('k') ?? c.values(1)?.[0] ?? null;
  const result = axis === undefined ? undefined : withDim(shape!, axis, k);
  c.set(0, c.dtype(0), result);
  c.set(1, 'int64', result);
};

const loss: InferFn = (c) => {
  const isMean = c.text('reduction', 'mean') !== 'none';
  c.set(0, c.dtype(0), isMean ? [] : c.shape(1));
  if (c.node.opType === 'SoftmaxCrossEntropyLoss') c.set(1, c.dtype(0), c.shape(0));
};

export const reduction: Record<string, InferFn> = {
  ...Object.fromEntries(reduceOps.map((op) => [op, reduce])),
  ArgMax: argReduce,
  ArgMin: argReduce,
  TopK: topK,
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
};
