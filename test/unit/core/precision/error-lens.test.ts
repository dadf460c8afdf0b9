import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { cloneModel } from '../../../../src/core/ir/clone.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { errorLens } from '../../../../src/core/precision/error-lens.ts';
import { type LensResult, lensResultSchema } from '../../../../src/core/precision/results.ts';
import { convolutionModel, executor, feeds, residualModel, sourceOf, threeSamples, variantOf } from './models.ts';

const lens = (original: Model, variant: Model, options: object = {}): Promise<LensResult> =>
  errorLens({ original, variant, executor, source: threeSamples, job: quietJob, ...options });

/** What onnxruntime itself computes for a value, over all samples, without any of the code under test. */
async function valuesOf(model: Model, name: string): Promise<number[]> {
  const shown = cloneModel(model);
  shown.graph.outputs = [{ name }];
  const session = await ort.InferenceSession.create(await modelToBytes(shown), {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  const values: number[] = [];
  for await (const sample of threeSamples.feeds()) {
    const { dims, data } = sample.get('x')!;
    const x = new ort.Tensor('float32', new Float32Array(data.slice().buffer), [...dims]);
    values.push(...((await session.run({ x }))[name]!.data as Float32Array));
  }
  await session.release();
  return values;
}

/** SQNR by its definition. */
function sqnr(expected: readonly number[], got: readonly number[]): number {
  const norm = (list: readonly number[]) => Math.sqrt(list.reduce((sum, v) => sum + v * v, 0));
  return 20 * Math.log10(norm(expected) / norm(expected.map((v, i) => v - got[i]!)));
}

const quantized = (model: Model, params: object = {}) =>
  variantOf(model, [{ id: 'weight-only-rtn', params: { bits: 4, ...params } }]);
const layer = (result: LensResult, name: string) => result.layers.find((found) => found.name === name)!;

describe('error lens', () => {
  it('gives the errors that onnxruntime shows: accumulated from the whole run, local from the layer alone', async () => {
    const original = residualModel();
    const variant = await quantized(original);
    const result = await lens(original, variant);
    expect(lensResultSchema.parse(result)).toEqual(result);
    expect(result.layers.map(({ name }) => name)).toEqual(['first', 'tanh', 'second', 'residual', 'third']);
    expect(result).toMatchObject({ samples: 3, origin: 'calibration-split', unmatched: { count: 0 } });
    for (const { name, output, accumulated } of result.layers) {
      const expected = sqnr(await valuesOf(original, output), await valuesOf(variant, output));
      expect(accumulated.sqnrDb, name).toBeCloseTo(expected, 3);
    }
    // A variant with a single layer quantized shows this layer's own error: its inputs are still the original's.
    for (const name of ['first', 'second', 'third']) {
      const only = await quantized(original, { include: [name] });
      const { output, local } = layer(result, name);
      expect(local.sqnrDb, name).toBeCloseTo(sqnr(await valuesOf(original, output), await valuesOf(only, output)), 3);
    }
    expect(result.outputs).toEqual([{ name: 'logits', ...layer(result, 'third').accumulated }]);
  });

  it('tells layers that have changed from those that only carry errors on', async () => {
    const original = residualModel();
    const result = await lens(original, await quantized(original, { include: ['second'] }));
    const changed = Object.fromEntries(result.layers.map(({ name, changed: is }) => [name, is]));
    expect(changed).toEqual({ first: false, tanh: false, second: true, residual: false, third: false });
    expect(layer(result, 'third').local).toEqual({ sqnrDb: 200, cosine: 1, maxAbs: 0 });
    expect(layer(result, 'third').accumulated.sqnrDb).toBeLessThan(120);
    expect(layer(result, 'first').accumulated.sqnrDb).toBe(200);
    expect(layer(result, 'second')).toMatchObject({ opType: 'MatMul', parameters: 4096, weightBytes: 16384, order: 2 });
  });

  it('is the same whatever the budget, and looks at as many samples as it was told', async () => {
    const original = residualModel();
    const variant = await quantized(original);
    const whole = await lens(original, variant);
    expect(await lens(original, variant, { budgetBytes: 1 })).toEqual(whole);
    const { open: _, ...closed } = executor;
    expect(await lens(original, variant, { executor: closed })).toEqual(whole);
    const fewer = await lens(original, variant, { maxSamples: 1 });
    expect(fewer.samples).toBe(1);
    expect(fewer.layers[0]!.accumulated).not.toEqual(whole.layers[0]!.accumulated);
  });

  it('sees through every rewrite: dynamic INT8, static weights, half precision with inputs of its own type', async () => {
    const original = convolutionModel();
    const source = sourceOf(feeds('image', [2, 3, 12, 12]), feeds('another', [1, 3, 12, 12]));
    const expected: Record<string, [low: number, high: number]> = {
      'dynamic-int8': [25, 60],
      'weight-int8': [35, 60],
      fp16: [55, 90],
    };
    for (const [id, [low, high]] of Object.entries(expected)) {
      const params = { 'dynamic-int8': {}, 'weight-int8': { minElements: 1 }, fp16: { keepIoTypes: false } }[id]!;
      const result = await lens(original, await variantOf(original, [{ id, params }]), { source });
      expect(result.unmatched.count, id).toBe(0);
      for (const name of ['conv', 'fc']) {
        const { local, accumulated, changed } = layer(result, name);
        expect(changed, id).toBe(true);
        for (const figures of [local, accumulated]) {
          expect(figures.sqnrDb, `${id} ${name}`).toBeGreaterThan(low);
          expect(figures.sqnrDb, `${id} ${name}`).toBeLessThan(high);
        }
      }
      // The output layer's error has the convolution's in it.
      expect(layer(result, 'fc').accumulated.sqnrDb).not.toBe(layer(result, 'fc').local.sqnrDb);
    }
  });

  it('compares values as their readers see them, where a quantizer has dropped a Relu that clipping makes up for', async () => {
    const original = convolutionModel();
    const source = sourceOf(feeds('image', [2, 3, 12, 12]));
    const variant = await variantOf(original, [{ id: 'static-int8' }], source);
    expect(variant.graph.nodes.map(({ opType }) => opType)).not.toContain('Relu');
    const result = await lens(original, variant, { source });
    expect(result.layers.map(({ name, output }) => `${name} ${output}`)).toEqual(['conv g', 'pool p', 'fc logits']);
    expect(result.unmatched.count).toBe(0);
    for (const { name, local, accumulated } of result.layers)
      for (const { sqnrDb } of [local, accumulated]) {
        expect(sqnrDb, name).toBeGreaterThan(25);
        expect(sqnrDb, name).toBeLessThan(60);
      }
  });

  it('counts layers that the variant no longer has', async () => {
    const original = residualModel();
    const renamed = cloneModel(original);
    renamed.graph.nodes[1]!.outputs = ['other'];
    renamed.graph.nodes[2]!.inputs = ['other', 'w2'];
    const result = await lens(original, renamed);
    expect(result.unmatched).toEqual({ count: 1, names: ['tanh'] });
    expect(layer(result, 'second')).toMatchObject({ changed: false, accumulated: { sqnrDb: 200 } });
  });

  it('says what is missing, and can be cancelled', async () => {
    const original = residualModel();
    const variant = await quantized(original);
    await expect(lens(original, variant, { source: sourceOf() })).rejects.toMatchObject({
      code: 'calib/too-few-samples',
    });
    await expect(lens(original, variant, { source: sourceOf(new Map()) })).rejects.toMatchObject({
      code: 'task/shape-mismatch',
    });
    const controller = new AbortController();
    const job = { ...quietJob, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(lens(original, variant, { job })).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});
