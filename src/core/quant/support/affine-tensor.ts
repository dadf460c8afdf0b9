/**
 * Affine 8-bit quantization of one stored weight, streamed: one pass for the ranges, one for the codes. What is in
 * memory is one slab of the source and, where the codes must be transposed, the codes.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, elementCount, floatsOf, readTensorSlab } from '../../ir/tensor.ts';
import type { Tensor, TensorData } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import {
  type AffineScheme,
  affineParameters,
  codeRange,
  type IntegerRange,
  roundHalfEven,
  symmetricZeroPoint,
} from './affine.ts';
import { notFinite } from './bad-weight.ts';

/** Weights are quantized to one of these; 4-bit weights go blockwise. */
export interface ByteScheme extends AffineScheme {
  readonly type: 'int8' | 'uint8';
}

/**
 * How the elements of a tensor, in C order, fall into channels that have a scale each.
 * runs: `inner` consecutive elements belong to one channel, the next `inner` to the next, round and round.
 * interleaved: the elements are rows of `width`; the columns of `rowsPerGroup` consecutive rows are channels.
 */
export type ChannelView =
  | { readonly kind: 'runs'; readonly channels: number; readonly inner: number }
  | {
      readonly kind: 'interleaved';
      readonly channels: number;
      readonly width: number;
      readonly rowsPerGroup: number;
    };

export function perTensorView(dims: readonly number[]): ChannelView {
  return { kind: 'runs', channels: 1, inner: elementCount(dims) };
}

/** One channel per index of `axis`; with `axes` 2, per pair of indices of `axis` and the next one. */
export function perAxisView(dims: readonly number[], axis: number, axes = 1): ChannelView {
  const channels = elementCount(dims.slice(axis, axis + axes));
  const inner = elementCount(dims.slice(axis + axes));
  if (inner > 1) return { kind: 'runs', channels, inner };
  return { kind: 'interleaved', channels, width: channels, rowsPerGroup: elementCount(dims) / channels };
}

/** Blocks of `size` along `axis`, whose length must be a multiple; channels in the order of the scales' C order. */
export function blockView(dims: readonly number[], axis: number, size: number): ChannelView {
  const channels = elementCount(dims) / size;
  const width = elementCount(dims.slice(axis + 1));
  return width === 1
    ? { kind: 'runs', channels, inner: size }
    : { kind: 'interleaved', channels, width, rowsPerGroup: size };
}

export interface QuantizedTensor {
  /** 8-bit codes, dims of the source (of its transpose where that was asked for). */
  readonly data: TensorData;
  readonly dims: readonly number[];
  /** One per channel. */
  readonly scales: Float32Array;
  readonly zeroPoints: Int32Array;
}

export interface ByteRequest {
  readonly tensor: Tensor;
  readonly scheme: ByteScheme;
  readonly view: ChannelView;
  /** Swaps the last two axes of the codes. */
  readonly transpose?: boolean;
  /**
   * All channels get the same zero point, for operators that take only one; the scheme must be symmetric, or the view
   * a single channel. Without it a channel of zeros has zero point 0 whatever the others have.
   */
  readonly oneZeroPoint?: boolean;
}

const READ_BYTES = 8 << 20;

/**
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements
 */
export async function quantizeTensor(ctx: StepContext, request: ByteRequest): Promise<QuantizedTensor> {
  const { tensor, scheme, view } = request;
  const ranges = await channelRanges(ctx, tensor, view);
  const parameters = Array.from(ranges.min, (min, c) => affineParameters(min, ranges.max[c]!, scheme));
  const scales = Float32Array.from(parameters, ({ scale }) => scale);
  const zeroPoints = Int32Array.from(parameters, ({ zeroPoint }) => zeroPoint);
  if (request.oneZeroPoint && view.channels > 1) zeroPoints.fill(symmetricZeroPoint(scheme));
  const count = elementCount(tensor.dims);
  const codes = codeSlabs(ctx, request, scales, zeroPoints);
  if (!request.transpose) return { data: await ctx.store.put(count, codes), dims: tensor.dims, scales, zeroPoints };
  const whole = new Uint8Array(count);
  let at = 0;
  for await (const slab of codes) {
    whole.set(slab, at);
    at += slab.byteLength;
  }
  const { transposed, dims } = transposeLastTwo(whole, tensor.dims);
  return { data: await ctx.store.put(count, [transposed]), dims, scales, zeroPoints };
}

/** The elements of a floating-point tensor as float32, some megabytes at a time. */
export async function* slabsOf(
  ctx: StepContext,
  tensor: Tensor,
): AsyncGenerator<{ values: Float32Array; start: number }> {
  const elementBytes = dtypeInfo[tensor.dtype].bits / 8;
  const count = elementCount(tensor.dims);
  const step = Math.floor(READ_BYTES / elementBytes);
  for (let start = 0; start < count; start += step) {
    throwIfCancelled(ctx.signal);
    await ctx.yield();
    const length = Math.min(step, count - start);
    const bytes = await readTensorSlab(tensor, start * elementBytes, length * elementBytes);
    yield { values: floatsOf(tensor.dtype, bytes, length, tensor.name), start };
  }
}

