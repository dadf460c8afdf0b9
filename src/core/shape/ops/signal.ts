/** DFT and STFT. */
import type { InferFn } from '../context.ts';
import { add, floorDiv, type Sym, sub } from '../symbolic.ts';
import { axisOf } from './helpers.ts';

/** Input [..., signal axis, ..., 1 or 2]; opset 20 moved `axis` to an input with default -2. */
const dft: InferFn = (c) => {
  const shape = c.shape(0);
  const given = c.opset < 20 ? c.int('axis', 1) : c.has(2) ? c.scalar(2) : -2;
  const axis = shape && typeof given === 'number' ? axisOf(given, shape.length) : undefined;
  if (axis === undefined)
    return c.set(
      0,
      c.dtype(0),
      shape?.map(() => null),
    );
  const length: Sym = c.has(1) ? (c.scalar(1) ?? null) : shape![axis]!;
  const isOneSided = c.int('onesided', 0) === 1;
  const isInverse = c.int('inverse', 0) === 1;
  const size = isOneSided && !isInverse ? add(floorDiv(length, 2), 1) : length;
  // One-sided inverse transforms give real numbers (opset 20 text).
  const parts = isOneSided && isInverse ? 1 : 2;
  c.set(
    0,
    c.dtype(0),
    shape!.map((dim, at) => (at === axis ? size : at === shape!.length - 1 ? parts : dim)),
  );
};

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
