import { describe, expect, it } from 'vitest';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorByteLength } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { step as dynamicInt8 } from '../../../../src/core/quant/dynamic-int8.ts';
import { step } from '../../../../src/core/quant/outlier-int8.ts';
import { roundHalfEven } from '../../../../src/core/quant/support/affine.ts';
import type { CalibrationSource, HostTensor, StepDefinition } from '../../../../src/core/step/define.ts';
import { applyStep, countOps, type Feeds, relativeError, runtimes } from './support/bench.ts';
import { applyCalibrated } from './support/calibrated.ts';
import { constantNode, floatTensor, gemmModel, ifModel, matmulModel, product, sampleValues } from './support/models.ts';

const OUTLIERS = [3, 17, 18];

/** Like a transformer's: a few features are large in every row. */
function activations(rows: number, K: number, seed: number, outliers = OUTLIERS): Float32Array {
  return sampleValues(rows * K, seed).map((value, i) => (outliers.includes(i % K) ? 40 * value + 20 : value));
}

const sourceOf = (...samples: { dims: readonly number[]; data: Float32Array }[]): CalibrationSource => ({
  origin: 'calibration-split',
  feeds: async function* () {
    for (const { dims, data } of samples)
      yield new Map<string, HostTensor>([['x', { dtype: 'float32', dims, data: new Uint8Array(data.slice().buffer) }]]);
  },
});

const feed = (dims: readonly number[], data: Float32Array): Feeds => ({ x: { type: 'float32', dims, data } });
const apply = (model: Model, calibration: CalibrationSource | undefined, params: object = {}) =>
  applyCalibrated(step as StepDefinition, model, calibration, params);

/** Equation 8 of the paper, in float64: W is [K, N]. */
function llmInt8(x: Float32Array, w: Float32Array, M: number, K: number, N: number, outliers: readonly number[]) {
  const isRegular = (k: number) => !outliers.includes(k);
  const absmax = (values: number[]) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const regular = Array.from({ length: K }, (_, k) => k).filter(isRegular);
  const columns = Array.from({ length: N }, (_, n) => Math.fround(absmax(regular.map((k) => w[k * N + n]!)) / 127));
  return Array.from({ length: M * N }, (_, i) => {
    const [m, n] = [Math.floor(i / N), i % N];
    const row = Math.fround(absmax(regular.map((k) => x[m * K + k]!)) / 127);
    let integers = 0;
    for (const k of regular)
      integers +=
        roundHalfEven(Math.fround(x[m * K + k]! / row)) *
        (columns[n] === 0 ? 0 : roundHalfEven(Math.fround(w[k * N + n]! / columns[n]!)));
    let exact = 0;
    for (const k of outliers) exact += x[m * K + k]! * w[k * N + n]!;
    return exact + (row === 0 ? 0 : integers * row * columns[n]!);
  });
}

describe('against the definition', () => {
  for (const [M, K, N] of [
    [1, 32, 5],
    [7, 33, 12],
    [4, 256, 64],
  ] as const)
    for (const order of ['MatMul', 'Gemm'] as const)
      it(`${order} ${M}x${K}x${N}`, async () => {
        const w = sampleValues(K * N, 5, N);
        const turned = Float32Array.from({ length: K * N }, (_, i) => w[(i % K) * N + Math.floor(i / K)]!);
        const source =
          order === 'MatMul'
            ? matmulModel(K, N, w)
            : gemmModel({ M, K, N, transB: true, biasDims: [N] }, turned, new Float32Array(N).fill(1.5));
        const x = activations(M, K, 9);
        const { model, ledger } = await apply(source, sourceOf({ dims: [M, K], data: x }));
        expect(countOps(model)).toMatchObject({ MatMulInteger: 1, MatMul: 1, Gather: 1 });
        expect(countOps(model).Gemm).toBeUndefined();
        expect(ledger[0]!.facts).toMatchObject({ layers: [{ outlierCount: 3, outliers: OUTLIERS, features: K }] });
        // The weight is in 8 bits but for the rows of the outliers.
        const sizes = [...model.graph.initializers.values()]
          .filter(({ dims }) => dims.length === 2)
          .map(tensorByteLength);
        expect(sizes.sort((a, b) => a - b)).toEqual([3 * N * 4, K * N].sort((a, b) => a - b));
        const reference = llmInt8(x, w, M, K, N, OUTLIERS).map((value) => value + (order === 'Gemm' ? 1.5 : 0));
        for (const [label, run] of runtimes)
          for (const level of ['disabled', 'all'] as const) {
            const y = (await run(model, feed([M, K], x), level)).get('y')!;
            expect(relativeError(y, reference), `${label} ${level}`).toBeLessThan(1e-5);
          }
      });

  it('does not saturate where all codes are extreme', async () => {
    const [M, K, N] = [2, 512, 16];
    const w = Float32Array.from({ length: K * N }, (_, i) => (i % 3 === 0 ? -1 : 1));
    const x = Float32Array.from({ length: M * K }, (_, i) => (i % 5 === 0 ? -1 : 1));
    const { model } = await apply(matmulModel(K, N, w), sourceOf({ dims: [M, K], data: x }));
    const exact = product(x, w, M, K, N);
    for (const [label, run] of runtimes)
      expect(relativeError((await run(model, feed([M, K], x))).get('y')!, exact), label).toBeLessThan(1e-5);
  });

  it('for activations of any rank, rows of zeros, and opsets where ReduceMax has an input', async () => {
    const [K, N] = [24, 6];
    const w = sampleValues(K * N, 5, N);
    const x = activations(6, K, 4);
    x.fill(0, K, 2 * K);
    for (const opset of [11, 13, 17, 18, 21]) {
      const source = matmulModel(K, N, w, opset);
      source.graph.inputs = [valueInfo('x', 'float32', [2, 3, K])];
      source.graph.outputs = [valueInfo('y', 'float32', [2, 3, N])];
      const { model } = await apply(source, sourceOf({ dims: [2, 3, K], data: x }));
      expect(model.opsetImports.get('')).toBe(opset);
      const reference = llmInt8(x, w, 6, K, N, OUTLIERS);
      for (const [label, run] of runtimes)
        expect(
          relativeError((await run(model, feed([2, 3, K], x))).get('y')!, reference),
          `${label} ${opset}`,
        ).toBeLessThan(1e-5);
    }
  });
});

