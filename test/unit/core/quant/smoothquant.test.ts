import { describe, expect, it } from 'vitest';
import { step } from '../../../../src/core/quant/smoothquant.ts';
import { step as staticInt8 } from '../../../../src/core/quant/static-int8.ts';
import { findLinearSites } from '../../../../src/core/quant/support/linear-sites.ts';
import { smoothLosses, smoothScales } from '../../../../src/core/quant/support/scale/smooth-scales.ts';
import { openScopes } from '../../../../src/core/quant/support/scopes.ts';
import type { CalibrationSource, StepDefinition } from '../../../../src/core/step/define.ts';
import { expectSameOutputs, model, noise } from '../passes/helpers.ts';
import { countOps, runOnNode, runOnWasm } from './support/bench.ts';
import { applyCalibrated, executor, generatedInputs } from './support/calibrated.ts';
import { matmulModel, sampleValues } from './support/models.ts';
import { noiseShare, outlierCalibration, outlierFeeds, outlierModel } from './support/outlier-model.ts';

const smooth = step as unknown as StepDefinition;
const quantizer = staticInt8 as unknown as StepDefinition;

interface Smoothed {
  readonly value: string;
  readonly alpha: number | null;
  readonly errorReduction: number | null;
}
const smoothedOf = (outcome: Awaited<ReturnType<typeof applyCalibrated>>) =>
  outcome.ledger[0]!.facts!.smoothed as unknown as Smoothed[];

describe('smoothScales', () => {
  it('are max|X|^alpha / max|W|^(1 - alpha)', () => {
    const scales = smoothScales(Float64Array.of(16, 1), Float64Array.of(0.25, 4), 0.5);
    expect([...scales]).toEqual([8, 0.5]);
    expect([...smoothScales(Float64Array.of(16, 1), Float64Array.of(0.25, 4), 1)]).toEqual([16, 1]);
  });

  it('leave a channel alone that is zero on either side, and are bounded', () => {
    expect([...smoothScales(Float64Array.of(0, 3, 1e30), Float64Array.of(2, 0, 1), 0.5)]).toEqual([1, 1, 1e5]);
  });
});

describe('smoothLosses', () => {
  it('are those of rounding both operands to 8 bits', async () => {
    const [K, N, count] = [12, 5, 7];
    const weight = sampleValues(K * N, 2, 3);
    const rows = sampleValues(count * K, 3, 4);
    const site = findLinearSites(openScopes(matmulModel(K, N, weight))).sites[0]!;
    const channel = (pick: (...values: number[]) => number) =>
      Float32Array.from({ length: K }, (_, k) => pick(...Array.from({ length: count }, (_, r) => rows[r * K + k]!)));
    const [min, max] = [channel(Math.min), channel(Math.max)];
    for (const perChannel of [true, false]) {
      const trial = { executor, sites: [site], rows, count, min, max, ranges: 'min-max', perChannel } as const;
      const factors = Float64Array.from({ length: K }, (_, k) => 2 ** ((k % 3) - 1));
      const losses = await smoothLosses(trial, [new Float64Array(K).fill(1), factors]);
      for (const [index, scale] of [new Float64Array(K).fill(1), factors].entries()) {
        const x = rows.map((value, at) => value / scale[at % K]!);
        const w = weight.map((value, at) => value * scale[Math.floor(at / N)]!);
        const [low, high] = [Math.min(0, ...x), Math.max(0, ...x)];
        const unit = (high - low) / 255;
        const zero = Math.round(-low / unit);
        const xq = x.map((value) => (Math.min(255, Math.max(0, Math.round(value / unit) + zero)) - zero) * unit);
        const largest = (n: number) =>
          Math.max(...Array.from(w, (value, at) => (!perChannel || at % N === n ? Math.abs(value) : 0)));
        const wq = w.map((value, at) => Math.round((value / largest(at % N)) * 127) * (largest(at % N) / 127));
        let loss = 0;
        for (let r = 0; r < count; r += 1)
          for (let n = 0; n < N; n += 1) {
            let error = 0;
            for (let k = 0; k < K; k += 1) error += xq[r * K + k]! * wq[k * N + n]! - x[r * K + k]! * w[k * N + n]!;
            loss += error * error;
          }
        expect(losses[index]! / loss).toBeCloseTo(1, 2);
      }
    }
  });
});

