import { describe, expect, it } from 'vitest';
import { judge } from '../../../../src/core/eval/gate.ts';
import { ratioOfSums, scoreInterval } from '../../../../src/core/eval/intervals.ts';
import type { Evaluation, GateRule, MetricDefinition, SampleScores } from '../../../../src/core/eval/types.ts';
import { lcg, scoresOf } from './helpers.ts';

const cer: MetricDefinition = {
  id: 'cer',
  title: 'Character error rate',
  short: 'CER',
  direction: 'lower-is-better',
  format: 'percent',
  decimals: 2,
};
const accuracy: MetricDefinition = {
  id: 'accuracy',
  title: 'Accuracy',
  short: 'Accuracy',
  direction: 'higher-is-better',
  format: 'percent',
  decimals: 1,
};
const twoPercent: GateRule = { mode: 'relative', maxWorse: 0.02, confidence: 0.95 };
const onePoint: GateRule = { mode: 'absolute', maxWorse: 0.01, confidence: 0.95 };

function evaluationOf(definition: MetricDefinition, scores: SampleScores): Evaluation {
  const n = scores.numerators.length;
  return {
    metrics: [{ metric: definition.id, value: ratioOfSums(scores), interval: scoreInterval(scores), n }],
    scores,
    n,
  };
}

const lines = 300;
const lengths = Array<number>(lines).fill(20);
const random = lcg(3);
const errors = lengths.map(() => (random() < 0.2 ? 1 : 0));
const original = evaluationOf(cer, scoresOf(errors, lengths));
/** So many lines get one more error. */
const withMore = (count: number) =>
  evaluationOf(
    cer,
    scoresOf(
      errors.map((e, i) => e + (i % Math.floor(lines / count) === 0 ? 1 : 0)),
      lengths,
    ),
  );

describe('judge, error rate, absolute', () => {
  it('passes a variant whose whole interval is within the limit', () => {
    const verdict = judge({ definition: cer, gate: onePoint, original, variant: withMore(10) });
    expect(verdict.verdict).toBe('pass');
    expect(verdict.worse).toBeCloseTo(10 / (20 * lines), 3);
    expect(verdict.worseInterval![1]).toBeLessThanOrEqual(0.01);
    expect(verdict.reason).toMatch(/^CER \d\.\d\d % against \d\.\d\d % for the original: 0\.\d+ points worse, at most/);
  });

  it('fails a variant whose whole interval is beyond it', () => {
    const verdict = judge({ definition: cer, gate: onePoint, original, variant: withMore(150) });
    expect(verdict.verdict).toBe('fail');
    expect(verdict.worseInterval![0]).toBeGreaterThan(0.01);
    expect(verdict.reason).toContain('1 point allowed');
  });

  it('is inconclusive between, and the advised number of samples would settle it', () => {
    const variant = withMore(50);
    const verdict = judge({ definition: cer, gate: onePoint, original, variant, available: 900 });
    expect(verdict.verdict).toBe('inconclusive');
    const advised = Number(/about (\d+) samples would, the task has 900/.exec(verdict.reason)![1]);
    const repeat = (evaluation: Evaluation): Evaluation => {
      const times = Math.ceil((1.15 * advised) / lines);
      const again = (values: readonly number[]) => Array.from({ length: times }, () => values).flat();
      const { numerators, denominators } = evaluation.scores!;
      return evaluationOf(cer, scoresOf(again(numerators), again(denominators)));
    };
    const settled = judge({ definition: cer, gate: onePoint, original: repeat(original), variant: repeat(variant) });
    expect(settled.verdict).toBe('pass');
  });

  it('passes what is better or equal, and says so', () => {
    expect(judge({ definition: cer, gate: onePoint, original: withMore(50), variant: original }).reason).toContain(
      'better',
    );
    const same = judge({ definition: cer, gate: onePoint, original, variant: original });
    expect(same).toMatchObject({ verdict: 'pass', worse: 0, worseInterval: [0, 0] });
    expect(same.reason).toContain('no difference');
  });

  it('compares the samples that both have when one was evaluated on fewer', () => {
    const few = evaluationOf(cer, scoresOf(errors.slice(0, 100), lengths.slice(0, 100)));
    expect(judge({ definition: cer, gate: onePoint, original, variant: few })).toMatchObject({
      verdict: 'pass',
      worse: 0,
    });
  });
});

describe('judge, where the original gives no numbers', () => {
  const same = { definition: cer, gate: onePoint, variant: original };
  it('says how many of its values are NaN or infinite', () => {
    const { verdict, reason } = judge({ ...same, original: { ...original, notFiniteShare: 0.25 } });
    expect(verdict).toBe('pass');
    expect(reason).toContain('25.0 % are NaN or infinite');
  });
  it('gives no verdict where all are', () => {
    const { verdict, reason } = judge({ ...same, original: { ...original, notFiniteShare: 1 } });
    expect(verdict).toBe('not-evaluated');
    expect(reason).toContain('nothing but NaN');
  });
});