describe('what it is for', () => {
  it('keeps a layer whose activations have outliers, which one scale for all destroys', async () => {
    const [M, K, N] = [16, 128, 32];
    const w = sampleValues(K * N, 5);
    const source = matmulModel(K, N, w);
    const x = activations(M, K, 9).map((value, i) => (OUTLIERS.includes(i % K) ? 100 * value : value));
    const error = async (model: Model) => {
      const y = (await runtimes[1][1](model, feed([M, K], x))).get('y')!;
      const outlierPart = llmInt8(x, w, M, K, N, OUTLIERS);
      const exact = product(x, w, M, K, N);
      // What the regular features contribute is small beside the outliers; it is that part which gets lost.
      const regularOnly = product(
        x.map((value, i) => (OUTLIERS.includes(i % K) ? 0 : value)),
        w,
        M,
        K,
        N,
      );
      expect(outlierPart).toHaveLength(exact.length);
      return relativeError(
        y.map((value, i) => value - exact[i]! + regularOnly[i]!),
        regularOnly,
      );
    };
    const split = await error((await apply(source, sourceOf({ dims: [M, K], data: x }))).model);
    const single = await error((await applyStep(dynamicInt8, source)).model);
    expect(split).toBeLessThan(0.02);
    expect(single).toBeGreaterThan(10 * split);
  });

  it('shares codes between layers with the same outliers, and has one set for each otherwise', async () => {
    const K = 16;
    const w = floatTensor(
      'w',
      [K, K],
      sampleValues(K * K, 3).map((value) => value / 4),
    );
    const layer = (input: string, output: string) =>
      makeNode({ opType: 'MatMul', name: output, inputs: [input, 'w'], outputs: [output] });
    const source = makeModel({
      graph: makeGraph({
        nodes: [layer('x', 'a'), layer('a', 'b'), layer('b', 'y')],
        inputs: [valueInfo('x', 'float32', [4, K])],
        outputs: [valueInfo('y', 'float32', [4, K])],
        initializers: [w],
      }),
    });
    const x = sampleValues(4 * K, 2).map((value, i) => (i % K === 2 ? 30 : value / 10));
    const { model, ledger } = await apply(source, sourceOf({ dims: [4, K], data: x }), { threshold: 25, maxShare: 1 });
    const layers = ledger[0]!.facts!.layers as { outlierCount: number }[];
    expect(layers.map(({ outlierCount }) => outlierCount)).toEqual([1, 0, 0]);
    expect([...model.graph.initializers.values()].filter(({ dtype }) => dtype === 'int8')).toHaveLength(2);
    const reference = (await runtimes[0][1](source, feed([4, K], x))).get('y')!;
    for (const [label, run] of runtimes)
      expect(relativeError((await run(model, feed([4, K], x))).get('y')!, reference), label).toBeLessThan(0.05);
  });
});

describe('what is left or said', () => {
  const [K, N] = [32, 6];
  const w = sampleValues(K * N, 5, N);
  const calm = sourceOf({ dims: [2, K], data: sampleValues(2 * K, 3) });

  it('without outliers it is integer throughout, and says that dynamic INT8 is faster', async () => {
    const { model, advisories } = await apply(matmulModel(K, N, w), calm);
    expect(countOps(model).MatMul).toBeUndefined();
    expect(advisories.map(({ code }) => code)).toContain('quant/no-outliers');
  });

  it('a layer of outliers stays in floating point', async () => {
    const { model, advisories } = await apply(matmulModel(K, N, w), calm, { threshold: 0.1 });
    expect(countOps(model)).toEqual({ MatMul: 1 });
    expect(advisories.map(({ message }) => message).join()).toMatch(/% of its input features are outliers/);
  });

  it('weights behind Constant nodes are taken, subgraphs left with the reason', async () => {
    const source = matmulModel(K, N, w);
    source.graph.nodes.unshift(constantNode(floatTensor('w', [K, N], w)));
    source.graph.initializers.clear();
    expect(countOps((await apply(source, calm)).model)).toMatchObject({ MatMulInteger: 1 });
    const branches = ifModel(K, N, w, w);
    const data = sampleValues(K, 3);
    const calibration: CalibrationSource = {
      origin: 'generated',
      feeds: async function* () {
        yield new Map<string, HostTensor>([
          ['x', { dtype: 'float32', dims: [1, K], data: new Uint8Array(data.slice().buffer) }],
          ['c', { dtype: 'bool', dims: [], data: Uint8Array.of(1) }],
        ]);
      },
    };
    const { model, advisories } = await apply(branches, calibration);
    expect(countOps(model)).toMatchObject({ MatMulInteger: 1, MatMul: 2 });
    expect(advisories.map(({ message }) => message).join()).toMatch(/in a subgraph/);
  });

  it('nothing is done without calibration inputs, nor with a weight that is no number', async () => {
    await expect(apply(matmulModel(K, N, w), undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
    const poisoned = w.slice();
    poisoned[7] = Number.NaN;
    await expect(apply(matmulModel(K, N, poisoned), calm)).rejects.toMatchObject({
      code: 'pass/bad-weight',
      data: { tensor: 'w' },
    });
  });
});
