/** Elements of small tensors through operators that move them around or make them. */

import { constantElements, maxElements } from '../constant-elements.ts';
import type { InferContext, ValueFn } from '../context.ts';
import { allNumbers, axisOf, sizeOf } from '../ops/helpers.ts';
import { shapeBounds } from '../ops/reshaping.ts';
import { sliceArguments, splitSizes } from '../ops/slicing.ts';
import { add, mul, type Sym } from '../symbolic.ts';
import { forEachBroadcast } from './elementwise.ts';

const shapeValues: ValueFn = (c) => {
  const shape = c.shape(0);
  return shape?.slice(...shapeBounds(c, shape.length));
};

const sizeValues: ValueFn = (c) => {
  const shape = c.shape(0);
  return shape && [sizeOf(shape)];
};

/** Same elements, same order: Reshape, Squeeze, Unsqueeze, Flatten. */
const kept: ValueFn = (c) => c.values(0);

function knownShape(c: InferContext, index: number): readonly number[] | undefined {
  const shape = c.shape(index);
  return shape && allNumbers(shape) ? shape : undefined;
}

const count = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1);

/** Sizes before, at, and after an axis. */
function around(shape: readonly number[], axis: number): [outer: number, size: number, inner: number] {
  return [count(shape.slice(0, axis)), shape[axis]!, count(shape.slice(axis + 1))];
}

const gather: ValueFn = (c) => {
  const data = c.values(0);
  const shape = knownShape(c, 0);
  const indices = c.values(1);
  const axis = shape && axisOf(c.int('axis', 0), shape.length);
  if (!data || !indices || axis === undefined) return undefined;
  const [outer, size, inner] = around(shape!, axis);
  const result: Sym[] = [];
  for (let before = 0; before < outer; before++)
    for (const index of indices)
      for (let after = 0; after < inner; after++) {
        const at = typeof index === 'number' ? (index < 0 ? index + size : index) : -1;
        result.push(at >= 0 && at < size ? (data[(before * size + at) * inner + after] ?? null) : null);
      }
  return result;
};

const concat: ValueFn = (c) => {
  const shapes = Array.from({ length: c.inputCount }, (_, index) => knownShape(c, index));
  const axis = shapes[0] && axisOf(c.int('axis', 0), shapes[0].length);
  if (axis === undefined || shapes.some((shape) => !shape)) return undefined;
  const parts = shapes.map((_, index) => c.values(index));
  if (parts.every((part) => part === undefined)) return undefined;
  const [outer] = around(shapes[0]!, axis);
  const result: Sym[] = [];
  for (let before = 0; before < outer; before++)
    for (const [index, part] of parts.entries()) {
      const chunk = count(shapes[index]!.slice(axis));
      for (let at = 0; at < chunk; at++) result.push(part?.[before * chunk + at] ?? null);
    }
  return result;
};

/** One axis with known bounds, which is all that shape computations do. */
const slice: ValueFn = (c) => {
  const data = c.values(0);
  const shape = knownShape(c, 0);
  const parts = shape && sliceArguments(c, shape.length);
  if (!data || !parts || parts.axes.length !== 1) return undefined;
  const [start, end, step] = [parts.starts[0], parts.ends[0], parts.steps[0]];
  if (typeof start !== 'number' || typeof end !== 'number' || typeof step !== 'number' || step === 0) return undefined;
  const [outer, size, inner] = around(shape!, parts.axes[0]!);
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (bound: number, floor: number): number =>
    Math.min(high, Math.max(floor, bound < 0 ? bound + size : bound));
  const from = clamp(start, Math.max(low, 0));
  const to = clamp(end, low);
  const result: Sym[] = [];
  for (let before = 0; before < outer; before++)
    for (let at = from; step > 0 ? at < to : at > to; at += step)
      for (let after = 0; after < inner; after++) result.push(data[(before * size + at) * inner + after] ?? null);
  return result;
};

/** Sets the elements of every output, since each takes another part. */
const split: ValueFn = (c) => {
  const data = c.values(0);
  const shape = knownShape(c, 0);
  const axis = shape && axisOf(c.int('axis', 0), shape.length);
  const sizes = axis === undefined ? undefined : splitSizes(c, shape![axis]!);
  if (!data || !sizes || !allNumbers(sizes) || shape!.length !== 1) return undefined;
  let from = 0;
  const parts = sizes.map((size) => {
    from += size;
    return data.slice(from - size, from);
  });
  for (let output = 1; output < parts.length; output++) if (c.wants(output)) c.setValues(output, parts[output]!);
  return parts[0];
};

const transpose: ValueFn = (c) => {
  const data = c.values(0);
  const shape = knownShape(c, 0);
  if (!data || !shape || shape.length > 2) return undefined;
  const perm = c.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis);
  if (shape.length < 2 || perm[0] === 0) return data;
  const [rows, columns] = shape as [number, number];
  return Array.from({ length: rows * columns }, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)] ?? null);
};

const expand: ValueFn = (c) => {
  const data = c.values(0);
  const own = knownShape(c, 0);
  const shape = c.outputs[0]?.shape as readonly number[];
  if (!data || !own) return undefined;
  const result: Sym[] = [];
  forEachBroadcast(shape, [own], ([at]) => result.push(data[at!] ?? null));
  return result;
};

const tile: ValueFn = (c) => {
  const data = c.values(0);
  const repeats = c.scalar(1);
  if (!data || c.rank(0) !== 1 || typeof repeats !== 'number' || data.length * repeats > maxElements) return undefined;
  return Array.from({ length: data.length * repeats }, (_, at) => data[at % data.length] ?? null);
};

const constantOfShape: ValueFn = (c) => {
  const shape = c.outputs[0]?.shape as readonly number[];
  const tensor = c.tensor('value');
  const fill = tensor ? constantElements(tensor)?.[0] : 0;
  return fill === undefined ? undefined : new Array<Sym>(count(shape)).fill(fill);
};

const range: ValueFn = (c) => {
  const start = c.scalar(0);
  const step = c.scalar(2);
  const length = c.outputs[0]?.shape?.[0];
  if (start === undefined || step === undefined || typeof length !== 'number' || c.dtype(0) === 'float32')
    return undefined;
  return Array.from({ length }, (_, at) => add(start, mul(step, at)));
};

const nonZero: ValueFn = (c) => {
  const values = c.numbers(0);
  if (!values || c.rank(0) !== 1) return undefined;
  return values.flatMap((value, at) => (value !== 0 ? [at] : []));
};

/** Writing a few elements of a vector, as exporters do for the last entry of a shape. */
const scatterNd: ValueFn = (c) => {
  const data = c.values(0);
  const indices = c.numbers(1);
  const updates = c.values(2);
  if (!data || !indices || !updates || c.rank(0) !== 1 || c.text('reduction', 'none') !== 'none') return undefined;
  if (indices.length !== updates.length) return undefined;
  const result = [...data];
  for (const [at, index] of indices.entries()) result[index < 0 ? index + data.length : index] = updates[at]!;
  return result.slice(0, data.length);
};

export const layoutValues: Record<string, ValueFn> = {
  Shape: shapeValues,
  Size: sizeValues,
  Reshape: kept,
  Squeeze: kept,
  Unsqueeze: kept,
  Flatten: kept,
  Gather: gather,
  Concat: concat,
  Slice: slice,
  Split: split,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  ConstantOfShape: constantOfShape,
  Range: range,
  NonZero: nonZero,
  ScatterND: scatterNd,
  ScatterElements: scatterNd,
};
