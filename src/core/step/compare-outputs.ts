/** How far the outputs of a simplified model are from those of the original. */
import type { HostTensor, PrecisionClass } from './define.ts';
import { numbersOf } from './host-numbers.ts';

export type Outputs = ReadonlyMap<string, HostTensor>;

export interface OutputError {
  /** The worst output; undefined where there are none. */
  readonly output: string | undefined;
  /**
   * Largest absolute error over the output's largest magnitude (1e-4 at least); of integers and booleans the share of
   * elements that differ. Infinity where shapes, types or texts differ or one side is not finite.
   */
  readonly error: number;
  readonly tolerance: number;
}

/**
 * What the classes allow for a whole model, in single precision: operators computed in another order add up over its
 * depth. Exact steps leave every operator as it is, but a kernel may take a constant weight in another way.
 */
const tolerances: Readonly<Record<PrecisionClass, number>> = {
  exact: 1e-5,
  'exact-within-fp': 5e-4,
  lossy: Number.POSITIVE_INFINITY,
};
/** Half precision rounds to 2^-11, bfloat16 to 2^-9, wherever the runtime happens to round. */
const HALF_TOLERANCE = 3e-2;
const BFLOAT_TOLERANCE = 1e-1;
/** Choices between nearly equal numbers may fall otherwise: share of the elements of an integer output. */
const FLIPPED_SHARE = 0.01;
const SMALLEST_RANGE = 1e-4;

export interface ComparisonOptions {
  /** The least exact class among the steps that fired. */
  readonly precision: PrecisionClass;
  /** The narrowest type that the model computes in. */
  readonly arithmetic: 'float32' | 'float16' | 'bfloat16';
  /** The sizes of outputs depend on their values (NonZero, NonMaxSuppression). */
  readonly sizesMayDiffer: boolean;
}

export function toleranceOf({ precision, arithmetic }: ComparisonOptions): number {
  if (arithmetic === 'bfloat16') return BFLOAT_TOLERANCE;
  return arithmetic === 'float16' ? HALF_TOLERANCE : tolerances[precision];
}

/** @returns the output whose error is largest against what is allowed for it */
export function worstOutput(pairs: readonly (readonly [Outputs, Outputs])[], options: ComparisonOptions): OutputError {
  let worst: OutputError = { output: undefined, error: 0, tolerance: toleranceOf(options) };
  for (const [expected, got] of pairs)
    for (const [output, want] of expected) {
      const found = { output, ...errorOf(want, got.get(output), options) };
      const isWorse = found.error / found.tolerance > worst.error / worst.tolerance;
      if (worst.output === undefined || isWorse) worst = found;
    }
  return worst;
}

function errorOf(want: HostTensor, have: HostTensor | undefined, options: ComparisonOptions) {
  const tolerance = toleranceOf(options);
  const broken = { error: Number.POSITIVE_INFINITY, tolerance };
  if (have?.dtype !== want.dtype) return broken;
  if (have.dims.join() !== want.dims.join())
    return options.sizesMayDiffer && options.precision !== 'exact' ? { error: 0, tolerance } : broken;
  const [a, b] = [numbersOf(have), numbersOf(want)];
  if (!a || !b) return sameText(have, want) ? { error: 0, tolerance } : broken;
  const isWhole = !/float|minifloat/.test(want.dtype);
  if (!isWhole) return { error: relativeError(a, b), tolerance };
  let different = 0;
  for (let at = 0; at < b.length; at++) if (a[at] !== b[at]) different += 1;
  return {
    error: b.length === 0 ? 0 : different / b.length,
    tolerance: options.precision === 'exact' && options.arithmetic === 'float32' ? 1e-9 : FLIPPED_SHARE,
  };
}

function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let range = SMALLEST_RANGE;
  let worst = 0;
  for (let at = 0; at < b.length; at++) {
    const [x, y] = [a[at]!, b[at]!];
    if (Number.isFinite(y)) range = Math.max(range, Math.abs(y));
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const error = Math.abs(x - y);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return worst / range;
}

const sameText = (a: HostTensor, b: HostTensor): boolean =>
  (a.strings ?? []).join('\0') === (b.strings ?? []).join('\0') && a.data.every((byte, at) => byte === b.data[at]);