describe('judge, accuracy, relative', () => {
  const right = (n: number, wrong: number) =>
    evaluationOf(accuracy, scoresOf(Array.from({ length: n }, (_, i) => (i < wrong ? 0 : 1))));

  it('counts a lower accuracy as worse, as a share of the original', () => {
    const verdict = judge({
      definition: accuracy,
      gate: twoPercent,
      original: right(4000, 400),
      variant: right(4000, 436),
    });
    expect(verdict.worse).toBeCloseTo(0.036 / 3.6, 3);
    expect(verdict.verdict).toBe('pass');
  });

  it('fails a clear loss', () => {
    expect(
      judge({ definition: accuracy, gate: twoPercent, original: right(1000, 20), variant: right(1000, 100) }).verdict,
    ).toBe('fail');
  });

  it('does not pass identical results on too few samples, and passes them on enough', () => {
    const few = judge({ definition: accuracy, gate: twoPercent, original: right(64, 2), variant: right(64, 2) });
    expect(few.verdict).toBe('inconclusive');
    expect(few.reason).toMatch(/64 samples cannot tell .* about \d+ samples would/);
    expect(
      judge({ definition: accuracy, gate: twoPercent, original: right(400, 8), variant: right(400, 8) }).verdict,
    ).toBe('pass');
  });
});

describe('judge, edges', () => {
  const clean = evaluationOf(
    cer,
    scoresOf(
      lengths.map(() => 0),
      lengths,
    ),
  );

  it('relative to an original without any error, no worsening is allowed', () => {
    const worse = judge({ definition: cer, gate: twoPercent, original: clean, variant: withMore(100) });
    expect(worse.verdict).toBe('fail');
    expect(worse.worseInterval!.every(Number.isFinite)).toBe(true);
    expect(judge({ definition: cer, gate: twoPercent, original: clean, variant: clean }).verdict).toBe('pass');
  });

  it('judges a metric without samples by its interval, and without an interval by its value', () => {
    const auc: MetricDefinition = { ...accuracy, id: 'auc', short: 'AUC', format: 'decimal', decimals: 3 };
    const of = (value: number, interval?: [number, number]): Evaluation => ({
      metrics: [{ metric: 'auc', value, interval, n: 30 }],
      n: 30,
    });
    const gate: GateRule = { mode: 'absolute', maxWorse: 0.05, confidence: 0.95 };
    expect(
      judge({ definition: auc, gate, original: of(0.98, [0.97, 0.99]), variant: of(0.97, [0.96, 0.98]) }).verdict,
    ).toBe('pass');
    expect(
      judge({ definition: auc, gate, original: of(0.98, [0.97, 0.99]), variant: of(0.7, [0.6, 0.8]) }).verdict,
    ).toBe('fail');
    expect(
      judge({ definition: auc, gate, original: of(0.98, [0.95, 0.99]), variant: of(0.95, [0.9, 0.97]) }).verdict,
    ).toBe('inconclusive');
    expect(judge({ definition: auc, gate, original: of(0.98), variant: of(0.9) })).toMatchObject({
      verdict: 'fail',
      worseInterval: null,
    });
  });

  it('says that it is not evaluated when the metric is missing or not a number', () => {
    expect(judge({ definition: accuracy, gate: onePoint, original, variant: original }).verdict).toBe('not-evaluated');
    const broken: Evaluation = { metrics: [{ metric: 'cer', value: Number.NaN, n: 3 }], n: 3 };
    expect(judge({ definition: cer, gate: onePoint, original, variant: broken })).toMatchObject({
      verdict: 'not-evaluated',
      worse: null,
    });
  });

  it('asks for more than four samples', () => {
    const three = evaluationOf(cer, scoresOf([1, 0, 1], [20, 20, 20]));
    expect(judge({ definition: cer, gate: onePoint, original: three, variant: three }).verdict).toBe('inconclusive');
  });
});

describe('the range of a share', () => {
  it('an accuracy of 100 % is never said to be able to get better', () => {
    const n = 13;
    const perfect = evaluationOf(accuracy, scoresOf(Array<number>(n).fill(1), Array<number>(n).fill(1)));
    const verdict = judge({ definition: accuracy, gate: twoPercent, original: perfect, variant: perfect });
    expect(verdict.worseInterval![0]).toBe(-0);
    expect(verdict.worseInterval![1]).toBeGreaterThan(0.02);
    expect(verdict.verdict).toBe('inconclusive');
  });
});

describe('advice on a proportion', () => {
  it('names so many samples that the verdict is clear if the same share of them changes', () => {
    const right = (n: number, wrong = 0) =>
      evaluationOf(accuracy, scoresOf(Array.from({ length: n }, (_, i) => (i < n - wrong ? 1 : 0))));
    const judged = (n: number, wrong = 0) =>
      judge({ definition: accuracy, gate: twoPercent, original: right(n), variant: right(n, wrong) });
    // With no change among n, the interval ends near 2.8 / n: it shrinks with n, not with its square root.
    for (const n of [8, 16]) expect(judged(n).reason).toMatch(/; about 140 samples would\.$/);
    expect(judged(140).verdict).toBe('pass');
    expect(judged(130).verdict).toBe('inconclusive');
  });
});
