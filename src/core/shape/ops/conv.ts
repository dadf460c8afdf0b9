/** Convolution and pooling: everything that slides a window over [N, C, spatial...]. */
import type { InferContext, InferFn } from '../context.ts';
import type { Shape } from '../facts.ts';
import { add, ceilDiv, floorDiv, isDistinct, min, mul, type Sym, sub } from '../symbolic.ts';
import { unknownShape } from './helpers.ts';

interface Window {
  readonly kernel: readonly Sym[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin of every axis, then end of every axis. */
  readonly pads: readonly number[];
  readonly autoPad: string;
}

function windowOf(c: InferContext, kernel: readonly Sym[]): Window {
  const rank = kernel.length;
  const ones = new Array<number>(rank).fill(1);
  return {
    kernel,
    strides: c.ints('strides') ?? ones,
    dilations: c.ints('dilations') ?? ones,
    pads: c.ints('pads') ?? new Array<number>(rank * 2).fill(0),
    autoPad: c.text('auto_pad', 'NOTSET'),
  };
}

/** (k - 1) * dilation + 1: the reach of the window. */
function reach(window: Window, axis: number): Sym {
  return add(mul(sub(window.kernel[axis] ?? null, 1), window.dilations[axis] ?? 1), 1);
}

/** Number of window positions along one axis. */
function positions(window: Window, axis: number, size: Sym, ceilMode: boolean): Sym {
  const stride = window.strides[axis] ?? 1;
  if (stride < 1) return null;
  if (window.autoPad === 'SAME_UPPER' || window.autoPad === 'SAME_LOWER') return ceilDiv(size, stride);
  const isValid = window.autoPad === 'VALID';
  const begin = isValid ? 0 : (window.pads[axis] ?? 0);
  const end = isValid ? 0 : (window.pads[axis + window.kernel.length] ?? 0);
  const span = reach(window, axis);
  const room = sub(add(size, begin + end), span);
  if (!ceilMode) return add(floorDiv(room, stride), 1);
  const rounded = add(ceilDiv(room, stride), 1);
  // A window must not start in the end padding (ONNX opset 19+ text, onnxruntime for all versions); when the window
  // reaches as far as the stride and the padding together, it never does.
  if (typeof span === 'number' && stride + end <= span) return rounded;
  return min(rounded, ceilDiv(add(size, begin), stride));
}

function slide(c: InferContext, input: Shape, channels: Sym, kernel: readonly Sym[], ceilMode = false): Shape {
  const spatial = input.slice(2);
  const window = windowOf(c, kernel);
  return [input[0]!, channels, ...spatial.map((size, axis) => positions(window, axis, size, ceilMode))];
}

/** @param weight index of the weight input, [M, C/group, kernel...] */
export function convShape(c: InferContext, input: number, weight: number): Shape | undefined {
  const w = c.shape(weight);
  // The weight tells the rank of an input that is not known at all, and how many channels come out.
  const x = c.shape(input) ?? (w && unknownShape(w.length));
  if (!x || x.length < 3) return undefined;
  const kernel = c.ints('kernel_shape') ?? w?.slice(2);
  if (w && w.length === x.length && isDistinct(x[1]!, mul(w[1]!, c.int('group', 1))))
    c.note('the channels of the input do not match the weights');
  return slide(c, x, w?.[0] ?? null, kernel ?? unknownShape(x.length - 2));
}

const conv: InferFn = (c) => c.set(0, c.dtype(0), convShape(c, 0, 1));

const convTranspose: InferFn = (c) => {
  const w = c.shape(1);
  const x = c.shape(0) ?? (w && unknownShape(w.length));
  if (!x || x.length < 3) return c.set(0, c.dtype(0), undefined);
  const channels = w ? mul(w[1]!, c.int('group', 1)) : null;
  const fixed = c.ints('output_shape');
  const spatial = x.slice(2);
  // Some exporters give the whole shape here, the operator asks for the spatial part.
  if (fixed) return c.set(0, c.dtype(0), [x[0]!, channels, ...fixed.slice(-spatial.length)]);
  const window = windowOf(c, c.ints('kernel_shape') ?? w?.slice(2) ?? unknownShape(spatial.length));
  const extra = c.ints('output_padding');
  const sizes = spatial.map((size, axis): Sym => {
    const stride = window.strides[axis] ?? 1;
    if (window.autoPad.startsWith('SAME')) return mul(size, stride);
    const pads = window.autoPad === 'VALID' ? 0 : (window.pads[axis] ?? 0) + (window.pads[axis + spatial.length] ?? 0);
    return add(add(mul(sub(size, 1), stride), reach(window, axis)), (extra?.[axis] ?? 0) - pads);
  });
  c.set(0, c.dtype(0), [x[0]!, channels, ...sizes]);
};

export const pool: InferFn = (c) => {
  const x = c.shape(0);
  const kernel = c.ints('kernel_shape');
  const shape =
    x && kernel && x.length === kernel.length + 2 ? slide(c, x, x[1]!, kernel, c.int('ceil_mode', 0) === 1) : undefined;
  c.set(0, c.dtype(0), shape);
  if (c.node.opType === 'MaxPool') c.set(1, 'int64', shape);
};

export const globalPool: InferFn = (c) => {
  const x = c.shape(0);
  c.set(
    0,
    c.dtype(0),
    x?.map((dim, axis) => (axis < 2 ? dim : 1)),
  );
};

const maxUnpool: InferFn = (c) => {
  const x = c.shape(0);
  if (c.has(2)) {
    const given = c.values(2);
    return c.set(0, c.dtype(0), given ?? (x && unknownShape(x.length)));
  }
  const kernel = c.ints('kernel_shape');
  if (!x || !kernel) return c.set(0, c.dtype(0), undefined);
  const { strides, pads } = windowOf(c, kernel);
  const spatial = x.slice(2).map((size, axis) => {
    const pad = (pads[axis] ?? 0) + (pads[axis + kernel.length] ?? 0);
    return add(mul(sub(size, 1), strides[axis] ?? 1), kernel[axis]! - pad);
  });
  c.set(0, c.dtype(0), [x[0]!, x[1]!, ...spatial]);
};

const maxRoiPool: InferFn = (c) => {
  const size = c.ints('pooled_shape');
  c.set(0, c.dtype(0), [c.shape(1)?.[0] ?? null, c.shape(0)?.[1] ?? null, ...(size ?? [null, null])]);
};

const roiAlign: InferFn = (c) => {
  const channels = c.shape(0)?.[1] ?? null;
  const count = c.shape(1)?.[0] ?? c.shape(2)?.[0] ?? null;
  c.set(0, c.dtype(0), [count, channels, c.int('output_height', 1), c.int('output_width', 1)]);
};

/** Input [N, C*prod(block), L] of column blocks back to an image of `image_shape`. */
const col2Im: InferFn = (c) => {
  const x = c.shape(0);
  const block = c.values(2);
  const image = c.values(1);
  const rank = image?.length ?? (c.shape(1)?.[0] as number | undefined);
  let channels: Sym = x?.[1] ?? null;
  for (const size of block ?? [null]) channels = floorDiv(channels, size);
  const spatial = image ?? (typeof rank === 'number' ? unknownShape(rank) : undefined);
  c.set(0, c.dtype(0), spatial && [x?.[0] ?? null, channels, ...spatial]);
};

const gridSample: InferFn = (c) => {
  const x = c.shape(0);
  const grid = c.shape(1);
  const rank = x?.length ?? grid?.length;
  if (rank === undefined) return c.set(0, c.dtype(0), undefined);
  c.set(0, c.dtype(0), [
    x?.[0] ?? grid?.[0] ?? null,
    x?.[1] ?? null,
    ...(grid ? grid.slice(1, -1) : unknownShape(rank - 2)),
  ]);
};

/** theta [N, 2, 3] or [N, 3, 4] and a size [N, C, (D,) H, W] to a grid [N, (D,) H, W, 2 or 3]. */
const affineGrid: InferFn = (c) => {
  const size = c.values(1);
  const length = size?.length ?? c.shape(1)?.[0];
  if (typeof length !== 'number') return c.set(0, c.dtype(0), undefined);
  const full = size ?? unknownShape(length);
  c.set(0, c.dtype(0), [full[0]!, ...full.slice(2), length - 2]);
};

export const convolution: Record<string, InferFn> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  ConvInteger: (c) => c.set(0, 'int32', convShape(c, 0, 1)),
  QLinearConv: (c) => c.set(0, c.dtype(7), convShape(c, 0, 3)),
  DeformConv: conv,
  AveragePool: pool,
  MaxPool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  MaxUnpool: maxUnpool,
  MaxRoiPool: maxRoiPool,
  RoiAlign: roiAlign,
  Col2Im: col2Im,
  GridSample: gridSample,
  AffineGrid: affineGrid,
};
