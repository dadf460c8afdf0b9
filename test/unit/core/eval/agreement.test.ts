import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agreementTerms,
  classAgreement,
  classKind,
  classOutputs,
  cosineSimilarity,
  SQNR_LIMIT_DB,
  sqnrDecibels,
} from '../../../../src/core/eval/agreement.ts';
import { float32Tensor, int64Tensor } from '../../../../src/core/eval/host-tensors.ts';

const tensor = (dims: number[], values: number[]) => float32Tensor(dims, Float32Array.from(values));

describe('agreement', () => {
  it('hand-worked figures', () => {
    const terms = agreementTerms([3, 4.5], [3, 4]);
    expect(terms).toMatchObject({ dot: 27, gotSquares: 29.25, expectedSquares: 25, errorSquares: 0.25, maxAbs: 0.5 });
    expect(cosineSimilarity(terms)).toBeCloseTo(27 / Math.sqrt(29.25 * 25), 12);
    expect(sqnrDecibels(terms)).toBeCloseTo(20, 12);
  });

  it('an n-bit quantizer of a uniform signal has about 6.02 n dB', () => {
    const signal = Array.from({ length: 100_000 }, (_, i) => (i / 50_000 - 1) * 127.5);
    const terms = agreementTerms(signal.map(Math.round), signal);
    expect(sqnrDecibels(terms)).toBeCloseTo(6.0206 * 8, 0);
  });

  it('equal outputs, zeros and non-finite values', () => {
    expect(cosineSimilarity(agreementTerms([0, 0], [0, 0]))).toBe(1);
    expect(cosineSimilarity(agreementTerms([0, 0], [1, 0]))).toBe(0);
    expect(sqnrDecibels(agreementTerms([1, 2], [1, 2]))).toBe(SQNR_LIMIT_DB);
    const broken = agreementTerms([Number.NaN, 1], [2, 1]);
    expect(cosineSimilarity(broken)).toBe(0);
    expect(sqnrDecibels(broken)).toBe(-SQNR_LIMIT_DB);
    expect(cosineSimilarity(agreementTerms([-Infinity, 1], [-Infinity, 1]))).toBe(1);
  });

  it('cosine does not change with scale', () => {
    const vector = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(vector, vector, (a, b) => {
        fc.pre(Math.hypot(...a) > 0.01 && Math.hypot(...b) > 0.01);
        const once = cosineSimilarity(agreementTerms(a, b));
        expect(
          cosineSimilarity(
            agreementTerms(
              a.map((x) => 7 * x),
              b,
            ),
          ),
        ).toBeCloseTo(once, 9);
      }),
    );
  });
});

describe('class scores', () => {
  it('are recognized by rows that sum to one, or by the name logits', () => {
    expect(classKind('output', tensor([2, 2], [0.25, 0.75, 1, 0]))).toBe('probabilities');
    expect(classKind('output', tensor([2, 2], [0.25, 0.75, 1, 0.1]))).toBe('none');
    expect(classKind('output', tensor([1, 2], [1.5, -0.5]))).toBe('none');
    expect(classKind('logits', tensor([1, 2], [1.5, -0.5]))).toBe('logits');
    expect(classKind('lm_logits.3', tensor([1, 2], [1.5, -0.5]))).toBe('logits');
    expect(classKind('logistics', tensor([1, 2], [1.5, -0.5]))).toBe('none');
    expect(classKind('logits', tensor([3], [1, 2, 3]))).toBe('none');
    expect(classKind('logits', tensor([3, 1], [1, 2, 3]))).toBe('none');
    expect(classKind('logits', int64Tensor([1, 2], [1, 2]))).toBe('none');
  });

  it('must be so in every reference', () => {
    const sometimes = [new Map([['y', tensor([1, 2], [0.5, 0.5])]]), new Map([['y', tensor([1, 2], [0.5, 0.6])]])];
    expect(classOutputs(sometimes)).toEqual([]);
    expect(classOutputs(sometimes.slice(0, 1))).toEqual(['y']);
  });

  it('KL divergence of worked distributions', () => {
    // KL((1/2, 1/2) || (1/4, 3/4)) = ln 2 - (ln 3) / 2
    const { divergence, rows, sameTop } = classAgreement([0.25, 0.75], [0.5, 0.5], 2, 'probabilities');
    expect(divergence).toBeCloseTo(Math.log(2) - Math.log(3) / 2, 9);
    expect({ rows, sameTop }).toEqual({ rows: 1, sameTop: 0 });
  });

  it('of logits equals that of their softmax, and adding a constant changes nothing', () => {
    const row = fc.array(fc.double({ min: -6, max: 6, noNaN: true }), { minLength: 5, maxLength: 5 });
    const softmax = (x: number[]) => {
      const e = x.map(Math.exp);
      const total = e.reduce((a, b) => a + b);
      return e.map((v) => v / total);
    };
    fc.assert(
      fc.property(row, row, (p, q) => {
        const fromLogits = classAgreement(
          q.map((v) => v + 100),
          p,
          5,
          'logits',
        );
        const fromProbabilities = classAgreement(softmax(q), softmax(p), 5, 'probabilities');
        expect(fromLogits.divergence).toBeCloseTo(fromProbabilities.divergence, 6);
        expect(fromLogits.divergence).toBeGreaterThanOrEqual(0);
      }),
    );
    expect(classAgreement([1, 2, 3], [1, 2, 3], 3, 'logits').divergence).toBeCloseTo(0, 12);
  });

  it('a ruled-out or broken class costs much but stays finite', () => {
    expect(classAgreement([1, 0], [0, 1], 2, 'probabilities').divergence).toBeCloseTo(-Math.log(1e-10), 6);
    expect(Number.isFinite(classAgreement([Number.NaN, 0], [3, 1], 2, 'logits').divergence)).toBe(true);
  });
});
