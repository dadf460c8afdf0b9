/**
 * How far a variant's outputs are from the original's on the same inputs, where nobody knows the right answers. Each
 * figure is of one output of one sample; `AgreementTerms` can be added up.
 */
import { argmax } from './accuracy.ts';
import { isFloating, numbersOf } from './host-tensors.ts';
import type { Feeds } from './types.ts';

/** Signal-to-noise ratios are cut off here, so that bit-equal outputs have a finite one: float32 itself ends near 150 dB. */
export const SQNR_LIMIT_DB = 200;

/** Rows that sum to 1 within this, with no negative value, are taken for probability distributions. */
const DISTRIBUTION_TOLERANCE = 1e-3;
/** Smallest probability in logarithms, so that a class the variant rules out costs much but not infinitely much. */
const PROBABILITY_FLOOR = 1e-10;
const MAX_CLASSES = 1_000_000;

export interface AgreementTerms {
  readonly dot: number;
  readonly gotSquares: number;
  readonly expectedSquares: number;
  readonly errorSquares: number;
  readonly maxAbs: number;
  /** Places where exactly one of the two is not a finite number, or both are and differ in kind. */
  readonly notFinite: number;
}

export const noTerms: AgreementTerms = {
  dot: 0,
  gotSquares: 0,
  expectedSquares: 0,
  errorSquares: 0,
  maxAbs: 0,
  notFinite: 0,
};

/** Of both together. */
export function addTerms(a: AgreementTerms, b: AgreementTerms): AgreementTerms {
  return {
    dot: a.dot + b.dot,
    gotSquares: a.gotSquares + b.gotSquares,
    expectedSquares: a.expectedSquares + b.expectedSquares,
    errorSquares: a.errorSquares + b.errorSquares,
    maxAbs: Math.max(a.maxAbs, b.maxAbs),
    notFinite: a.notFinite + b.notFinite,
  };
}

/** Both of the same length. Equal infinities, and NaN against NaN, count as agreement and enter no sum. */
export function agreementTerms(got: ArrayLike<number>, expected: ArrayLike<number>): AgreementTerms {
  let dot = 0;
  let gotSquares = 0;
  let expectedSquares = 0;
  let errorSquares = 0;
  let maxAbs = 0;
  let notFinite = 0;
  for (let i = 0; i < expected.length; i++) {
    const x = got[i]!;
    const y = expected[i]!;
    if (Number.isFinite(x) && Number.isFinite(y)) {
      const error = x - y;
      dot += x * y;
      gotSquares += x * x;
      expectedSquares += y * y;
      errorSquares += error * error;
      maxAbs = Math.max(maxAbs, Math.abs(error));
    } else if (!Object.is(x, y)) notFinite += 1;
  }
  return { dot, gotSquares, expectedSquares, errorSquares, maxAbs, notFinite };
}

/** Cosine similarity, -1 to 1; 1 when both are zero, 0 when one is. Any non-finite disagreement makes it 0. */
export function cosineSimilarity(terms: AgreementTerms): number {
  if (terms.notFinite > 0) return 0;
  if (terms.errorSquares === 0) return 1;
  const norm = Math.sqrt(terms.gotSquares) * Math.sqrt(terms.expectedSquares);
  return norm > 0 ? Math.max(-1, Math.min(1, terms.dot / norm)) : 0;
}

/**
 * Signal-to-quantization-noise ratio, 10 log10(sum y^2 / sum (x - y)^2) dB, within +-SQNR_LIMIT_DB; -SQNR_LIMIT_DB when
 * one of the two is not finite where the other is.
 */
export function sqnrDecibels(terms: AgreementTerms): number {
  if (terms.notFinite > 0) return -SQNR_LIMIT_DB;
  if (terms.errorSquares === 0) return SQNR_LIMIT_DB;
  const ratio = 10 * Math.log10(terms.expectedSquares / terms.errorSquares);
  return Math.max(-SQNR_LIMIT_DB, Math.min(SQNR_LIMIT_DB, ratio));
}

