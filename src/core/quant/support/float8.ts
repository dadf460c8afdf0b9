/**
 * Quantization to 8-bit floats, r = scale * q with q in E4M3 or E5M2 (Micikevicius et al. 2022, arXiv 2209.05433): the
 * scale takes the largest magnitude to the largest finite q. Weights are streamed: one pass for the scales, one for the
 * codes.
 */
import { bytesOf, elementCount } from '../../ir/tensor.ts';
import type { Tensor, TensorData } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { type ChannelView, channelRanges, forEachRun, slabsOf } from './affine-tensor.ts';

export type Float8Type = 'float8e4m3fn' | 'float8e5m2';

interface Format {
  readonly mantissaBits: number;
  readonly bias: number;
  readonly largestCode: number;
  /** Its value. */
  readonly largest: number;
}

export const float8Formats: Readonly<Record<Float8Type, Format>> = {
  float8e4m3fn: { mantissaBits: 3, bias: 7, largestCode: 0x7e, largest: 448 },
  float8e5m2: { mantissaBits: 2, bias: 15, largestCode: 0x7b, largest: 57344 },
};

const SMALLEST_NORMAL_FLOAT32 = 1.1754943508222875e-38;

/** @param largest magnitude that must stay in range; 0 gives scale 1 */
export function float8Scale(type: Float8Type, largest: number): number {
  if (largest === 0) return 1;
  return Math.max(Math.fround(largest / float8Formats[type].largest), SMALLEST_NORMAL_FLOAT32);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * The code of the nearest value, ties to the even code, saturating (ONNX QuantizeLinear-19 with `saturate` 1).
 * @param value finite
 */
export function float8Code(type: Float8Type, value: number): number {
  const { mantissaBits, bias, largestCode } = float8Formats[type];
  float[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 24) & 0x80;
  const magnitude = word & 0x7fffffff;
  if (magnitude < (128 - bias) << 23) {
    // Below the smallest normal number: adding a power of two whose last place is the smallest subnormal rounds to it.
    bits[0] = magnitude;
    const magic = 2 ** (24 - bias - mantissaBits);
    return sign | Math.round((Math.fround(float[0]! + magic) - magic) * 2 ** (bias + mantissaBits - 1));
  }
  const shift = 23 - mantissaBits;
  const rounded = (magnitude + ((1 << (shift - 1)) - 1) + ((magnitude >>> shift) & 1)) >>> shift;
  return sign | Math.min(rounded - ((127 - bias) << mantissaBits), largestCode);
}

export interface Float8Weight {
  /** A byte an element, in the order of the source. */
  readonly data: TensorData;
  /** One a channel. */
  readonly scales: Float32Array;
}

/** @throws StudioError pass/bad-weight when the weight has NaN or infinite elements, storage/full, job/cancelled */
export async function quantizeToFloat8(
  ctx: StepContext,
  tensor: Tensor,
  type: Float8Type,
  view: ChannelView,
): Promise<Float8Weight> {
  const { min, max } = await channelRanges(ctx, tensor, view);
  const scales = min.map((low, channel) => float8Scale(type, Math.max(-low, max[channel]!)));
  async function* codes(): AsyncGenerator<Uint8Array> {
    for await (const { values, start } of slabsOf(ctx, tensor)) {
      const slab = new Uint8Array(values.length);
      forEachRun(start, values.length, view, (from, to, channel, step) => {
        for (let i = from, c = channel; i < to; i += 1, c += step)
          slab[i] = float8Code(type, Math.fround(values[i]! / scales[c]!));
      });
      yield bytesOf(slab);
    }
  }
  return { data: await ctx.store.put(elementCount(tensor.dims), codes()), scales };
}
