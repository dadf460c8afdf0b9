/**
 * Affine quantization, r = scale * (q - zeroPoint), with the rules of onnxruntime 1.30's quant_utils (ranges, zero
 * points, rounding half to even), so that a model quantized here and one quantized there hold the same integers.
 */

export type IntegerType = 'int8' | 'uint8' | 'int4' | 'uint4' | 'int16' | 'uint16';

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

const fullRange: Readonly<Record<IntegerType, IntegerRange>> = {
  int8: { min: -128, max: 127 },
  uint8: { min: 0, max: 255 },
  int4: { min: -8, max: 7 },
  uint4: { min: 0, max: 15 },
  int16: { min: -32768, max: 32767 },
  uint16: { min: 0, max: 65535 },
};
/** Symmetric signed ranges drop the lowest value, so that +x and -x get codes of equal size; 4 bits cannot spare it. */
const symmetricRange: Partial<Record<IntegerType, IntegerRange>> = {
  int8: { min: -127, max: 127 },
  int16: { min: -32767, max: 32767 },
};
/** One bit less, for CPUs whose 8-bit multiply-add saturates (AVX2 and AVX-512 without VNNI). */
const reducedRange: Readonly<Record<IntegerType, IntegerRange>> = {
  int8: { min: -64, max: 64 },
  uint8: { min: 0, max: 127 },
  int4: { min: -4, max: 3 },
  uint4: { min: 0, max: 7 },
  int16: { min: -16384, max: 16384 },
  uint16: { min: 0, max: 32767 },
};

export interface AffineScheme {
  readonly type: IntegerType;
  readonly symmetric: boolean;
  readonly reduceRange: boolean;
}

export function integerRange({ type, symmetric, reduceRange }: AffineScheme): IntegerRange {
  if (reduceRange) return reducedRange[type];
  return (symmetric ? symmetricRange[type] : undefined) ?? fullRange[type];
}

/**
 * The codes that quantizing may give. Wider than a reduced range: its last code may be passed by one where the zero
 * point was rounded up, and onnxruntime clips to the type.
 */
export function codeRange({ type, symmetric }: AffineScheme): IntegerRange {
  return integerRange({ type, symmetric, reduceRange: false });
}

export interface AffineParameters {
  /** A float32 value. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/** 1.5 * 2^52: adding it leaves a double no bits below one, so the hardware's own rounding makes the integer. */
const ROUNDING_BIAS = 6755399441055744;

/** Rounds to the nearest integer, ties to even (IEEE 754 roundToIntegralTiesToEven; numpy's `round`). */
export function roundHalfEven(x: number): number {
  return x + ROUNDING_BIAS - ROUNDING_BIAS;
}

/** The zero point of every symmetric weight of a type: 0, or the middle of an unsigned range. */
export function symmetricZeroPoint(scheme: AffineScheme): number {
  const range = integerRange({ ...scheme, symmetric: true });
  return roundHalfEven((range.min + range.max) / 2);
}

const SMALLEST_NORMAL_FLOAT32 = 1.1754943508222875e-38;

/**
 * Scale and zero point for values in [min, max]; the range is widened to hold 0, which must have a code of its own.
 * A range too small for a normal float32 scale gives scale 1, zero point 0 (as onnxruntime does).
 */
export function affineParameters(min: number, max: number, scheme: AffineScheme): AffineParameters {
  const range = integerRange(scheme);
  let low = Math.fround(Math.min(min, 0));
  let high = Math.fround(Math.max(max, 0));
  if (scheme.symmetric) {
    high = Math.max(-low, high);
    low = -high;
  }
  const scale = Math.fround(high - low) / (range.max - range.min);
  if (!(scale >= SMALLEST_NORMAL_FLOAT32)) return { scale: 1, zeroPoint: 0 };
  const zeroPoint = scheme.symmetric ? symmetricZeroPoint(scheme) : roundHalfEven(range.min - low / scale);
  return { scale: Math.fround(scale), zeroPoint };
}

export interface ValueRange {
  readonly min: number;
  readonly max: number;
  /** False when a NaN or an infinity is among the values. */
  readonly finite: boolean;
}

/** Minimum and maximum of `count` values from `start`, `stride` apart. */
export function rangeOf(values: Float32Array, start = 0, count = values.length, stride = 1): ValueRange {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
  for (let i = 0, at = start; i < count; i += 1, at += stride) {
    const value = values[at]!;
    if (value < min) min = value;
    if (value > max) max = value;
    poison += value * 0;
  }
  return { min, max, finite: poison === 0 };
}

/** q = clip(round(r / scale) + zeroPoint), each operation in float32 as numpy does it; `range` from `codeRange`. */
export function quantizeAffine(
  values: Float32Array,
  codes: Int8Array | Uint8Array | Int16Array | Uint16Array,
  { scale, zeroPoint }: AffineParameters,
  range: IntegerRange,
  start = 0,
  count = values.length,
  stride = 1,
): void {
  for (let i = 0, at = start; i < count; i += 1, at += stride) {
    const code = roundHalfEven(Math.fround(values[at]! / scale)) + zeroPoint;
    codes[at] = code < range.min ? range.min : Math.min(code, range.max);
  }
}