/** How the last axis of an output is read: as probabilities, as logits, or as nothing of the kind. */
export type ClassKind = 'probabilities' | 'logits' | 'none';

/** Names that exporters give to unnormalized class scores: logits, lm_logits, output_logits.1 ... */
const LOGITS_NAME = /(^|[^a-z])logits?([^a-z]|$)/i;

/**
 * The rule by which an output counts as scores of classes: it is floating point, has two axes or more, and 2 to a
 * million entries along the last; and either every row is non-negative and sums to 1 (probabilities), or the name says
 * logits. Nothing else is guessed: an embedding has an argmax too, but it means nothing.
 */
export function classKind(name: string, tensor: import('../step/define.ts').HostTensor): ClassKind {
  const classes = tensor.dims.at(-1) ?? 0;
  if (!isFloating(tensor) || tensor.dims.length < 2 || classes < 2 || classes > MAX_CLASSES) return 'none';
  const values = numbersOf(tensor);
  if (values && values.length > 0 && rowsAreDistributions(values, classes)) return 'probabilities';
  return LOGITS_NAME.test(name) ? 'logits' : 'none';
}

function rowsAreDistributions(values: ArrayLike<number>, classes: number): boolean {
  for (let start = 0; start < values.length; start += classes) {
    let sum = 0;
    for (let i = start; i < start + classes; i++) {
      const p = values[i]!;
      if (!(p >= 0)) return false;
      sum += p;
    }
    if (Math.abs(sum - 1) > DISTRIBUTION_TOLERANCE) return false;
  }
  return true;
}

/** Outputs that hold class scores in every reference: see `classKind`. */
export function classOutputs(references: readonly Feeds[]): string[] {
  const names = [...(references[0]?.keys() ?? [])];
  return names.filter((name) =>
    references.every((outputs) => {
      const tensor = outputs.get(name);
      return tensor !== undefined && classKind(name, tensor) !== 'none';
    }),
  );
}

export interface ClassAgreement {
  /** Rows whose best class is the same. */
  readonly sameTop: number;
  /** Sum over rows of KL(expected || got), nats. */
  readonly divergence: number;
  readonly rows: number;
}

/** Compares rows of class scores. The kind is the reference's: a variant that lost its softmax must not hide it. */
export function classAgreement(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  classes: number,
  kind: 'probabilities' | 'logits',
): ClassAgreement {
  let sameTop = 0;
  let divergence = 0;
  let rows = 0;
  for (let start = 0; start < expected.length; start += classes) {
    const end = start + classes;
    if (argmax(got, start, end) === argmax(expected, start, end)) sameTop += 1;
    divergence += rowDivergence(got, expected, start, end, kind);
    rows += 1;
  }
  return { sameTop, divergence, rows };
}

/** KL(p || q) = sum p (ln p - ln q), never negative but for rounding, which is cut off. */
function rowDivergence(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  start: number,
  end: number,
  kind: 'probabilities' | 'logits',
): number {
  const logP = kind === 'logits' ? logSumExp(expected, start, end) : 0;
  const logQ = kind === 'logits' ? logSumExp(got, start, end) : 0;
  let sum = 0;
  for (let i = start; i < end; i++) {
    const lnP = kind === 'logits' ? expected[i]! - logP : Math.log(Math.max(expected[i]!, PROBABILITY_FLOOR));
    const p = kind === 'logits' ? Math.exp(lnP) : expected[i]!;
    if (!(p > 0)) continue;
    const lnQ = kind === 'logits' ? got[i]! - logQ : Math.log(Math.max(got[i]!, PROBABILITY_FLOOR));
    sum += p * (lnP - Math.max(lnQ, Math.log(PROBABILITY_FLOOR)));
  }
  return Number.isFinite(sum) ? Math.max(0, sum) : -Math.log(PROBABILITY_FLOOR);
}

function logSumExp(values: ArrayLike<number>, start: number, end: number): number {
  let peak = -Infinity;
  for (let i = start; i < end; i++) peak = Math.max(peak, values[i]!);
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.exp(values[i]! - peak);
  return peak + Math.log(sum);
}
