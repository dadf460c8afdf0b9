/** Operators whose output size depends on the data, and text operators. */
import type { InferFn } from '../context.ts';
import { axisOf, withDim } from './helpers.ts';

const nonZero: InferFn = (c) => {
  const shape = c.shape(0);
  const values = c.numbers(0);
  const count = values ? values.filter((value) => value !== 0).length : null;
  c.set(0, 'int64', [shape ? shape.length : null, count]);
};

const unique: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = c.int('axis');
  const at = axis === undefined || !shape ? undefined : axisOf(axis, shape.length);
  c.set(0, c.dtype(0), axis === undefined ? [null] : at === undefined ? undefined : withDim(shape!, at, null));
  for (const output of [1, 2, 3]) c.set(output, 'int64', [null]);
};

/** Each row of output 0 is (batch, class, box). */
const nonMaxSuppression: InferFn = (c) => c.set(0, 'int64', [null, 3]);

const stringNormalizer: InferFn = (c) => {
  const rank = c.rank(0);
  c.set(0, 'string', rank === undefined ? undefined : rank === 2 ? [1, null] : [null]);
};

const stringSplit: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, 'string', shape && [...shape, null]);
  c.set(1, 'int64', shape);
};

const tfIdf: InferFn = (c) => {
  const shape = c.shape(0);
  const indexes = c.ints('ngram_indexes');
  const width = indexes ? Math.max(-1, ...indexes) + 1 : null;
  c.set(0, 'float32', shape && [...shape.slice(0, -1), width]);
};

const imageDecoder: InferFn = (c) =>
  c.set(0, 'uint8', [null, null, c.text('pixel_format', 'RGB') === 'Grayscale' ? 1 : 3]);

export const selection: Record<string, InferFn> = {
  NonZero: nonZero,
  Unique: unique,
  NonMaxSuppression: nonMaxSuppression,
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
  RegexFullMatch: (c) => c.set(0, 'bool', c.shape(0)),
  TfIdfVectorizer: tfIdf,
  ImageDecoder: imageDecoder,
};
