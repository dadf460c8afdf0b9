/** Domain ai.onnx.ml (the operators with tensor results) and the optimizers of ai.onnx.preview.training. */
import type { InferFn } from '../context.ts';
import { withDim } from './helpers.ts';

const floatLike: InferFn = (c) => c.set(0, 'float32', c.shape(0));
const same: InferFn = (c) => c.set(0, c.dtype(0), c.shape(0));

const labelEncoder: InferFn = (c) => {
  const kind = ['values_strings', 'values_int64s', 'values_floats'].find((name) => c.attribute(name));
  const byAttribute = { values_strings: 'string', values_int64s: 'int64', values_floats: 'float32' } as const;
  const dtype = kind ? byAttribute[kind as keyof typeof byAttribute] : c.tensor('values_tensor')?.dtype;
  // Version 1 swaps between strings and their indexes.
  const swapped = c.attribute('classes_strings') ? (c.dtype(0) === 'string' ? 'int64' : 'string') : undefined;
  c.set(0, dtype ?? swapped, c.shape(0));
};

const classifier: InferFn = (c) => {
  const labels =
    c.attribute('classlabels_strings') ?? c.attribute('classlabels_ints') ?? c.attribute('classlabels_int64s');
  const count = labels?.type === 'strings' || labels?.type === 'ints' ? labels.value.length : null;
  const rows = c.rank(0) === 1 ? 1 : (c.shape(0)?.[0] ?? null);
  c.set(0, labels?.type === 'strings' ? 'string' : 'int64', [rows]);
  // A binary classifier with one label may give one or two columns.
  c.set(1, 'float32', [rows, count !== null && count > 2 ? count : null]);
};

const regressor: InferFn = (c) => {
  const rows = c.rank(0) === 1 ? 1 : (c.shape(0)?.[0] ?? null);
  c.set(0, 'float32', [rows, c.int('n_targets', c.int('targets', 1))]);
};

const arrayFeatureExtractor: InferFn = (c) => {
  const shape = c.shape(0);
  const picked = c.shape(1)?.at(-1) ?? null;
  if (!shape) return c.set(0, c.dtype(0), undefined);
  c.set(0, c.dtype(0), shape.length === 1 ? [1, picked] : withDim(shape, shape.length - 1, picked));
};

const oneHotEncoder: InferFn = (c) => {
  const categories = c.attribute('cats_int64s') ?? c.attribute('cats_strings');
  const count = categories?.type === 'ints' || categories?.type === 'strings' ? categories.value.length : null;
  const shape = c.shape(0);
  c.set(0, 'float32', shape && [...shape, count]);
};

const treeEnsemble: InferFn = (c) => c.set(0, c.dtype(0), [c.shape(0)?.[0] ?? null, c.int('n_targets', 1)]);

export const mlOps: Record<string, InferFn> = {
  ArrayFeatureExtractor: arrayFeatureExtractor,
  Binarizer: same,
  Imputer: same,
  LabelEncoder: labelEncoder,
  LinearClassifier: classifier,
  LinearRegressor: regressor,
  Normalizer: floatLike,
  OneHotEncoder: oneHotEncoder,
  SVMClassifier: classifier,
  SVMRegressor: regressor,
  Scaler: floatLike,
  TreeEnsemble: treeEnsemble,
  TreeEnsembleClassifier: classifier,
  TreeEnsembleRegressor: regressor,
};

/** Inputs: rate, step, then X.., G.., and the optimizer's states ..; outputs: new X.., new states ... */
const optimizer =
  (statesPerTensor: number): InferFn =>
  (c) => {
    const count = Math.floor((c.inputCount - 2) / (2 + statesPerTensor));
    for (let output = 0; output < c.outputCount; output++) {
      const source = output < count ? 2 + output : 2 + count + output;
      c.set(output, c.dtype(source), c.shape(source));
    }
  };

/** A gradient is like what it is taken with respect to, which the attribute `xs` names. */
const gradient: InferFn = (c) => {
  const names = c.attribute('xs');
  if (names?.type !== 'strings') return;
  for (const [output, name] of names.value.entries()) {
    const facts = c.surroundings.lookup(new TextDecoder().decode(name));
    c.set(output, facts?.dtype, facts?.shape);
  }
};

export const trainingOps: Record<string, InferFn> = {
  Gradient: gradient,
  Adagrad: optimizer(1),
  Adam: optimizer(2),
  Momentum: optimizer(1),
};
