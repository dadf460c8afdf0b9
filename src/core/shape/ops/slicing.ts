/** Operators that take parts of a tensor or put tensors together. */
import type { InferContext, InferFn } from '../context.ts';
import { broadcastShapes, type Shape } from '../facts.ts';
import { add, ceilDiv, floorDiv, isExpr, max, min, mul, type Sym, sub } from '../symbolic.ts';
import { axesOf, axisOf, listArgument, unknownShape, withDim } from './helpers.ts';

const slice: InferFn = (c) => c.set(0, c.dtype(0), slicedShape(c));

export interface SliceArguments {
  readonly starts: readonly Sym[];
  readonly ends: readonly Sym[];
  readonly axes: readonly number[];
  readonly steps: readonly Sym[];
}

/** @returns undefined when the axes are not known */
export function sliceArguments(c: InferContext, rank: number): SliceArguments | undefined {
  const starts = c.ints('starts') ?? c.values(1);
  const ends = c.ints('ends') ?? c.values(2);
  const axes = listArgument(c, 3, 'axes');
  if (axes === 'unknown') return undefined;
  const count = starts?.length ?? ends?.length ?? axes?.length ?? c.shape(1)?.[0];
  if (typeof count !== 'number') return undefined;
  const resolved = axesOf(axes ?? Array.from({ length: count }, (_, axis) => axis), rank);
  if (!resolved) return undefined;
  const steps = c.has(4) ? c.values(4) : new Array<number>(count).fill(1);
  const unknown = unknownShape(count);
  return { starts: starts ?? unknown, ends: ends ?? unknown, axes: resolved, steps: steps ?? unknown };
}

function slicedShape(c: InferContext): Shape | undefined {
  const shape = c.shape(0);
  if (!shape) return undefined;
  const parts = sliceArguments(c, shape.length);
  if (!parts) return unknownShape(shape.length);
  let result: Shape = shape;
  for (const [at, axis] of parts.axes.entries()) {
    const size = sliceSize(shape[axis]!, parts.starts[at] ?? null, parts.ends[at] ?? null, parts.steps[at] ?? null);
    result = withDim(result, axis, size);
  }
  return result;
}

/**
 * How many elements start:end:step takes from `size`. Bounds are clamped as ONNX says. A symbolic bound is taken to lie
 * within the dimension: exporters compute such bounds from shapes, and clamping each would hide every simple result.
 */
export function sliceSize(size: Sym, start: Sym, end: Sym, step: Sym): Sym {
  if (size === null || typeof step !== 'number' || step === 0) return null;
  if (step < 0) return reversedSize(size, start, end, -step);
  const from = clampBound(start, size);
  const to = clampBound(end, size);
  const length = sub(to, from);
  if (length === null) return null;
  if (typeof length === 'number') return Math.max(0, Math.ceil(length / step));
  const isPlain = isExpr(start) || isExpr(end) || from === 0 || from === 1;
  return ceilDiv(isPlain ? length : max(length, 0), step);
}

function clampBound(bound: Sym, size: Sym): Sym {
  if (bound === null) return null;
  if (isExpr(bound)) {
    // "-seq" counts from the end.
    return bound.text.startsWith('-') ? add(size, bound) : bound;
  }
  if (bound < 0) {
    const at = add(size, Math.max(bound, -Number.MAX_SAFE_INTEGER / 2));
    return typeof at === 'number' ? Math.max(0, at) : bound < -0x7fffffff / 2 ? 0 : at;
  }
  // INT_MAX and the like mean "to the end".
  return typeof size === 'number' || bound < 0x7fffffff / 2 ? min(bound, size) : size;
}

/** Negative steps: numbers only, except for a whole reversal. */
function reversedSize(size: Sym, start: Sym, end: Sym, step: number): Sym {
  if (typeof start !== 'number' || typeof end !== 'number') return null;
  if (typeof size !== 'number') {
    const isWhole = (start === -1 || start >= 0x7fffffff / 2) && end < -0x7fffffff / 2;
    return isWhole ? ceilDiv(size, step) : null;
  }
  const clamp = (bound: number): number => Math.min(size - 1, Math.max(-1, bound < 0 ? bound + size : bound));
  return Math.max(0, Math.ceil((clamp(start) - clamp(end)) / step));
}

const concat: InferFn = (c) => {
  const shapes = Array.from({ length: c.inputCount }, (_, index) => c.shape(index));
  const first = shapes.find((shape) => shape !== undefined);
  const axis = first && axisOf(c.int('axis', c.opset < 4 ? 1 : 0), first.length);
  if (axis === undefined) return c.set(0, anyDtype(c), undefined);
  let total: Sym = 0;
  const result: Sym[] = [...first!];
  for (const shape of shapes) {
    if (shape && shape.length !== first!.length) return c.set(0, anyDtype(c), undefined);
    total = add(total, shape?.[axis] ?? null);
    // The other axes must agree, so a known size speaks for all.
    for (const [at, dim] of (shape ?? []).entries()) if (typeof dim === 'number') result[at] = dim;
  }
  result[axis] = total;
  c.set(0, anyDtype(c), result);
};

