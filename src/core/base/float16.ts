/**
 * Conversions between float32 and the 16-bit floats, by their bit patterns.
 * float16: IEEE 754-2019 binary16. bfloat16: the upper half of a float32. Both round to nearest, ties to even;
 * values beyond the largest finite number become infinity; NaN stays NaN (quiet, sign and top payload bits kept).
 */

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

export function float32ToFloat16Bits(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  return sign | subnormalFloat16(magnitude);
}

/** |value| below 2^-14: the result counts units of 2^-24. */
function subnormalFloat16(magnitude: number): number {
  const exponent = magnitude >>> 23;
  // Below 2^-25 everything rounds to zero, and so does 2^-25 itself (a tie, zero is even).
  if (exponent < 102) return 0;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const quotient = mantissa >>> shift;
  const remainder = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const roundUp = remainder > half || (remainder === half && (quotient & 1) === 1);
  return roundUp ? quotient + 1 : quotient;
}

export function float16BitsToFloat32(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) {
    const value = mantissa * 2 ** -24;
    return sign === 0 ? value : -value;
  }
  bitsView[0] =
    exponent === 31 ? sign | 0x7f800000 | (mantissa << 13) : sign | ((exponent + 112) << 23) | (mantissa << 13);
  return floatView[0]!;
}

export function float32ToBfloat16Bits(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function bfloat16BitsToFloat32(bits: number): number {
  bitsView[0] = bits << 16;
  return floatView[0]!;
}

export function float32ArrayToFloat16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return mapTo(new Uint16Array(values.length), values, float32ToFloat16Bits);
}

export function float16ArrayToFloat32(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return mapTo(new Float32Array(bits.length), bits, float16BitsToFloat32);
}

export function float32ArrayToBfloat16(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return mapTo(new Uint16Array(values.length), values, float32ToBfloat16Bits);
}

export function bfloat16ArrayToFloat32(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return mapTo(new Float32Array(bits.length), bits, bfloat16BitsToFloat32);
}

function mapTo<T extends Uint16Array | Float32Array>(out: T, input: ArrayLike<number>, f: (x: number) => number): T {
  for (let i = 0; i < out.length; i += 1) out[i] = f(input[i]!);
  return out;
}
