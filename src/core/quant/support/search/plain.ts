/** What the plain makers of all searches have in common: float32 arithmetic in the order of the kernels. */
import { float16BitsToFloat32, float32ToFloat16Bits } from '../../../base/float16.ts';
import { type NBitsScheme, roundToNearestParameters } from '../nbits-parameters.ts';
import type { BlockParameters } from './types.ts';

const f = Math.fround;

/** As kernel.ts has it. */
const WHOLE = 12582912;

export interface Codes {
  readonly maxCode: number;
  readonly half: number;
}

export const codesOf = ({ bits }: Pick<NBitsScheme, 'bits'>): Codes => ({
  maxCode: 2 ** bits - 1,
  half: 2 ** (bits - 1),
});

export const clip = (x: number, maxCode: number) => Math.min(Math.max(x, 0), maxCode);

/** clip(round(x + zeroPoint)) - zeroPoint in one rounding, for a whole zero point; see WHOLE in kernel.ts. */
export function stepsOf(value: number, reciprocal: number, zeroPoint: number, maxCode: number): number {
  const wholeZero = WHOLE + zeroPoint;
  return clip(f(f(value * reciprocal) + wholeZero) - WHOLE, maxCode) - zeroPoint;
}

/** clip(round(x)), ties to even. */
export const nearestCode = (x: number, maxCode: number) => clip(f(x + WHOLE) - WHOLE, maxCode);

export const roundToHalf = (x: number) => float16BitsToFloat32(float32ToFloat16Bits(x));

export function withScale(exact: number, zeroPoint: number, { scaleType }: NBitsScheme): BlockParameters {
  const scale = scaleType === 'float16' ? roundToHalf(exact) : exact;
  const reciprocal = f(1 / scale);
  const isUsable = Number.isFinite(reciprocal);
  return { scale: isUsable ? scale : 0, reciprocal: isUsable ? reciprocal : 0, zeroPoint };
}

/** Round to nearest of a range; see nbits-parameters.ts. */
export function nearestOf(low: number, high: number, scheme: NBitsScheme): BlockParameters {
  const { scales, reciprocals, zeroPoints } = roundToNearestParameters(
    Float32Array.of(low),
    Float32Array.of(high),
    scheme,
  );
  return { scale: scales[0]!, reciprocal: reciprocals[0]!, zeroPoint: zeroPoints[0]! };
}

export function rangeOf(values: Float32Array): { low: number; high: number } {
  let low = values[0]!;
  let high = low;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** Sum of squared errors, each times sigma + |value| where a sigma is given. */
export function squares(
  values: Float32Array,
  { scale, reciprocal, zeroPoint }: BlockParameters,
  maxCode: number,
  sigma?: number,
): number {
  let error = 0;
  for (const value of values) {
    const difference = f(f(stepsOf(value, reciprocal, zeroPoint, maxCode) * scale) - value);
    const square = f(difference * difference);
    error = f(error + (sigma === undefined ? square : f(square * f(sigma + Math.abs(value)))));
  }
  return error;
}

/** The best of the candidates; the first stays unless another one is strictly better. */
export class Best {
  parameters: BlockParameters;
  error: number;

  constructor(parameters: BlockParameters, error: number) {
    this.parameters = parameters;
    this.error = error;
  }

  offer(parameters: BlockParameters, error: number): void {
    if (!(error < this.error)) return;
    this.parameters = parameters;
    this.error = error;
  }
}
