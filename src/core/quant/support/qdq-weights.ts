/** Weights and biases of QDQ nodes: 8-bit codes with symmetric scales, int32 codes with the scale of the product. */
import { bytesOf, elementCount, readTensorFloats } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import { type AffineScheme, affineParameters, codeRange, quantizeAffine, rangeOf, roundHalfEven } from './affine.ts';
import { notFinite } from './bad-weight.ts';

const INT32_MAX = 2 ** 31 - 1;

export interface QuantizedWeight {
  readonly codes: Uint8Array;
  /** One a channel, or a single one. */
  readonly scales: Float32Array;
  /** The same for every channel: onnxruntime's QLinearConv wants it so. */
  readonly zeroPoint: number;
}

export interface WeightRequest {
  readonly tensor: Tensor;
  /** undefined: one scale for the whole weight. */
  readonly axis: number | undefined;
  readonly reduceRange: boolean;
  /** uint8 codes are int8 codes moved up by 128. */
  readonly type?: 'int8' | 'uint8';
  /** Of the node that reads it: scales are kept so large that every bias fits into 32 bits. */
  readonly bias?: { readonly values: Float32Array; readonly inputScale: number } | undefined;
}

/** @throws StudioError pass/bad-weight when the weight has NaN or infinite elements */
export async function quantizeWeight({
  tensor,
  axis,
  reduceRange,
  type = 'int8',
  bias,
}: WeightRequest): Promise<QuantizedWeight> {
  const scheme: AffineScheme = { type: 'int8', symmetric: true, reduceRange };
  const values = await readTensorFloats(tensor);
  const channels = axis === undefined ? 1 : tensor.dims[axis]!;
  const inner = axis === undefined ? values.length : elementCount(tensor.dims.slice(axis + 1));
  const outer = values.length / (channels * inner);
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(channels);
  const range = codeRange(scheme);
  for (let channel = 0; channel < channels; channel += 1) {
    let largest = 0;
    forEachRun(channels, inner, outer, channel, (start, count, stride) => {
      const { min, max, finite } = rangeOf(values, start, count, stride);
      if (!finite) throw notFinite(tensor.name);
      largest = Math.max(largest, -min, max);
    });
    const scale = Math.max(
      scaleOf(largest, scheme, bias, channel),
      smallestScale(bias, axis === undefined ? undefined : channel),
    );
    scales[channel] = scale;
    forEachRun(channels, inner, outer, channel, (start, count, stride) =>
      quantizeAffine(values, codes, { scale: scales[channel]!, zeroPoint: 0 }, range, start, count, stride),
    );
  }
  const bytes = bytesOf(codes);
  if (type === 'int8') return { codes: bytes, scales, zeroPoint: 0 };
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = bytes[i]! ^ 0x80;
  return { codes: bytes, scales, zeroPoint: 128 };
}

/** A channel of zeros has no scale of its own, so it takes one that leaves its bias 23 bits. */
function scaleOf(largest: number, scheme: AffineScheme, bias: WeightRequest['bias'], channel: number): number {
  const own = Math.abs(bias?.values[channel] ?? 0);
  if (largest === 0 && bias && own > 0) return own / (bias.inputScale * 2 ** 23);
  return affineParameters(-largest, largest, scheme).scale;
}

/** onnxruntime raises the weight's scale likewise where bias / (input scale * weight scale) would not fit. */
function smallestScale(bias: WeightRequest['bias'], channel: number | undefined): number {
  if (!bias) return 0;
  const largest =
    channel === undefined
      ? bias.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      : Math.abs(bias.values[channel]!);
  return largest / (bias.inputScale * INT32_MAX);
}

function forEachRun(
  channels: number,
  inner: number,
  outer: number,
  channel: number,
  visit: (start: number, count: number, stride: number) => void,
): void {
  if (inner === 1) {
    visit(channel, outer, channels);
    return;
  }
  for (let at = 0; at < outer; at += 1) visit((at * channels + channel) * inner, inner, 1);
}

export interface QuantizedBias {
  readonly codes: Uint8Array;
  /** Input scale times weight scale; as many as the weight has. */
  readonly scales: Float32Array;
}

/** @throws StudioError pass/bad-weight when the bias has NaN or infinite elements */
export function quantizeBias(
  name: string,
  values: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): QuantizedBias {
  const scales = weightScales.map((scale) => Math.fround(inputScale * scale));
  const codes = Int32Array.from(values, (value, channel) => {
    if (!Number.isFinite(value)) throw notFinite(name);
    const code = roundHalfEven(value / scales[scales.length === 1 ? 0 : channel]!);
    return Math.min(Math.max(code, -INT32_MAX), INT32_MAX);
  });
  return { codes: bytesOf(codes), scales };
}
