import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { awqFactors } from '../../../../src/core/quant/support/awq-factors.ts';
import { step } from '../../../../src/core/quant/weight-only-awq.ts';
import { step as roundToNearest } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { CalibrationSource, StepDefinition } from '../../../../src/core/step/define.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { noise } from '../passes/helpers.ts';
import { applyStep, countOps, runOnNode, runtimes } from './support/bench.ts';
import { applyCalibrated } from './support/calibrated.ts';
import { ifModel, sampleValues } from './support/models.ts';
import { noiseShare, outlierCalibration, outlierFeeds, outlierModel } from './support/outlier-model.ts';

const awq = step as unknown as StepDefinition;
const rtn = roundToNearest as unknown as StepDefinition;
const settings = { bits: 4, blockSize: 32, rows: 128 };

async function errors(source: Model, quantized: Model, outputs = ['q', 'y']): Promise<number[]> {
  const reference = await runOnNode(source, outlierFeeds());
  const values = await runOnNode(quantized, outlierFeeds());
  return outputs.map((name) => noiseShare(values.get(name)!, reference.get(name)!));
}

interface Scaled {
  readonly value: string;
  readonly alpha: number;
  readonly folded: boolean;
  readonly errorReduction: number;
}
const scaledOf = (outcome: Awaited<ReturnType<typeof applyCalibrated>>) =>
  outcome.ledger[0]!.facts!.scaled as unknown as Scaled[];

describe('awqFactors', () => {
  it('are powers of the mean magnitudes with extremes around one', () => {
    expect([...awqFactors(Float64Array.of(1, 4, 16), undefined, 0.5)]).toEqual([0.5, 1, 2]);
    expect([...awqFactors(Float64Array.of(1, 4, 16), undefined, 1)]).toEqual([0.25, 1, 4]);
  });

  it('divide by the weights where asked', () => {
    const factors = awqFactors(Float64Array.of(1, 1), Float64Array.of(0.25, 1), 0.5);
    expect(factors[0]! / factors[1]!).toBeCloseTo(2, 3);
  });

  it('leave a channel that is never active at one, and stay finite when all are', () => {
    expect([...awqFactors(Float64Array.of(0, 4, 16), undefined, 1)]).toEqual([1, 0.5, 2]);
    expect([...awqFactors(new Float64Array(2), Float64Array.of(0, 1), 0.5)]).toEqual([1, 1]);
  });
});

