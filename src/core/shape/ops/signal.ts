/** DFT and STFT. */
import type { InferContext, InferFn } from '../context.ts';
import { add, floorDiv, mul, type Sym, sub } from '../symbolic.ts';
import { axisOf } from './helpers.ts';

/** Input [..., signal axis, ..., 1 or 2]; opset 20 moved `axis` to an input with default -2. */
const dft: InferFn = (c) => {
  const shape = c.shape(0);
  if (!shape) return c.set(0, c.dtype(0), undefined);
  const isOneSided = c.int('onesided', 0) === 1;
  const isInverse = c.int('inverse', 0) === 1;
  // One-sided inverse transforms give real numbers (opset 20 text).
  const parts = isOneSided && isInverse ? 1 : 2;
  const given = c.opset < 20 ? c.int('axis', 1) : c.has(2) ? c.scalar(2) : -2;
  const axis = typeof given === 'number' ? axisOf(given, shape.length) : undefined;
  const sizeAt = (at: number): Sym => {
    const keeps = !c.has(1) && !isOneSided;
    if (keeps || (axis !== undefined && at !== axis)) return shape[at]!;
    return axis === undefined ? null : transformedSize(c, shape[axis]!, isOneSided, isInverse);
  };
  c.set(
    0,
    c.dtype(0),
    shape.map((_, at) => (at === shape.length - 1 ? parts : sizeAt(at))),
  );
};

/** One-sided: half of the spectrum goes out, or comes in. */
function transformedSize(c: InferContext, size: Sym, isOneSided: boolean, isInverse: boolean): Sym {
  const length = c.has(1) ? (c.scalar(1) ?? null) : undefined;
  if (!isOneSided) return length === undefined ? size : length;
  if (isInverse) return length === undefined ? mul(sub(size, 1), 2) : length;
  return add(floorDiv(length === undefined ? size : length, 2), 1);
}

/** Signal [batch, length, 1 or 2], frame step, window, frame length -> [batch, frames, bins, 2]. */
const stft: InferFn = (c) => {
  const signal = c.shape(0);
  const step = c.scalar(1) ?? null;
  const length: Sym = c.has(3) ? (c.scalar(3) ?? null) : (c.shape(2)?.[0] ?? null);
  const bins = c.int('onesided', 1) === 1 ? add(floorDiv(length, 2), 1) : length;
  const frames = add(floorDiv(sub(signal?.[1] ?? null, length), step), 1);
  c.set(0, c.dtype(0), [signal?.[0] ?? null, frames, bins, 2]);
};

export const signal: Record<string, InferFn> = { DFT: dft, STFT: stft };
