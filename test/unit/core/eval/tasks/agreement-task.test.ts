import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { judge } from '../../../../../src/core/eval/gate.ts';
import { float32Tensor, numbersOf } from '../../../../../src/core/eval/host-tensors.ts';
import { collectOutputs } from '../../../../../src/core/eval/tasks/agreement-task.ts';
import { loadTask } from '../../../../../src/core/eval/tasks/load-task.ts';
import { randomFeeds } from '../../../../../src/core/eval/tasks/random-inputs.ts';
import type { Evaluation, Feeds, InputSpec, Runner, TaskSource } from '../../../../../src/core/eval/types.ts';
import type { HostTensor } from '../../../../../src/core/step/define.ts';

const noFiles = () => Promise.reject(new Error('no files'));
const spec: InputSpec = { name: 'x', dims: [4, 5], dtype: 'float32', distribution: 'normal', max: 100 };
/** A "model": softmax (or not) of the input plus a disturbance. */
const model = (disturbance: number, softmax: boolean): Runner => ({
  async run(feeds: Feeds) {
    const { dims, ...rest } = feeds.get('x')!;
    const x = Float32Array.from(numbersOf({ dims, ...rest })!, (v, i) => v + disturbance * Math.sin(i * 12.9));
    if (softmax)
      for (let row = 0; row < x.length; row += 5) {
        const e = Array.from(x.subarray(row, row + 5), Math.exp);
        const sum = e.reduce((a, b) => a + b);
        x.set(
          e.map((v) => v / sum),
          row,
        );
      }
    return new Map<string, HostTensor>([['y', float32Tensor(dims, x)]]);
  },
});
const valueOfMetric = (evaluation: Evaluation, id: string) => evaluation.metrics.find(({ metric }) => metric === id);

async function compare(disturbance: number, softmax: boolean) {
  const feeds = randomFeeds([spec], 12, 1);
  const references = await collectOutputs(model(0, softmax), feeds, quietJob);
  const task = await loadTask({ kind: 'agreement', feeds, references }, noFiles);
  return { task, evaluation: await task.evaluate(model(disturbance, softmax), quietJob) };
}

describe('agreement', () => {
  it('of the original with itself is perfect', async () => {
    const { task, evaluation } = await compare(0, false);
    expect(task.metrics.map(({ id }) => id)).toEqual(['cosine', 'sqnr', 'max-abs-error']);
    expect(valueOfMetric(evaluation, 'cosine')).toMatchObject({ value: 1, n: 12 });
    expect(valueOfMetric(evaluation, 'max-abs-error')!.value).toBe(0);
    expect(valueOfMetric(evaluation, 'sqnr')!.value).toBe(200);
  });

  it('measures the disturbance: SQNR is 10 log10 of signal over noise', async () => {
    const { evaluation } = await compare(0.1, false);
    let noise = 0;
    for (let i = 0; i < 20; i++) noise += (0.1 * Math.sin(i * 12.9)) ** 2;
    let signal = 0;
    for (const feeds of randomFeeds([spec], 12, 1))
      for (const v of Array.from(numbersOf(feeds.get('x')!)!)) signal += v * v;
    const sqnr = valueOfMetric(evaluation, 'sqnr')!;
    expect(sqnr.value).toBeCloseTo(10 * Math.log10(signal / (12 * noise)), 2);
    expect(sqnr.interval![0]).toBeLessThan(sqnr.value);
    expect(valueOfMetric(evaluation, 'max-abs-error')!.value).toBeCloseTo(0.1, 2);
    expect(evaluation.scores!.numerators).toHaveLength(12);
  });

  it('adds top-1 agreement and KL divergence where the output is a distribution, the former as primary', async () => {
    const { task, evaluation } = await compare(0.8, true);
    expect(task.metrics[0]!.id).toBe('top1-agreement');
    const top1 = valueOfMetric(evaluation, 'top1-agreement')!.value;
    expect(top1).toBeGreaterThan(0.3);
    expect(top1).toBeLessThan(1);
    expect(valueOfMetric(evaluation, 'kl-divergence')!.value).toBeGreaterThan(0);
    // Four rows a sample.
    expect(evaluation.scores!.denominators).toEqual(Array(12).fill(4));
  });

  it('names given classes even if no reference shows them', async () => {
    const feeds = randomFeeds([spec], 3, 1);
    const source: TaskSource = { kind: 'agreement', feeds, references: null, classOutputs: ['y'] };
    const task = await loadTask(source, noFiles);
    expect(task.metrics[0]!.id).toBe('top1-agreement');
  });

  it('without references nothing is claimed', async () => {
    const task = await loadTask({ kind: 'agreement', feeds: randomFeeds([spec], 3, 1), references: null }, noFiles);
    await expect(task.evaluate(model(0, false), quietJob)).rejects.toMatchObject({ code: 'task/no-references' });
  });

  it('another shape, a missing output, no inputs: each its own error', async () => {
    const feeds = randomFeeds([spec], 3, 1);
    const references = await collectOutputs(model(0, false), feeds, quietJob);
    const task = await loadTask({ kind: 'agreement', feeds, references }, noFiles);
    const other = { run: async () => new Map([['z', float32Tensor([1], Float32Array.of(1))]]) };
    await expect(task.evaluate(other, quietJob)).rejects.toMatchObject({ code: 'task/shape-mismatch' });
    await expect(loadTask({ kind: 'agreement', feeds: [], references: null }, noFiles)).rejects.toMatchObject({
      code: 'task/bad-inputs',
    });
  });

  it('NaN in a variant shows in every figure', async () => {
    const feeds = randomFeeds([spec], 6, 1);
    const references = await collectOutputs(model(0, true), feeds, quietJob);
    const broken: Runner = {
      run: async () => new Map([['y', float32Tensor([4, 5], new Float32Array(20).fill(Number.NaN))]]),
    };
    const task = await loadTask({ kind: 'agreement', feeds, references }, noFiles);
    const evaluation = await task.evaluate(broken, quietJob);
    expect(valueOfMetric(evaluation, 'cosine')!.value).toBe(0);
    expect(valueOfMetric(evaluation, 'top1-agreement')!.value).toBe(0);
    expect(valueOfMetric(evaluation, 'sqnr')!.value).toBe(-200);
    expect(JSON.stringify(evaluation)).not.toContain('null');
  });
});

