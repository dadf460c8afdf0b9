import { describe, expect, it } from 'vitest';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { step } from '../../../../src/core/quant/weight-only-gptq.ts';
import { step as nearest } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import type { StepsOutcome } from '../../../../src/core/step/run-steps.ts';
import { applyStep, countOps, type Feeds, nodesOfType, runOnNode, runtimes } from './support/bench.ts';
import { applyCalibrated, float32Feed, generatedInputs } from './support/calibrated.ts';
import { constantNode, floatTensor, gemmModel, ifModel, matmulModel, sampleValues } from './support/models.ts';

const K = 64;
const N = 24;
const FEW = 3;

/** Tokens whose features go together: 8 hidden directions and a little noise. */
function tokens(count: number, seed: number): Float32Array {
  const mix = sampleValues(8 * K, 77);
  const hidden = sampleValues(count * 8, seed);
  const noise = sampleValues(count * K, seed + 1);
  return Float32Array.from({ length: count * K }, (_, at) => {
    const [t, k] = [Math.floor(at / K), at % K];
    let sum = 0.1 * noise[at]!;
    for (let h = 0; h < 8; h += 1) sum += hidden[t * 8 + h]! * mix[h * K + k]!;
    return sum;
  });
}

const correlated = (samples = 6, dims: (count: number) => number[] = (count) => [count, K]): CalibrationSource => ({
  origin: 'calibration-split',
  async *feeds() {
    for (let sample = 0; sample < samples; sample += 1) {
      // Samples of different lengths.
      const count = 40 + sample;
      yield new Map([['x', float32Feed(dims(count), tokens(count, 3 * sample + 1))]]);
    }
  },
});

const unseen: Feeds = { x: { type: 'float32', dims: [50, K], data: tokens(50, 1000) } };
const weights = sampleValues(K * N, 4, 3).map((value) => value * 0.1);

function squaredError(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < reference.length; i += 1) sum += (actual[i]! - reference[i]!) ** 2;
  return sum;
}

/** Errors on inputs that calibration did not see. */
async function errors(model: Model, params: object, calibration = correlated(), feeds = unseen) {
  const expected = (await runOnNode(model, feeds)).get('y')!;
  const gptq = await applyCalibrated(step, model, calibration, params);
  const plain = await applyStep(nearest, model, params);
  return {
    gptq: squaredError((await runOnNode(gptq.model, feeds)).get('y')!, expected),
    plain: squaredError((await runOnNode(plain.model, feeds)).get('y')!, expected),
    outcome: gptq,
  };
}

const factsOf = ({ ledger }: StepsOutcome) => ledger[0]!.facts!.gptq as { method: string; tokens: number }[];