describe('SmoothQuant', () => {
  for (const params of [
    {},
    { search: false },
    { search: false, alpha: 0.8, percentile: 99 },
    { ranges: 'min-max' },
    { granularity: 'tensor', layers: true },
  ])
    it(`keeps the function: ${JSON.stringify(params)}`, async () => {
      const source = outlierModel();
      const { model: changed, ledger } = await applyCalibrated(smooth, source, outlierCalibration(), params);
      expect(ledger[0]!.fired).toBeGreaterThan(0);
      expect(countOps(changed)).toEqual(countOps(source));
      await expectSameOutputs(source, changed, { relative: 1e-5 });
    });

  it('halves the loss of static INT8 where activations have outliers', async () => {
    const source = outlierModel();
    const reference = await runOnNode(source, outlierFeeds());
    const loss = async (params?: object) => {
      const before = params ? (await applyCalibrated(smooth, source, outlierCalibration(), params)).model : source;
      const { model: quantized } = await applyCalibrated(quantizer, before, outlierCalibration());
      // WASM: 8-bit products saturate on CPUs without VNNI.
      const values = await runOnWasm(quantized, outlierFeeds());
      return noiseShare(values.get('q')!, reference.get('q')!);
    };
    const plain = await loss();
    expect((await loss({})) / plain).toBeLessThan(0.5);
    expect((await loss({ search: false })) / plain).toBeLessThan(0.5);
  });

  it('smooths convolutions where asked', async () => {
    const source = model({
      inputs: { x: [1, 4, 6, 6] },
      outputs: ['y'],
      nodes: ['c = Conv(x, a, b)', 'r = Relu(c)', 'y = Conv(r, w)'],
      weights: { a: noise(1, [8, 4, 3, 3]), b: noise(2, [8]), w: noise(3, [4, 8, 1, 1]) },
    });
    const calibration = generatedInputs({ x: [1, 4, 6, 6] }, 4);
    const without = await applyCalibrated(smooth, source, calibration, {});
    expect(without.advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
    const outcome = await applyCalibrated(smooth, source, calibration, { conv: true });
    expect(smoothedOf(outcome)).toMatchObject([{ value: 'r', alpha: 0.5, errorReduction: null }]);
    await expectSameOutputs(source, outcome.model, { relative: 1e-5 });
  });

  it('says what it left alone, or puts a Mul node there', async () => {
    const source = outlierModel({ outputs: ['q', 'y', 'n'] });
    const outcome = await applyCalibrated(smooth, source, outlierCalibration(), {});
    expect(outcome.advisories.map(({ code }) => code)).toContain('quant/not-smoothed');
    expect(countOps(outcome.model).Mul).toBe(1);
    const inserted = await applyCalibrated(smooth, source, outlierCalibration(), { insertMul: true });
    expect(countOps(inserted.model).Mul).toBe(2);
    await expectSameOutputs(source, inserted.model, { relative: 1e-5 });
  });

  it('folds into norms only, unless told otherwise', async () => {
    const values = async (params: object) =>
      smoothedOf(await applyCalibrated(smooth, outlierModel(), outlierCalibration(), params)).map(({ value }) => value);
    expect(await values({})).toEqual(['n']);
    expect(await values({ layers: true })).toEqual(['n', 'm']);
  });

  it('leaves a layer input alone where nothing is better', async () => {
    // One channel: all factors are the same.
    const source = model({
      inputs: { x: [8, 1] },
      outputs: ['y'],
      nodes: ['n = Mul(x, k)', 'y = MatMul(n, w)'],
      weights: { k: noise(1, [1]), w: noise(2, [1, 3]) },
    });
    const outcome = await applyCalibrated(smooth, source, generatedInputs({ x: [8, 1] }, 2), { ranges: 'min-max' });
    expect(smoothedOf(outcome)[0]!.errorReduction!).toBeLessThan(1e-3);
    await expectSameOutputs(source, outcome.model, { relative: 1e-6 });
  });

  it('refuses calibration inputs that are missing, empty or not finite', async () => {
    const run = (source: CalibrationSource | undefined) => applyCalibrated(smooth, outlierModel(), source);
    await expect(run(undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
    await expect(run(outlierCalibration(0))).rejects.toMatchObject({ code: 'calib/too-few-samples' });
    const spoiled = outlierCalibration(2, (values, sample) => {
      if (sample === 1) values[3] = Number.POSITIVE_INFINITY;
    });
    await expect(run(spoiled)).rejects.toMatchObject({ code: 'calib/not-finite', data: { tensor: 'n', sample: 2 } });
  });
});