describe('agreement, by what the outputs are', () => {
  const columns = (rows: readonly number[]) => float32Tensor([1, rows.length], Float32Array.from(rows));
  const int64 = (values: readonly number[]): HostTensor => ({
    dtype: 'int64',
    dims: [values.length],
    data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  });
  /** A "model" that gives the next of these outputs at each run. */
  async function agreement(original: readonly HostTensor[], variant: readonly HostTensor[]) {
    const feeds = randomFeeds([spec], original.length, 1);
    const references = original.map((y) => new Map([['y', y]]));
    const task = await loadTask({ kind: 'agreement', feeds, references }, noFiles);
    let at = 0;
    const runner: Runner = { run: async () => new Map([['y', variant[at++]!]]) };
    return { task, evaluation: await task.evaluate(runner, quietJob) };
  }
  const prices = [3, 8, 5, 1, 9, 4, 7, 2];

  it('judges one number a sample by R², since its cosine is 1 whatever it is', async () => {
    const original = prices.map((price) => columns([price]));
    const { task, evaluation } = await agreement(
      original,
      prices.map((price) => columns([price * 1.5])),
    );
    expect(task.metrics.map(({ id }) => id)).toEqual(['r2', 'sqnr', 'max-abs-error']);
    const mean = prices.reduce((sum, price) => sum + price, 0) / prices.length;
    const squares = (of: (price: number) => number) => prices.reduce((sum, price) => sum + of(price) ** 2, 0);
    const expected = 1 - squares((price) => 0.5 * price) / squares((price) => price - mean);
    expect(valueOfMetric(evaluation, 'r2')!.value).toBeCloseTo(expected, 6);
    expect(expected).toBeLessThan(0);
    const same = await agreement(original, original);
    expect(valueOfMetric(same.evaluation, 'r2')).toMatchObject({ value: 1, interval: [1, 1] });
    const broken = await agreement(
      original,
      prices.map(() => columns([Number.NaN])),
    );
    expect(valueOfMetric(broken.evaluation, 'r2')!.value).toBeLessThanOrEqual(0);
    expect(JSON.stringify(broken.evaluation)).not.toContain('null');
  });

  it('counts equal labels where outputs are integers, since the cosine of class numbers means nothing', async () => {
    const labels = [[3], [7], [1], [9], [2], [2], [5], [6]].map(int64);
    const others = [[3], [8], [1], [4], [2], [2], [5], [6]].map(int64);
    const { task, evaluation } = await agreement(labels, others);
    expect(task.metrics.map(({ id }) => id)).toEqual(['same-values']);
    expect(valueOfMetric(evaluation, 'same-values')!.value).toBe(6 / 8);
    expect(evaluation.scores!.denominators).toEqual(Array(8).fill(1));
  });

  it('does not let a single number beside a vector hide: half of it is lost, and the figure falls', async () => {
    const feeds = randomFeeds([spec], 8, 1);
    const outputs = (factor: number) =>
      prices.map(
        (price) =>
          new Map([
            ['state', columns([price, 1, 2])],
            ['score', columns([price * factor])],
          ]),
      );
    const task = await loadTask({ kind: 'agreement', feeds, references: outputs(1) }, noFiles);
    let at = 0;
    const evaluation = await task.evaluate({ run: async () => outputs(0.5)[at++]! }, quietJob);
    expect(task.metrics[0]!.id).toBe('cosine');
    expect(valueOfMetric(evaluation, 'cosine')!.value).toBeCloseTo((1 + (1 - 0.25 / 2)) / 2, 6);
  });

  it('an output that never changes has no variance, and is compared all the same', async () => {
    const constant = prices.map(() => columns([2]));
    const { task, evaluation } = await agreement(
      constant,
      prices.map(() => columns([1])),
    );
    expect(task.metrics[0]!.id).toBe('cosine');
    expect(valueOfMetric(evaluation, 'cosine')!.value).toBeCloseTo(1 - 0.25 / 2, 6);
  });

  it('the same outputs pass any gate: that all cosines are 1 is no proportion of few samples', async () => {
    const vectors = prices.map((price) => columns([price, 1, 2]));
    const { task, evaluation } = await agreement(vectors, vectors);
    expect(valueOfMetric(evaluation, 'cosine')!.interval).toEqual([1, 1]);
    const gate = { mode: 'relative', maxWorse: 0.02, confidence: 0.95 } as const;
    const verdict = judge({ definition: task.metrics[0]!, gate, original: evaluation, variant: evaluation });
    expect(verdict).toMatchObject({ verdict: 'pass', worse: -0 });
  });
});

