/**
 * Which figure judges agreement, by what the original's outputs are. Each output is compared on one scale, 1 for the same
 * and lower for worse, so that none of them hides another.
 */

import type { HostTensor } from '../step/define.ts';
import { type AgreementTerms, classOutputs, cosineSimilarity } from './agreement.ts';
import { isFloating, numbersOf } from './host-tensors.ts';
import type { Feeds } from './types.ts';

/**
 * - `top1-agreement`: some output holds scores of classes (`classOutputs`).
 * - `same-values`: no output is floating point, they are labels, indices or ids: the share of equal ones.
 * - `r2`: every output is one number a row, as of a regression: such a number has no direction, so its cosine is 1
 *   whatever it is. The share of the original's variance that is kept.
 * - `cosine`: everything else.
 */
export type AgreementPrimary = 'top1-agreement' | 'same-values' | 'r2' | 'cosine';

/** How an output's values over all samples are, where it is one number a row. */
export interface NumberStatistics {
  readonly mean: number;
  /** Mean square around the mean; 0 where the output never changes. */
  readonly variance: number;
  readonly meanSquare: number;
}

/** @param references outputs of the original, by sample */
export function agreementPrimary(
  references: readonly Feeds[],
  classes: readonly string[] = classOutputs(references),
): AgreementPrimary {
  if (classes.length > 0) return 'top1-agreement';
  const first = [...(references[0] ?? new Map<string, HostTensor>())].filter(([, tensor]) => numbersOf(tensor));
  if (first.length > 0 && first.every(([, tensor]) => !isFloating(tensor))) return 'same-values';
  const numbers = numberStatistics(references);
  const isVaried = [...numbers.values()].some(({ variance }) => variance > 0);
  return first.every(([name]) => numbers.has(name)) && isVaried ? 'r2' : 'cosine';
}

/** Of each floating output that is one number a row in every sample: a single element, or rank 2 with one column. */
export function numberStatistics(references: readonly Feeds[]): Map<string, NumberStatistics> {
  const found = new Map<string, NumberStatistics>();
  for (const name of references[0]?.keys() ?? []) {
    const tensors = references.map((outputs) => outputs.get(name));
    if (!tensors.every((tensor) => tensor !== undefined && isFloating(tensor) && isNumber(tensor.dims))) continue;
    const values = tensors.flatMap((tensor) => Array.from(numbersOf(tensor!) ?? []).filter(Number.isFinite));
    const average = (of: (value: number) => number) =>
      values.reduce((sum, value) => sum + of(value), 0) / Math.max(1, values.length);
    const mean = average((value) => value);
    found.set(name, {
      mean,
      variance: average((value) => (value - mean) ** 2),
      meanSquare: average((value) => value * value),
    });
  }
  return found;
}

const isNumber = (dims: readonly number[]) =>
  dims.every((dim) => dim === 1) || (dims.length === 2 && dims[1] === 1 && dims[0]! > 0);

/**
 * Of one output of one sample, -1 to 1: the cosine of vectors; of single numbers 1 - e^2 / 2 with the error e in units
 * of the output's root mean square, which is what a cosine is for small errors; the share of equal integers.
 */
export function similarity(
  terms: AgreementTerms,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  isFloat: boolean,
  numbers: NumberStatistics | undefined,
): number {
  if (!isFloat) return expected.length > 0 ? equalCount(got, expected) / expected.length : 1;
  if (!numbers || !(numbers.meanSquare > 0)) return cosineSimilarity(terms);
  if (terms.notFinite > 0) return 0;
  const error = terms.errorSquares / expected.length / numbers.meanSquare;
  return Math.max(-1, 1 - error / 2);
}

/** Entries that are the same, NaN with NaN. */
export function equalCount(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let equal = 0;
  for (let i = 0; i < expected.length; i++) if (got[i] === expected[i] || Object.is(got[i], expected[i])) equal += 1;
  return equal;
}

/**
 * Sums for R^2 = kept / total, in units of the output's variance, so that outputs add up whatever their units. A value
 * that is not finite where the original's is counts as wrong as a guess of the mean is on average, or more.
 */
export function varianceKept(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { mean, variance }: NumberStatistics,
): { readonly kept: number; readonly total: number } {
  let kept = 0;
  let total = 0;
  if (!(variance > 0)) return { kept, total };
  for (let i = 0; i < expected.length; i++) {
    const [x, y] = [got[i]!, expected[i]!];
    if (!Number.isFinite(y)) {
      if (!Object.is(x, y)) kept -= 1;
      continue;
    }
    const signal = (y - mean) ** 2 / variance;
    total += signal;
    kept += signal - (Number.isFinite(x) ? (x - y) ** 2 / variance : Math.max(1, signal));
  }
  return { kept, total };
}
