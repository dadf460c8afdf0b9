/**
 * Scales and zero points of round-to-nearest blockwise quantization, bit-equal to onnxruntime 1.30's default quantizer
 * (MLAS, q4_dq.cpp): symmetric s = -m / 2^(bits-1) with m the value of largest magnitude, so that the longer side gets
 * the extra code; asymmetric s = (max - min) / (2^bits - 1) over a range that includes 0, z = round(-min / s).
 */
import { float16BitsToFloat32, float32ToFloat16Bits } from '../../base/float16.ts';
import type { WeightBits } from './weight-bits.ts';

export interface NBitsScheme {
  readonly bits: WeightBits;
  readonly symmetric: boolean;
  /** The activations' type: MatMulNBits wants its scales in it. */
  readonly scaleType: 'float32' | 'float16';
}

/** The zero point that symmetric quantization uses: the middle of the codes. */
export function defaultZeroPoint(bits: WeightBits): number {
  return 2 ** (bits - 1);
}

export interface NBitsParameters {
  readonly scales: Float32Array;
  readonly reciprocals: Float32Array;
  readonly zeroPoints: Float32Array;
  /** False when a block's range is too wide for its scale to be a finite number. */
  readonly finite: boolean;
}

/** One entry per block; scales are rounded to the scale type first, so that codes fit what the runtime will multiply by. */
export function roundToNearestParameters(
  min: Float32Array,
  max: Float32Array,
  { bits, symmetric, scaleType }: NBitsScheme,
): NBitsParameters {
  const blocks = min.length;
  const scales = new Float32Array(blocks);
  const reciprocals = new Float32Array(blocks);
  const zeroPoints = new Float32Array(blocks);
  const half = defaultZeroPoint(bits);
  const maxCode = 2 ** bits - 1;
  let finite = true;
  for (let i = 0; i < blocks; i += 1) {
    let low = min[i]!;
    let high = max[i]!;
    let scale: number;
    let zeroPoint = half;
    if (symmetric) scale = Math.fround(-(Math.abs(high) > Math.abs(low) ? high : low) / half);
    else {
      low = Math.min(low, 0);
      high = Math.max(high, 0);
      scale = Math.fround(Math.fround(high - low) / maxCode);
      const exact = scale === 0 ? low : Math.fround(-Math.fround(low / scale));
      zeroPoint = Math.min(Math.max(Math.floor(exact + 0.5), 0), maxCode);
    }
    if (scaleType === 'float16') scale = float16BitsToFloat32(float32ToFloat16Bits(scale));
    const reciprocal = scale === 0 ? 0 : Math.fround(1 / scale);
    finite &&= Number.isFinite(scale);
    // A scale so small that its reciprocal overflows: the block is zero for every purpose.
    scales[i] = Number.isFinite(reciprocal) ? scale : 0;
    reciprocals[i] = Number.isFinite(reciprocal) ? reciprocal : 0;
    zeroPoints[i] = zeroPoint;
  }
  return { scales, reciprocals, zeroPoints, finite };
}