describe('random inputs', () => {
  const draw = (change: Partial<InputSpec>, samples = 1) =>
    randomFeeds([{ ...spec, dims: [100, 100], ...change }], samples, 7);
  const numbers = (change: Partial<InputSpec>) => Array.from(numbersOf(draw(change)[0]!.get('x')!)!);
  const mean = (x: number[]) => x.reduce((a, b) => a + b) / x.length;

  it('are the same for the same seed, and more samples do not change the first', () => {
    expect(draw({}, 2)).toEqual(draw({}, 2));
    expect(draw({}, 3)[1]).toEqual(draw({}, 2)[1]);
    expect(draw({}, 2)[0]).not.toEqual(draw({}, 2)[1]);
    expect(randomFeeds([spec], 1, 8)).not.toEqual(randomFeeds([spec], 1, 7));
  });

  it('have the distribution that is asked for', () => {
    const normal = numbers({});
    expect(mean(normal)).toBeCloseTo(0, 1);
    expect(mean(normal.map((v) => v * v))).toBeCloseTo(1, 1);
    const uniform = numbers({ distribution: 'uniform' });
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    const signed = numbers({ distribution: 'uniform-signed' });
    expect(Math.min(...signed)).toBeLessThan(-0.99);
    expect(numbers({ distribution: 'zeros' }).every((v) => v === 0)).toBe(true);
    expect(numbers({ distribution: 'ones' }).every((v) => v === 1)).toBe(true);
  });

  it.each(['int64', 'int32', 'uint8', 'bool', 'float16', 'float32'] as const)('integers as %s', (dtype) => {
    const values = numbers({ dtype, distribution: 'integers', max: 7 });
    const bound = dtype === 'bool' ? 2 : 7;
    expect(new Set(values)).toEqual(new Set(Array.from({ length: bound }, (_, i) => i)));
  });

  it('integer inputs never get a rounded normal', () => {
    expect(new Set(numbers({ dtype: 'int64', max: 50 })).size).toBe(50);
  });

  it('refuse types without values and sizes without memory', () => {
    expect(() => draw({ dtype: 'string' })).toThrow(expect.objectContaining({ code: 'task/bad-inputs' }));
    expect(() => draw({ dims: [1e6, 1e6] })).toThrow(/1000000000000 elements/);
  });
});
