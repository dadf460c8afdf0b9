/** Operators that make tensors: constants, ranges, random numbers, one-hot, and those that name a shape to fill. */
import { constantNodeTensor } from '../../ir/constant.ts';
import type { InferContext, InferFn } from '../context.ts';
import { constantFacts, type Shape } from '../facts.ts';
import { ceilDiv, max, type Sym, sub } from '../symbolic.ts';
import { axisOf, lengthOf, unknownShape } from './helpers.ts';

/** The shape that input `index` spells out. */
export function shapeFromInput(c: InferContext, index: number): Shape | undefined {
  const values = c.values(index);
  if (values) return values;
  const rank = lengthOf(c, index);
  return rank === undefined ? undefined : unknownShape(rank);
}

const constant: InferFn = (c) => {
  const tensor = constantNodeTensor(c.node) ?? c.tensor('value');
  if (tensor) return c.setFacts(0, constantFacts(tensor));
  const sparse = c.attribute('sparse_value');
  if (sparse?.type === 'sparse-tensor') c.set(0, sparse.value.values.dtype, sparse.value.dims);
};

const constantOfShape: InferFn = (c) => c.set(0, c.tensor('value')?.dtype ?? 'float32', shapeFromInput(c, 0));

const range: InferFn = (c) => {
  const start = c.scalar(0) ?? null;
  const limit = c.scalar(1) ?? null;
  const step = c.scalar(2) ?? null;
  c.set(0, c.dtype(0) ?? c.dtype(1), [rangeLength(start, limit, step)]);
};

export function rangeLength(start: Sym, limit: Sym, step: Sym): Sym {
  if (typeof step !== 'number' || step === 0) return null;
  const span = sub(limit, start);
  if (typeof span === 'number') return Math.max(0, Math.ceil(span / step));
  return step > 0 && Number.isInteger(step) ? max(ceilDiv(span, step), 0) : null;
}

const randomOfShape: InferFn = (c) => c.set(0, c.dtypeAttribute('dtype') ?? 'float32', c.ints('shape'));
const randomLike: InferFn = (c) => c.set(0, c.dtypeAttribute('dtype') ?? c.dtype(0), c.shape(0));

const multinomial: InferFn = (c) =>
  c.set(0, c.dtypeAttribute('dtype') ?? 'int32', [c.shape(0)?.[0] ?? null, c.int('sample_size', 1)]);

const oneHot: InferFn = (c) => {
  const indices = c.shape(0);
  const axis = indices && axisOf(c.int('axis', -1), indices.length + 1);
  const depth = c.scalar(1) ?? null;
  const result = axis === undefined ? undefined : [...indices!.slice(0, axis), depth, ...indices!.slice(axis)];
  c.set(0, c.dtype(2), result);
};

const window: InferFn = (c) => c.set(0, c.dtypeAttribute('output_datatype') ?? 'float32', [c.scalar(0) ?? null]);

const melWeightMatrix: InferFn = (c) => {
  const bins = c.scalar(0) ?? null;
  const length = c.scalar(1);
  const spectrum = typeof length === 'number' ? Math.floor(length / 2) + 1 : null;
  c.set(0, c.dtypeAttribute('output_datatype') ?? 'float32', [spectrum, bins]);
};

export const generators: Record<string, InferFn> = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Range: range,
  EyeLike: randomLike,
  RandomNormal: randomOfShape,
  RandomUniform: randomOfShape,
  RandomNormalLike: randomLike,
  RandomUniformLike: randomLike,
  Bernoulli: randomLike,
  Multinomial: multinomial,
  OneHot: oneHot,
  BlackmanWindow: window,
  HammingWindow: window,
  HannWindow: window,
  MelWeightMatrix: melWeightMatrix,
};