function anyDtype(c: InferContext) {
  for (let index = 0; index < c.inputCount; index++) {
    const dtype = c.dtype(index);
    if (dtype) return dtype;
  }
  return undefined;
}

const split: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = shape && axisOf(c.int('axis', 0), shape.length);
  const sizes = axis === undefined ? undefined : splitSizes(c, shape![axis]!);
  for (let output = 0; output < c.outputCount; output++) {
    const size = sizes?.[output] ?? null;
    c.set(output, c.dtype(0), axis === undefined ? undefined : withDim(shape!, axis, size));
  }
};

/** Sizes along the split axis: given, or equal parts with a smaller last one (opset 18). */
export function splitSizes(c: InferContext, size: Sym): readonly Sym[] | undefined {
  const given = c.ints('split') ?? (c.has(1) ? (c.values(1) ?? 'unknown') : undefined);
  if (given === 'unknown') return undefined;
  if (given) return given;
  const count = c.int('num_outputs', c.outputCount);
  if (c.opset < 18) return new Array<Sym>(count).fill(floorDiv(size, count));
  const chunk = ceilDiv(size, count);
  return Array.from({ length: count }, (_, part) => (part < count - 1 ? chunk : sub(size, mul(chunk, count - 1))));
}

const gather: InferFn = (c) => {
  const data = c.shape(0);
  const indices = c.shape(1);
  const axis = data && axisOf(c.int('axis', 0), data.length);
  const result =
    axis === undefined || !indices ? undefined : [...data!.slice(0, axis), ...indices, ...data!.slice(axis + 1)];
  c.set(0, c.dtype(0), result);
};

const gatherNd: InferFn = (c) => {
  const data = c.shape(0);
  const indices = c.shape(1);
  const batch = c.int('batch_dims', 0);
  const depth = indices?.at(-1);
  const isKnown = data && indices && typeof depth === 'number';
  c.set(0, c.dtype(0), isKnown ? [...indices.slice(0, -1), ...data.slice(batch + depth)] : undefined);
};

const expand: InferFn = (c) => {
  const target = c.values(1);
  const shape = c.shape(0);
  const rank = target?.length ?? c.shape(1)?.[0];
  if (!shape || typeof rank !== 'number') return c.set(0, c.dtype(0), undefined);
  const wanted = (target ?? unknownShape(rank)).map((size, axis) => {
    // onnxruntime reads -1 as "leave this one alone".
    return size === -1 ? (shape[axis - (rank - shape.length)] ?? 1) : size;
  });
  c.set(0, c.dtype(0), broadcastShapes([shape, wanted]));
};

const tile: InferFn = (c) => {
  const shape = c.shape(0);
  const repeats = c.opset < 6 ? undefined : c.values(1);
  c.set(
    0,
    c.dtype(0),
    shape?.map((dim, axis) => mul(dim, repeats?.[axis] ?? null)),
  );
};

const pad: InferFn = (c) => {
  const shape = c.shape(0);
  const pads = c.ints('pads') ?? c.ints('paddings') ?? c.values(1);
  const axes = c.has(3) ? (c.numbers(3) ?? 'unknown') : shape?.map((_, axis) => axis);
  const resolved = shape && axes && axes !== 'unknown' ? axesOf(axes, shape.length) : undefined;
  if (!shape || !resolved || !pads) return c.set(0, c.dtype(0), shape && unknownShape(shape.length));
  const result: Sym[] = [...shape];
  for (const [at, axis] of resolved.entries())
    result[axis] = add(shape[axis]!, add(pads[at] ?? null, pads[at + resolved.length] ?? null));
  c.set(0, c.dtype(0), result);
};

const likeData: InferFn = (c) => c.set(0, c.dtype(0), c.shape(0));

const centerCropPad: InferFn = (c) => {
  const shape = c.shape(0);
  const target = c.values(1);
  const axes = shape && axesOf(c.ints('axes') ?? shape.map((_, axis) => axis), shape.length);
  if (!axes) return c.set(0, c.dtype(0), undefined);
  const result: Sym[] = [...shape!];
  for (const [at, axis] of axes.entries()) result[axis] = target?.[at] ?? null;
  c.set(0, c.dtype(0), result);
};

const compress: InferFn = (c) => {
  const shape = c.shape(0);
  const axis = c.int('axis');
  const at = axis === undefined || !shape ? undefined : axisOf(axis, shape.length);
  const chosen = c.numbers(1)?.filter((value) => value !== 0).length ?? null;
  c.set(0, c.dtype(0), axis === undefined ? [chosen] : at === undefined ? undefined : withDim(shape!, at, chosen));
};

export const slicing: Record<string, InferFn> = {
  Slice: slice,
  Concat: concat,
  Split: split,
  Gather: gather,
  GatherElements: (c) => c.set(0, c.dtype(0), c.shape(1)),
  GatherND: gatherNd,
  Scatter: likeData,
  ScatterElements: likeData,
  ScatterND: likeData,
  TensorScatter: likeData,
  Expand: expand,
  Tile: tile,
  Pad: pad,
  CenterCropPad: centerCropPad,
  Compress: compress,
};
