/** Resize (opsets 10 to 19+) and its predecessor Upsample. */
import type { InferContext, InferFn } from '../context.ts';
import type { Shape } from '../facts.ts';
import { isExpr, mul, type Sym } from '../symbolic.ts';
import { axesOf, unknownShape } from './helpers.ts';

/** floor(size * scale), in float32 as runtimes compute it. */
function scaled(size: Sym, scale: number | null | undefined): Sym {
  if (scale === null || scale === undefined) return null;
  if (typeof size === 'number') return Math.floor(Math.fround(Math.fround(size) * scale));
  // A symbolic product is kept only when it is whole for every size.
  return isExpr(size) && Number.isInteger(scale) ? mul(size, scale) : null;
}

function scaledShape(shape: Shape, axes: readonly number[], scales: readonly (number | null)[]): Shape {
  const result: Sym[] = [...shape];
  for (const [at, axis] of axes.entries()) {
    const scale = scales[at];
    result[axis] = scale === 1 ? shape[axis]! : scaled(shape[axis]!, scale);
  }
  return result;
}

const upsample: InferFn = (c) => {
  const shape = c.shape(0);
  if (!shape) return c.set(0, c.dtype(0), undefined);
  const attribute = c.attribute('scales');
  const scales = attribute?.type === 'floats' ? attribute.value : c.numbers(1);
  const axes = shape.map((_, axis) => axis);
  c.set(0, c.dtype(0), scales ? scaledShape(shape, axes, scales) : unknownShape(shape.length));
};

const resize: InferFn = (c) => {
  if (c.opset < 11) return upsample(c);
  const shape = c.shape(0);
  const axes = shape && axesOf(c.ints('axes') ?? shape.map((_, axis) => axis), shape.length);
  if (!shape || !axes) return c.set(0, c.dtype(0), undefined);
  c.set(0, c.dtype(0), resizedShape(c, shape, axes));
};

function resizedShape(c: InferContext, shape: Shape, axes: readonly number[]): Shape {
  // An input of length 0 counts as left out.
  const sizes = c.has(3) && c.shape(3)?.[0] !== 0 ? (c.values(3) ?? unknownShape(axes.length)) : undefined;
  if (sizes) return withSizes(shape, axes, sizes, c.text('keep_aspect_ratio_policy', 'stretch'));
  const scales = c.numbers(2);
  if (!scales || scales.length !== axes.length) return openAxes(shape, axes);
  if (c.text('coordinate_transformation_mode', 'half_pixel') !== 'tf_crop_and_resize')
    return scaledShape(shape, axes, scales);
  const roi = c.numbers(1);
  const cropped = scales.map((scale, at) => (roi ? scale * (roi[at + axes.length]! - roi[at]!) : null));
  return scaledShape(shape, axes, cropped);
}

function withSizes(shape: Shape, axes: readonly number[], sizes: readonly Sym[], policy: string): Shape {
  const result: Sym[] = [...shape];
  if (policy === 'stretch') {
    for (const [at, axis] of axes.entries()) result[axis] = sizes[at] ?? null;
    return result;
  }
  const factors = axes.map((axis, at) => {
    const [size, wanted] = [shape[axis], sizes[at]];
    return typeof size === 'number' && typeof wanted === 'number' ? wanted / size : Number.NaN;
  });
  if (factors.some(Number.isNaN)) return openAxes(shape, axes);
  const factor = policy === 'not_larger' ? Math.min(...factors) : Math.max(...factors);
  for (const axis of axes) result[axis] = Math.round((shape[axis] as number) * factor);
  return result;
}

const openAxes = (shape: Shape, axes: readonly number[]): Shape =>
  shape.map((dim, axis) => (axes.includes(axis) ? null : dim));

export const resizing: Record<string, InferFn> = { Resize: resize, Upsample: upsample };
