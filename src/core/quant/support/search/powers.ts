/**
 * Powers of positive numbers in float32, good to about 1e-5: by base-2 logarithm and exponential, each a polynomial on
 * one octave (Chebyshev interpolation), the rest being exponent bits.
 */
import { type Code, get, i32, set, v128 } from '../wasm/assembler.ts';

/** log2(1 + t), 0 <= t < 1; highest power first. */
const logarithm = [
  0.043004957791890897, -0.18748860458973862, 0.40947029869795765, -0.7064864491338083, 1.4414924117615537,
  1.6514670883351556e-5,
].map(Math.fround);
/** 2^t, 0 <= t < 1. */
const exponential = [
  0.0136703094533634, 0.051744997764090285, 0.24160435727010388, 0.6929729221730486, 1.0000034929076984,
].map(Math.fround);

export const powerVariables = { octave: 'v128', argument: 'v128' } as const;

/** Where every base is raised to: a base of 0 gives a large, finite number for exponents down to -1. */
export const SMALLEST_BASE = 1e-30;

const horner = (coefficients: readonly number[], argument: Code) =>
  coefficients
    .slice(1)
    .reduce<Code>(
      (sum, coefficient) => v128.fAdd(v128.fMul(sum, argument), v128.splatFloat(coefficient)),
      v128.splatFloat(coefficients[0]!),
    );

/** base^exponent; the base, not negative, and the exponent are locals or constants and are written out several times. */
export function power(
  v: Readonly<Record<keyof typeof powerVariables, number>>,
  base: Code,
  exponent: Code,
): { readonly prepare: Code; readonly value: Code } {
  const t = get(v.argument);
  const mantissa = v128.or(v128.and(t, v128.splatInt(0x7fffff)), v128.splatInt(0x3f800000));
  const exponentOfTwo = v128.iSub(v128.iShiftRight(t, i32.const(23)), v128.splatInt(127));
  return {
    prepare: [
      set(v.argument, v128.fPseudoMax(base, v128.splatFloat(SMALLEST_BASE))),
      set(v.octave, v128.fFromInt(exponentOfTwo)),
      set(v.argument, v128.fSub(mantissa, v128.splatFloat(1))),
      set(v.argument, v128.fMul(v128.fAdd(get(v.octave), horner(logarithm, t)), exponent)),
      set(v.octave, v128.fFloor(t)),
      set(v.argument, v128.fSub(t, get(v.octave))),
    ],
    value: v128.fMul(
      horner(exponential, t),
      v128.iShiftLeft(v128.iAdd(v128.iFromFloat(get(v.octave)), v128.splatInt(127)), i32.const(23)),
    ),
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
  const octave = (bits[0]! >>> 23) - 127;
  bits[0] = (bits[0]! & 0x7fffff) | 0x3f800000;
  const scaled = f(f(octave + plainHorner(logarithm, f(floats[0]! - 1))) * exponent);
  const whole = Math.floor(scaled);
  const fraction = plainHorner(exponential, f(scaled - whole));
  bits[0] = (whole + 127) << 23;
  return f(fraction * floats[0]!);
}
