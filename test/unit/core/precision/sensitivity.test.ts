import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { type SensitivityResult, sensitivityResultSchema } from '../../../../src/core/precision/results.ts';
import { measureSensitivity, type SensitivityRequest } from '../../../../src/core/precision/sensitivity.ts';
import { modelSize } from '../../../../src/core/step/model-size.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { convolutionModel, executor, feeds, residualModel, sourceOf, threeSamples, variantOf } from './models.ts';

const measure = (model: Model, options: Partial<SensitivityRequest> = {}): Promise<SensitivityResult> =>
  measureSensitivity({
    model,
    key: 'test',
    executor,
    store: memoryStore,
    source: threeSamples,
    job: quietJob,
    candidates: ['2', '4', '8', 'int8'],
    ...options,
  });

async function logitsOf(model: Model): Promise<number[][]> {
  const session = await ort.InferenceSession.create(await modelToBytes(model), {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  const rows: number[][] = [];
  for await (const sample of threeSamples.feeds()) {
    const { dims, data } = sample.get('x')!;
    const { logits } = await session.run({
      x: new ort.Tensor('float32', new Float32Array(data.slice().buffer), [...dims]),
    });
    const values = Array.from(logits!.data as Float32Array);
    for (let at = 0; at < values.length; at += 16) rows.push(values.slice(at, at + 16));
  }
  await session.release();
  return rows;
}

/** Mean over rows of KL(softmax(p) || softmax(q)), by its definition, in float64. */
function meanDivergence(expected: number[][], got: number[][]): number {
  const softmax = (row: number[]) => {
    const exps = row.map((x) => Math.exp(x - Math.max(...row)));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((x) => x / sum);
  };
  const divergences = expected.map((row, i) => {
    const [p, q] = [softmax(row), softmax(got[i]!)];
    return p.reduce((sum, x, k) => sum + x * Math.log(x / q[k]!), 0);
  });
  return divergences.reduce((a, b) => a + b, 0) / divergences.length;
}

const stepOf = (candidate: string) =>
  candidate === 'int8'
    ? { id: 'dynamic-int8', params: {} }
    : { id: 'weight-only-rtn', params: { bits: Number(candidate), blockSize: 32 } };

describe('sensitivity', () => {
  it('is the divergence that the whole model shows when only that layer is quantized, and the bytes that this saves', async () => {
    const model = residualModel();
    const result = await measure(model);
    expect(sensitivityResultSchema.parse(result)).toEqual(result);
    expect(result).toMatchObject({
      lossKind: 'kl',
      samples: 3,
      layersInAll: 3,
      candidates: ['keep', '2', '4', '8', 'int8'],
    });
    expect(result.layers.map(({ name }) => name)).toEqual(['first', 'second', 'third']);
    const original = await logitsOf(model);
    for (const { name, points } of result.layers) {
      expect(points.map(({ candidate }) => candidate)).toEqual(['keep', '2', '4', '8', 'int8']);
      expect(points[0]).toMatchObject({ loss: 0, localSqnrDb: 200, agreement: 1 });
      for (const { candidate, loss, bytes } of points.slice(1)) {
        const { id, params } = stepOf(candidate);
        const variant = await variantOf(model, [{ id, params: { ...params, include: [name] } }]);
        const expected = meanDivergence(original, await logitsOf(variant));
        expect(Math.abs(loss - expected), `${name} ${candidate}`).toBeLessThan(1e-6 + 1e-3 * expected);
        // Files differ by node names and the like too, hence the tolerance of a few hundred bytes.
        const saved = modelSize(model).fileBytes - modelSize(variant).fileBytes;
        expect(Math.abs(points[0]!.bytes - bytes - saved), `${name} ${candidate}`).toBeLessThan(1500);
      }
      const [, two, four, eight] = points;
      expect(two!.loss).toBeGreaterThan(four!.loss);
      expect(four!.loss).toBeGreaterThan(eight!.loss);
      expect(two!.localSqnrDb).toBeLessThan(four!.localSqnrDb);
    }
    // The small weight behind the residual matters least.
    const lossAt2 = Object.fromEntries(result.layers.map(({ name, points }) => [name, points[1]!.loss]));
    expect(lossAt2.second!).toBeLessThan(0.01 * lossAt2.third!);
  });

  it('is the same whatever the budget, and goes on where it was stopped', async () => {
    const model = residualModel();
    const whole = await measure(model);
    expect(await measure(model, { budgetBytes: 1 })).toMatchObject({ samples: 1, layersInAll: 3 });
    const controller = new AbortController();
    let partial: SensitivityResult | undefined;
    const stopped = measure(model, {
      job: { ...quietJob, signal: controller.signal },
      onPartial: (found) => {
        partial = found;
        controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'job/cancelled' });
    expect(partial).toMatchObject({ layersInAll: 3, layers: [{ name: 'first' }] });
    const marked: SensitivityResult = { ...partial!, layers: [{ ...partial!.layers[0]!, parameters: -1 }] };
    const resumed = await measure(model, { resume: marked });
    // Taken over as it was, not measured again.
    expect(resumed.layers[0]!.parameters).toBe(-1);
    expect(resumed.layers.slice(1)).toEqual(whole.layers.slice(1));
    const other = await measure(model, { resume: marked, candidates: ['4'] });
    expect(other.layers[0]!.parameters).toBe(4096);
  });

  it('measures convolutions, and outputs that are no class scores', async () => {
    const model = convolutionModel();
    model.graph.outputs = model.graph.outputs.map((output) => ({ ...output, name: 'y' }));
    model.graph.nodes.at(-1)!.outputs = ['y'];
    const source = sourceOf(feeds('image', [2, 3, 12, 12]));
    const result = await measure(model, { source, candidates: ['4', 'int8', 'int8-static'] });
    expect(result.lossKind).toBe('relative-error');
    const byName = Object.fromEntries(result.layers.map((layer) => [layer.name, layer.points]));
    expect(byName.conv!.map(({ candidate }) => candidate)).toEqual(['keep', 'int8', 'int8-static']);
    expect(byName.fc!.map(({ candidate }) => candidate)).toEqual(['keep', '4', 'int8', 'int8-static']);
    for (const { candidate, loss, localSqnrDb, agreement } of byName.fc!.slice(1)) {
      // Nothing lies behind the last layer, so both figures are the same error.
      expect(-10 * Math.log10(loss), candidate).toBeCloseTo(localSqnrDb, 6);
      expect(agreement).toBeNull();
    }
    for (const { loss } of byName.conv!.slice(1)) expect(loss).toBeGreaterThan(0);
  });

  it('counts a weight that others still read', async () => {
    const model = residualModel();
    // The third layer reads the first's weight, too; its own is gone.
    model.graph.nodes[4]!.inputs = ['d', 'w1'];
    model.graph.outputs = [{ name: 'logits' }];
    model.graph.initializers.delete('w3');
    const result = await measure(model, { candidates: ['4'] });
    expect(result.layers.map(({ weightKey }) => weightKey)).toEqual(['w1', 'w2', 'w1']);
    expect(result.layers.map(({ inputKey }) => inputKey)).toEqual(['x', 'b', 'd']);
  });

  it('says when nothing fits', async () => {
    const model = residualModel();
    model.graph.nodes = model.graph.nodes.filter(({ opType }) => opType === 'Tanh');
    model.graph.nodes[0]!.inputs = ['x'];
    model.graph.outputs = [{ name: 'b' }];
    await expect(measure(model)).rejects.toMatchObject({ code: 'pass/refused' });
  });
});