/**
 * Minimum and maximum of each channel.
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements
 */
export async function channelRanges(
  ctx: StepContext,
  tensor: Tensor,
  view: ChannelView,
): Promise<{ min: Float32Array; max: Float32Array }> {
  const min = new Float32Array(view.channels).fill(Number.POSITIVE_INFINITY);
  const max = new Float32Array(view.channels).fill(Number.NEGATIVE_INFINITY);
  let poison = 0;
  for await (const { values, start } of slabsOf(ctx, tensor))
    forEachRun(start, values.length, view, (from, to, channel, step) => {
      poison +=
        step === 0 ? rangeOfRun(values, from, to, channel, min, max) : rangesOfRow(values, from, to, channel, min, max);
    });
  if (poison !== 0) throw notFinite(tensor.name);
  return { min, max };
}

type Bounds = Float32Array;

// Plain functions over arrays, with nothing captured: that is what compilers make fast. Both return NaN when an element
// is not finite, since x * 0 is NaN exactly for NaN and the infinities.

function rangeOfRun(values: Float32Array, from: number, to: number, channel: number, min: Bounds, max: Bounds): number {
  let low = min[channel]!;
  let high = max[channel]!;
  let poison = 0;
  for (let i = from; i < to; i += 1) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    poison += value * 0;
  }
  min[channel] = low;
  max[channel] = high;
  return poison;
}

function rangesOfRow(
  values: Float32Array,
  from: number,
  to: number,
  channel: number,
  min: Bounds,
  max: Bounds,
): number {
  let poison = 0;
  for (let i = from, c = channel; i < to; i += 1, c += 1) {
    const value = values[i]!;
    if (value < min[c]!) min[c] = value;
    if (value > max[c]!) max[c] = value;
    poison += value * 0;
  }
  return poison;
}

interface Run {
  readonly from: number;
  readonly to: number;
  readonly channel: number;
  readonly step: 0 | 1;
}

function quantizeRun(
  values: Float32Array,
  codes: Int8Array | Uint8Array,
  { from, to, channel, step }: Run,
  scales: Float32Array,
  zeroPoints: Int32Array,
  { min, max }: IntegerRange,
): void {
  for (let i = from, c = channel; i < to; i += 1, c += step) {
    const code = roundHalfEven(Math.fround(values[i]! / scales[c]!)) + zeroPoints[c]!;
    codes[i] = code < min ? min : code > max ? max : code;
  }
}

async function* codeSlabs(
  ctx: StepContext,
  { tensor, scheme, view }: ByteRequest,
  scales: Float32Array,
  zeroPoints: Int32Array,
): AsyncGenerator<Uint8Array> {
  const range = codeRange(scheme);
  for await (const { values, start } of slabsOf(ctx, tensor)) {
    const codes = scheme.type === 'int8' ? new Int8Array(values.length) : new Uint8Array(values.length);
    forEachRun(start, values.length, view, (from, to, channel, step) =>
      quantizeRun(values, codes, { from, to, channel, step }, scales, zeroPoints, range),
    );
    yield bytesOf(codes);
  }
}

/**
 * Splits a slab that begins at flat index `start`; `from` and `to` index the slab. With `step` 0 the run is of one
 * channel, with `step` 1 each element belongs to the channel after its neighbour's.
 */
export function forEachRun(
  start: number,
  length: number,
  view: ChannelView,
  visit: (from: number, to: number, channel: number, step: 0 | 1) => void,
): void {
  const runLength = view.kind === 'runs' ? view.inner : view.width;
  let run = Math.floor(start / runLength);
  let to = 0;
  for (let from = 0; from < length; from = to) {
    const intoRun = from === 0 ? start % runLength : 0;
    to = Math.min(length, from + runLength - intoRun);
    if (view.kind === 'runs') visit(from, to, run % view.channels, 0);
    else visit(from, to, Math.floor(run / view.rowsPerGroup) * view.width + intoRun, 1);
    run += 1;
  }
}

/** [.., rows, columns] to [.., columns, rows]. */
export function transposeLastTwo(
  codes: Uint8Array,
  dims: readonly number[],
): { transposed: Uint8Array; dims: readonly number[] } {
  const [rows, columns] = dims.slice(-2) as [number, number];
  const leading = dims.slice(0, -2);
  const transposed = new Uint8Array(codes.length);
  const size = rows * columns;
  for (let base = 0; base < codes.length; base += size)
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1)
        transposed[base + column * rows + row] = codes[base + row * columns + column]!;
  return { transposed, dims: [...leading, columns, rows] };
}