describe('weight-only-gptq', () => {
  it('errs less than round to nearest on inputs that it has not seen, on every runtime', async () => {
    const model = matmulModel(K, N, weights);
    for (const params of [
      { bits: 4 },
      { bits: 3, blockSize: 64 },
      { bits: 2, actOrder: false },
      { bits: 3, gridSearch: 'min-max' },
    ]) {
      const { gptq, plain, outcome } = await errors(model, params);
      expect(gptq).toBeLessThan(0.5 * plain);
      expect(countOps(outcome.model)).toEqual({ 'com.microsoft.MatMulNBits': 1 });
      expect(factsOf(outcome)).toMatchObject([{ method: 'gptq', tokens: 6 * 40 + 15 }]);
      const [a, b] = await Promise.all(runtimes.map(async ([, run]) => (await run(outcome.model, unseen)).get('y')!));
      expect(squaredError(a!, b!)).toBeLessThan(1e-3 * plain);
    }
  });

  it('takes Gemm in all its forms, and weights behind Constant and Transpose nodes', async () => {
    for (const [transA, transB] of [
      [false, false],
      [false, true],
      [true, true],
    ] as const) {
      const model = gemmModel({ M: 40, K, N, transA, transB, alpha: 0.5, biasDims: [N] }, weights, sampleValues(N, 9));
      const turned = (count: number) => (transA ? [K, count] : [count, K]);
      const one: CalibrationSource = {
        origin: 'calibration-split',
        async *feeds() {
          for (let seed = 1; seed < 8; seed += 1) yield new Map([['x', float32Feed(turned(40), arranged(40, seed))]]);
        },
      };
      const arranged = (count: number, seed: number) => {
        const values = tokens(count, seed);
        if (!transA) return values;
        return Float32Array.from({ length: count * K }, (_, at) => values[(at % count) * K + Math.floor(at / count)]!);
      };
      const feeds: Feeds = { x: { type: 'float32', dims: turned(40), data: arranged(40, 1000) } };
      const { gptq, plain } = await errors(model, { bits: 3 }, one, feeds);
      expect(gptq).toBeLessThan(0.5 * plain);
    }
    const behind = makeModel({
      graph: makeGraph({
        nodes: [
          constantNode(floatTensor('w', [N, K], weights)),
          makeNode({ opType: 'Transpose', inputs: ['w'], outputs: ['wt'] }),
          makeNode({ opType: 'MatMul', name: 'mm', inputs: ['x', 'wt'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', ['m', K])],
        outputs: [valueInfo('y', 'float32', ['m', N])],
      }),
    });
    const { gptq, plain } = await errors(behind, { bits: 3 });
    expect(gptq).toBeLessThan(0.5 * plain);
  });

  it('quantizes a shared weight once, when all its inputs have been seen, and later layers on quantized ones', async () => {
    const square = sampleValues(K * K, 8).map((value) => value * 0.08);
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'MatMul', name: 'one', inputs: ['x', 'w'], outputs: ['a'] }),
          makeNode({ opType: 'Tanh', inputs: ['a'], outputs: ['b'] }),
          makeNode({ opType: 'MatMul', name: 'two', inputs: ['b', 'w'], outputs: ['c'] }),
          makeNode({ opType: 'Add', inputs: ['c', 'x'], outputs: ['d'] }),
          makeNode({ opType: 'MatMul', name: 'head', inputs: ['d', 'h'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', ['m', K])],
        outputs: [valueInfo('y', 'float32', ['m', N])],
        initializers: [floatTensor('w', [K, K], square), floatTensor('h', [K, N], weights)],
      }),
    });
    const { gptq, plain, outcome } = await errors(model, { bits: 3 });
    expect(gptq).toBeLessThan(0.7 * plain);
    const [one, two] = nodesOfType(outcome.model, 'MatMulNBits');
    expect(one!.inputs[1]).toBe(two!.inputs[1]);
    // Both inputs of the shared weight count.
    expect(factsOf(outcome).map((fact) => fact.tokens)).toEqual([2 * (6 * 40 + 15), 6 * 40 + 15]);
    expect(outcome.model.graph.initializers.has('w')).toBe(false);
  });

  it('rounds to nearest, and says so, in subgraphs, on inputs of zeros and with constants for inputs', async () => {
    const inIf = ifModel(K, N, weights, sampleValues(K * N, 3));
    const calibration: CalibrationSource = {
      origin: 'calibration-split',
      async *feeds() {
        for (let seed = 1; seed < 40; seed += 1)
          yield new Map([
            ['x', float32Feed([1, K], tokens(1, seed))],
            ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(seed % 2) }],
          ]);
      },
    };
    const nested = await applyCalibrated(step, inIf, calibration);
    expect(countOps(nested.model)).toMatchObject({ 'com.microsoft.MatMulNBits': 3 });
    expect(nested.advisories).toContainEqual(
      expect.objectContaining({
        code: 'quant/gptq-fell-back',
        message: expect.stringContaining('then/mm: it is in a subgraph'),
      }),
    );
    const zeros = await applyCalibrated(step, matmulModel(K, N, weights), generatedInputs({ x: [100, K] }, FEW, 0));
    expect(factsOf(zeros)).toMatchObject([{ method: 'round to nearest' }]);
    expect(zeros.advisories.map(({ code }) => code)).toContain('quant/gptq-fell-back');
    const still = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'MatMul', name: 'mm', inputs: ['fixed', 'w'], outputs: ['z'] }),
          makeNode({ opType: 'Add', inputs: ['z', 'x'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', [1, N])],
        outputs: [valueInfo('y', 'float32', [1, N])],
        initializers: [floatTensor('fixed', [1, K], sampleValues(K)), floatTensor('w', [K, N], weights)],
      }),
    });
    const fixed = await applyCalibrated(step, still, generatedInputs({ x: [1, N] }));
    expect(factsOf(fixed)).toMatchObject([{ method: 'round to nearest' }]);
  });

  it('warns of few tokens and few samples, and asks for data', async () => {
    const model = matmulModel(K, N, weights);
    const { advisories } = await applyCalibrated(step, model, generatedInputs({ x: [4, K] }, FEW));
    expect(advisories.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['quant/few-tokens', 'quant/few-samples', 'quant/calibrated']),
    );
    await expect(applyCalibrated(step, model, undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
    const broken = matmulModel(
      K,
      N,
      weights.map((value, i) => (i === 7 ? Number.POSITIVE_INFINITY : value)),
    );
    await expect(applyCalibrated(step, broken, correlated())).rejects.toMatchObject({ code: 'pass/bad-weight' });
    const nothing = await applyCalibrated(step, model, correlated(), { exclude: ['*'] });
    expect(nothing.advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
  });

  it('feeds errors back on channels that AWQ has scaled, which changes nothing else', async () => {
    // One feature is far larger than the others, behind a norm into which factors fold.
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'LayerNormalization', inputs: ['x', 'gain', 'shift'], outputs: ['h'] }),
          makeNode({ opType: 'MatMul', name: 'mm', inputs: ['h', 'w'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', ['m', K])],
        outputs: [valueInfo('y', 'float32', ['m', N])],
        initializers: [
          floatTensor(
            'gain',
            [K],
            Float32Array.from({ length: K }, (_, k) => (k % 19 === 4 ? 30 : 1)),
          ),
          floatTensor('shift', [K], new Float32Array(K)),
          floatTensor(
            'w',
            [K, N],
            weights.map((value, i) => (Math.floor(i / N) % 19 === 4 ? value / 10 : value)),
          ),
        ],
      }),
    });
    const feeds: Feeds = { x: { type: 'float32', dims: [50, K], data: tokens(50, 1000) } };
    const params = { bits: 3, blockSize: 64, actOrder: false };
    const { plain } = await errors(model, { bits: 3, blockSize: 64 }, correlated(), feeds);
    const { gptq: scaled, outcome } = await errors(model, { ...params, scaling: 'awq' }, correlated(), feeds);
    expect(scaled).toBeLessThan(0.5 * plain);
    const { scaled: groups, gptq } = outcome.ledger[0]!.facts as {
      scaled: { alpha: number; folded: boolean }[];
      gptq: { method: string }[];
    };
    expect(groups).toMatchObject([{ folded: true }]);
    expect(groups[0]!.alpha).toBeGreaterThan(0);
    expect(gptq).toMatchObject([{ method: 'gptq' }]);
    expect(countOps(outcome.model)).toEqual({ LayerNormalization: 1, 'com.microsoft.MatMulNBits': 1 });
  });

  it('gives layers their own bits, and leaves embeddings alone', async () => {
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({
            opType: 'Gather',
            name: 'embed',
            inputs: ['table', 'ids'],
            outputs: ['x'],
            attributes: { axis: attrInt(0) },
          }),
          makeNode({ opType: 'MatMul', name: 'up', inputs: ['x', 'w1'], outputs: ['h'] }),
          makeNode({ opType: 'MatMul', name: 'down', inputs: ['h', 'w2'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('ids', 'int64', ['m'])],
        outputs: [valueInfo('y', 'float32', ['m', K])],
        initializers: [
          floatTensor('table', [90, K], tokens(90, 5)),
          floatTensor('w1', [K, N], weights),
          floatTensor('w2', [N, K], sampleValues(K * N, 6)),
        ],
      }),
    });
    const ids: CalibrationSource = {
      origin: 'calibration-split',
      async *feeds() {
        for (let sample = 0; sample < 3; sample += 1) {
          const data = new Uint8Array(BigInt64Array.from({ length: 30 }, (_, i) => BigInt(i + sample * 30)).buffer);
          yield new Map([['ids', { dtype: 'int64' as const, dims: [30], data }]]);
        }
      },
    };
    const { model: made } = await applyCalibrated(step, model, ids, { overrides: ['down=8'] });
    expect(nodesOfType(made, 'MatMulNBits').map((node) => node.attributes.get('bits'))).toEqual([
      attrInt(4),
      attrInt(8),
    ]);
    expect(made.graph.initializers.get('table')!.dtype).toBe('float32');
  });
});