describe('AWQ', () => {
  it('loses less than rounding to nearest where activations have outliers, on inputs it has not seen', async () => {
    const source = outlierModel();
    for (const bits of [4, 3]) {
      const nearest = await applyStep(rtn, source, { bits, blockSize: 32 });
      const outcome = await applyCalibrated(awq, source, outlierCalibration(), { ...settings, bits });
      const [plain, scaled] = [await errors(source, nearest.model), await errors(source, outcome.model)];
      expect(scaled[0]! / plain[0]!, `${bits} bits`).toBeLessThan(0.6);
      expect(scaled[1]! / plain[1]!, `${bits} bits`).toBeLessThan(0.8);
      expect(countOps(outcome.model)).toEqual(countOps(nearest.model));
      expect(scaledOf(outcome).map(({ value, folded }) => [value, folded])).toEqual([
        ['n', true],
        ['m', true],
      ]);
      expect(scaledOf(outcome)[0]!.errorReduction).toBeGreaterThan(0.3);
    }
  });

  it('clips where that brings the outputs closer, query projections too, and says by how much', async () => {
    const source = outlierModel();
    const coarse = { ...settings, bits: 2 };
    const quantize = (clip: boolean) => applyCalibrated(awq, source, outlierCalibration(), { ...coarse, clip });
    const [plain, clipped] = [await quantize(false), await quantize(true)];
    const gains = (clipped.ledger[0]!.facts!.scaled as { clipErrorReduction: number }[]).map(
      ({ clipErrorReduction }) => clipErrorReduction,
    );
    for (const gain of gains) expect(gain).toBeGreaterThan(0.05);
    expect((await errors(source, clipped.model))[0]!).toBeLessThan((await errors(source, plain.model))[0]!);
  });

  it('judges a layer by what it reads once those before it are rounded', async () => {
    const source = outlierModel();
    const [both, alone] = [
      await applyCalibrated(awq, source, outlierCalibration(), { ...settings, bits: 2 }),
      await applyCalibrated(awq, source, outlierCalibration(), { ...settings, bits: 2, exclude: ['g', 'u'] }),
    ];
    const second = (outcome: typeof both) => scaledOf(outcome).find(({ value }) => value === 'm')!.errorReduction;
    expect(second(both)).not.toBe(second(alone));
  });

  it('runs alike on every runtime', async () => {
    const { model } = await applyCalibrated(awq, outlierModel(), outlierCalibration(), settings);
    const reference = await runOnNode(model, outlierFeeds(), 'disabled');
    for (const [name, run] of runtimes) {
      const outputs = await run(model, outlierFeeds());
      for (const [output, values] of reference)
        expect(noiseShare(outputs.get(output)!, values), name).toBeLessThan(1e-4);
    }
  });

  it('puts a Mul node where factors fit into nothing, if it may', async () => {
    const source = outlierModel({ outputs: ['q', 'y', 'n'] });
    const quantize = (insertMul: boolean) =>
      applyCalibrated(awq, source, outlierCalibration(), { ...settings, insertMul });
    const [nearest, without, inserted] = [
      await applyStep(rtn, source, { bits: 4, blockSize: 32 }),
      await quantize(false),
      await quantize(true),
    ];
    expect(countOps(without.model).Mul).toBe(1);
    expect(countOps(inserted.model).Mul).toBe(2);
    const [plain] = await errors(source, nearest.model);
    expect((await errors(source, inserted.model))[0]! / plain!).toBeLessThan(0.6);
    expect((await errors(source, inserted.model, ['n']))[0]).toBe(0);
  });

  it('rounds weights that others need as they are, and says so', async () => {
    const source = outlierModel({
      outputs: ['q', 'y', 'e'],
      nodes: [
        'n = LayerNormalization(x, gamma, beta)',
        'q = MatMul(n, wq)',
        'r = MatMul(x, wr)',
        'e = MatMul(r, wq)',
        'm = Relu(q)',
        'y = MatMul(m, wy)',
      ],
      weights: { wr: noise(5, [64, 64]), wy: noise(6, [32, 8]) },
    });
    const { model, advisories } = await applyCalibrated(awq, source, outlierCalibration(), settings);
    expect(advisories.map(({ code }) => code)).toContain('quant/shared-weight');
    expect(countOps(model)['com.microsoft.MatMulNBits']).toBe(4);
    // One stored weight for the two that share it.
    expect([...model.graph.initializers.keys()].filter((name) => name.startsWith('wq_Q4'))).toHaveLength(1);
    expect((await errors(source, model, ['e']))[0]).toBeLessThan(0.05);
  });

  it('leaves layers to rounding that are in subgraphs, and honours the lists and overrides', async () => {
    const inner = ifModel(32, 6, sampleValues(192, 1), sampleValues(192, 2));
    const calibration: CalibrationSource = {
      origin: 'generated',
      async *feeds() {
        for (let i = 0; i < 4; i += 1)
          yield new Map([
            ['x', { dtype: 'float32' as const, dims: [1, 32], data: new Uint8Array(sampleValues(32, i + 5).buffer) }],
            ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) }],
          ]);
      },
    };
    const { model } = await applyCalibrated(awq, inner, calibration, { blockSize: 16 });
    expect(countOps(model)['com.microsoft.MatMulNBits']).toBe(3);
    const kept = await applyCalibrated(awq, outlierModel(), outlierCalibration(), {
      ...settings,
      exclude: ['q'],
      overrides: ['y=8'],
    });
    expect(countOps(kept.model)).toMatchObject({ MatMul: 1, 'com.microsoft.MatMulNBits': 3 });
  });

  it('keeps factors finite for channels that are never active', async () => {
    const source = outlierModel({ weights: { gamma: noise(1, [64]), beta: noise(2, [64], 'float32', 0) } });
    const dead = { ...source, graph: { ...source.graph, initializers: new Map(source.graph.initializers) } };
    dead.graph.initializers.set('gamma', { ...noise(1, [64], 'float32', 0), name: 'gamma' });
    const { model } = await applyCalibrated(awq, dead, outlierCalibration(2), settings);
    const outputs = await runOnNode(model, outlierFeeds());
    expect([...outputs.values()].flat().every(Number.isFinite)).toBe(true);
  });

  it('refuses calibration inputs that are missing, empty or not finite', async () => {
    const run = (source: CalibrationSource | undefined) => applyCalibrated(awq, outlierModel(), source, settings);
    await expect(run(undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
    await expect(run(outlierCalibration(0))).rejects.toMatchObject({ code: 'calib/too-few-samples' });
    const spoiled = outlierCalibration(3, (values, sample) => {
      if (sample === 2) values[100] = Number.NaN;
    });
    await expect(run(spoiled)).rejects.toMatchObject({ code: 'calib/not-finite', data: { tensor: 'n', sample: 3 } });
    const few = await run(outlierCalibration(3));
    expect(few.advisories.map(({ code }) => code)).toContain('quant/few-samples');
  });

  it('can be cancelled', async () => {
    const controller = new AbortController();
    const job = {
      ...quietJob,
      signal: controller.signal,
      onProgress: ({ stage }: { stage: string }) => stage === 'searching factors' && controller.abort(),
    };
    await expect(
      applyCalibrated(awq, outlierModel(), outlierCalibration(), settings, { job: job as unknown as typeof quietJob }),
    ).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

describe('the language model with outliers', () => {
  const path = new URL('../../../../public/samples/lm-outlier/model.onnx', import.meta.url);
  const windows = 4;

  it('AWQ wins back most of what rounding loses, at 4 bits and at 3', async () => {
    const source = await readModel(memorySource('model', new Uint8Array(readFileSync(path))));
    await expandHalfWeights(source);
    const task = await loadSampleTask('lm-target', 'lm-data');
    const calibration: CalibrationSource = { origin: 'calibration-split', feeds: () => task.calibrationFeeds() };
    const bitsPerByte = async (model: Model) =>
      (await task.evaluate(await nodeRunner(await modelToBytes(model)), quietJob, windows)).metrics[0]!.value;
    const fp32 = await bitsPerByte(source);
    for (const bits of [4, 3]) {
      const common = { bits, blockSize: 128 };
      const nearest = await bitsPerByte((await applyStep(rtn, source, common)).model);
      const fast = { ...common, samples: 3, rows: 64, clip: false, useWeights: false };
      const { model } = await applyCalibrated(awq, source, calibration, fast);
      const scaled = await bitsPerByte(model);
      expect((scaled - fp32) / (nearest - fp32), `${bits} bits: ${fp32}, ${nearest}, ${scaled}`).toBeLessThan(0.5);
    }
  }, 300_000);
});
