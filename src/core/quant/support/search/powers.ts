/**
 * Powers of positive numbers in float32, good to about 1e-5: by base-2 logarithm and exponential, each a polynomial on
 * one octave (Chebyshev interpolation), the rest being exponent bits.
 */
import { type Code, get, i32, set, v128 } from '../wasm/assembler.ts';

/** log2(t) - 127, 1 <= t < 2; highest power first. */
const logarithm = [
  0.043004957790251555, -0.40251339353704935, 1.589474294940427, -3.4898785506341747, 5.047855413405825,
  -129.78792620729425,
].map(Math.fround);
/** 2^t, |t| <= 1/2. */
const exponential = [
  0.009666368515387469, 0.055921975842256264, 0.24022349038020335, 0.693121045203427, 0.9999999999999998,
].map(Math.fround);

export const powerVariables = { octave: 'v128', argument: 'v128' } as const;

/** Where every base is raised to: a base of 0 gives a large, finite number for exponents down to -1. */
export const SMALLEST_BASE = 1e-30;
/** 1.5 * 2^23: a float32 near it is a whole number, which the low bits of its mantissa hold. */
const WHOLE = 12582912;

const horner = (coefficients: readonly number[], argument: Code) =>
  coefficients
    .slice(1)
    .reduce<Code>(
      (sum, coefficient) => v128.fAdd(v128.fMul(sum, argument), v128.splatFloat(coefficient)),
      v128.splatFloat(coefficients[0]!),
    );

/**
 * base^exponent.
 * @param base not negative
 * @returns `prepare` to run first, then `value`
 */
export function power(
  v: Readonly<Record<keyof typeof powerVariables, number>>,
  base: Code,
  exponent: Code,
): { readonly prepare: Code; readonly value: Code } {
  const t = get(v.argument);
  const mantissa = v128.or(v128.and(t, v128.splatInt(0x7fffff)), v128.splatInt(0x3f800000));
  return {
    prepare: [
      set(v.argument, v128.fPseudoMax(base, v128.splatFloat(SMALLEST_BASE))),
      set(v.octave, v128.fFromInt(v128.iShiftRight(t, i32.const(23)))),
      set(v.argument, mantissa),
      set(v.argument, v128.fMul(v128.fAdd(get(v.octave), horner(logarithm, t)), exponent)),
      set(v.octave, v128.fAdd(t, v128.splatFloat(WHOLE))),
      set(v.argument, v128.fSub(t, v128.fSub(get(v.octave), v128.splatFloat(WHOLE)))),
    ],
    // The whole part is added to the exponent bits; what else is in its float is shifted out.
    value: v128.iAdd(horner(exponential, t), v128.iShiftLeft(get(v.octave), i32.const(23))),
  };
}

const f = Math.fround;
const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);
const plainHorner = (coefficients: readonly number[], t: number) => {
  let sum = coefficients[0]!;
  for (let i = 1; i < coefficients.length; i += 1) sum = f(f(sum * t) + coefficients[i]!);
  return sum;
};

/** The same number, for the plain makers. */
export function plainPower(base: number, exponent: number): number {
  floats[0] = base < f(SMALLEST_BASE) ? SMALLEST_BASE : base;
  const octave = bits[0]! >>> 23;
  bits[0] = (bits[0]! & 0x7fffff) | 0x3f800000;
  const scaled = f(f(octave + plainHorner(logarithm, floats[0]!)) * exponent);
  const whole = f(scaled + WHOLE) - WHOLE;
  floats[0] = plainHorner(exponential, f(scaled - whole));
  bits[0] = bits[0]! + (whole << 23);
  return floats[0]!;
}
