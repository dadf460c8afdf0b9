import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { loadTask } from '../../../../src/core/eval/tasks/load-task.ts';
import { attrInt, attrInts, attrString } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { smallValues, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { quantizeBias, quantizeWeight } from '../../../../src/core/quant/support/qdq-weights.ts';
import { applyRecipe } from '../../../../src/core/recipe/apply.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import type { StepsOutcome } from '../../../../src/core/step/run-steps.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';
import { countOps, memoryStore, relativeError, runOnNode, runOnWasm, runtimes } from './support/bench.ts';
import { floatTensor, sampleValues } from './support/models.ts';
import { optimizedOps } from './support/optimized.ts';
import { executor, generated, quantizeStatically, cpuTarget as target } from './support/statically.ts';

const samples = new URL('../../../../public/samples/', import.meta.url);
const files = (folder: string) => async (name: string) =>
  new Uint8Array(readFileSync(new URL(`${folder}/${name}`, samples)));
async function sampleModel(path: string): Promise<Model> {
  const model = await readModel(memorySource(path, new Uint8Array(readFileSync(new URL(path, samples)))));
  await expandHalfWeights(model);
  return model;
}

async function evaluate(model: Model, task: Awaited<ReturnType<typeof loadTask>>, limit: number) {
  const { port } = await openNodeRuntime(target);
  const session = await port.create(
    { graph: await modelToBytes(model), externalData: [] },
    {
      target,
      settings: {
        graphOptimizationLevel: 'all',
        disabledOptimizers: [],
        disablePrepacking: false,
        weightsAtLoad: 'as-stored' as const,
      },
      inspect: false,
    },
  );
  const result = await task.evaluate({ run: (feeds) => session.run(feeds) }, quietJob, limit);
  await session.release();
  return result.metrics[0]!.value;
}

const feedOf = (dims: readonly number[], seed: number) => ({
  x: { type: 'float32' as const, dims, data: sampleValues(count(dims), seed) },
});
const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

interface Parts {
  readonly nodes: readonly Node[];
  readonly weights: readonly Tensor[];
  readonly dims?: readonly number[];
  readonly outputs?: readonly string[];
}

const image = [1, 4, 8, 8];
function modelOf({ nodes, weights, dims = image, outputs = ['y'] }: Parts): Model {
  return makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', dims)],
      outputs: outputs.map((name) => ({ name })),
      initializers: weights,
    }),
  });
}

const weight = (name: string, dims: readonly number[], seed = 1) =>
  floatTensor(
    name,
    dims,
    sampleValues(count(dims), seed).map((v) => v * 0.3),
  );
const node = (
  opType: string,
  inputs: string[],
  output: string,
  attributes: Parameters<typeof makeNode>[0]['attributes'] = {},
) => makeNode({ opType, name: output, inputs, outputs: [output], attributes });
const pads = { pads: attrInts([1, 1, 1, 1]) };
const conv = (input: string, output: string, bias = 'b') => node('Conv', [input, 'w', bias], output, pads);
const convWeights = [weight('w', [4, 4, 3, 3]), weight('b', [4], 2)];

/** Both runtimes, with and without their optimizer, against the float model. */
async function expectClose(source: Model, model: Model, bound: number, dims: readonly number[] = image): Promise<void> {
  const feeds = feedOf(dims, 5);
  const reference = await runOnNode(source, feeds, 'disabled');
  for (const [runtime, run] of runtimes)
    for (const level of ['disabled', 'all'] as const) {
      const outputs = await run(model, feeds, level);
      for (const [name, values] of reference)
        expect(relativeError(outputs.get(name)!, values), `${runtime} ${level} ${name}`).toBeLessThan(bound);
    }
}

describe('what onnxruntime fuses', () => {
  const pool = { kernel_shape: attrInts([2, 2]), strides: attrInts([2, 2]) };
  const cases: [string, Parts, Record<string, number>][] = [
    [
      'Conv and Relu',
      { nodes: [conv('x', 'c'), node('Relu', ['c'], 'r'), conv('r', 'y')], weights: convWeights },
      { QuantizeLinear: 1, QLinearConv: 2, DequantizeLinear: 1 },
    ],
    [
      'Conv and Clip',
      {
        nodes: [conv('x', 'c'), node('Clip', ['c', 'low', 'high'], 'r'), conv('r', 'y')],
        weights: [...convWeights, floatTensor('low', [], [0]), floatTensor('high', [], [1])],
      },
      { QuantizeLinear: 1, QLinearConv: 2, DequantizeLinear: 1 },
    ],
    [
      'a residual Add, Mul by a constant and Concat',
      {
        nodes: [
          conv('x', 'c'),
          node('Add', ['c', 'x'], 'a'),
          conv('a', 'd'),
          node('Add', ['d', 'a'], 'e'),
          node('Mul', ['e', 'k'], 'm'),
          node('Concat', ['m', 'd'], 'f', { axis: attrInt(1) }),
          node('Conv', ['f', 'v'], 'y'),
        ],
        weights: [...convWeights, weight('v', [3, 8, 1, 1]), weight('k', [4, 1, 1], 9)],
      },
      {
        QuantizeLinear: 1,
        QLinearConv: 3,
        'com.microsoft.QLinearAdd': 2,
        'com.microsoft.QLinearMul': 1,
        'com.microsoft.QLinearConcat': 1,
        DequantizeLinear: 1,
      },
    ],
    [
      'pooling, Resize, Reshape and Gemm',
      {
        nodes: [
          conv('x', 'c'),
          node('MaxPool', ['c'], 'p', pool),
          node('Resize', ['p', '', 'scales'], 's', { mode: attrString('nearest') }),
          conv('s', 'd'),
          node('AveragePool', ['d'], 'e', pool),
          node('Reshape', ['e', 'shape'], 'f'),
          node('Gemm', ['f', 'g', 'h'], 'y'),
        ],
        weights: [
          ...convWeights,
          floatTensor('scales', [4], [1, 1, 2, 2]),
          tensorFromInts('shape', [2], [1, 64]),
          weight('g', [64, 6], 3),
          weight('h', [6], 4),
        ],
      },
      {
        QuantizeLinear: 1,
        QLinearConv: 2,
        MaxPool: 1,
        Resize: 1,
        'com.microsoft.QLinearAveragePool': 1,
        Reshape: 1,
        'com.microsoft.QGemm': 1,
      },
    ],
    [
      'MatMul, with its answer in float',
      {
        nodes: [node('MatMul', ['x', 'm'], 'p'), node('MatMul', ['p', 'm'], 'q'), node('Softmax', ['q'], 'y')],
        weights: [weight('m', [8, 8], 6)],
      },
      { QuantizeLinear: 1, QLinearMatMul: 1, 'com.microsoft.MatMulIntegerToFloat': 1, Softmax: 1 },
    ],
  ];
  for (const [name, parts, ops] of cases)
    it(name, async () => {
      const source = modelOf(parts);
      for (const params of [{}, { method: 'min-max', granularity: 'tensor' }, { activationType: 'int8' }]) {
        const { model } = await quantizeStatically(source, generated(image), params, false);
        // With int8 activations onnxruntime fuses less on x86: Add, Mul and Concat stay in float.
        if (!('activationType' in params)) expect(await optimizedOps(model), JSON.stringify(params)).toEqual(ops);
        await expectClose(source, model, 0.08);
      }
    });

  it('leaves float islands alone, and a Relu with symmetric activations', async () => {
    const island = modelOf({
      nodes: [node('Exp', ['x'], 'e'), node('Add', ['e', 'x'], 'a'), node('Add', ['a', 'e'], 'y')],
      weights: [],
    });
    const { model, advisories } = await quantizeStatically(island, generated(image), {}, false);
    expect(countOps(model)).toEqual({ Exp: 1, Add: 2 });
    expect(advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
    const source = modelOf({ nodes: [conv('x', 'c'), node('Relu', ['c'], 'r'), conv('r', 'y')], weights: convWeights });
    const symmetric = await quantizeStatically(
      source,
      generated(image),
      { symmetricActivations: true, activationType: 'int8' },
      false,
    );
    expect(countOps(symmetric.model)).toMatchObject({ Relu: 1 });
    expect(await optimizedOps(symmetric.model)).toMatchObject({ QLinearConv: 2 });
    await expectClose(source, symmetric.model, 0.08);
  });

  it('keeps the names of graph outputs, in the middle too', async () => {
    const source = modelOf({ nodes: [conv('x', 'c'), conv('c', 'y')], weights: convWeights, outputs: ['y', 'c'] });
    const { model } = await quantizeStatically(source, generated(image), {}, false);
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(['y', 'c']);
    await expectClose(source, model, 0.08);
  });

  it('follows the lists of types and names', async () => {
    const source = modelOf({
      nodes: [conv('x', 'c'), node('Add', ['c', 'x'], 'a'), conv('a', 'y')],
      weights: convWeights,
    });
    const convs = async (params: object) =>
      (await optimizedOps((await quantizeStatically(source, generated(image), params, false)).model)).QLinearConv ?? 0;
    expect(await convs({})).toBe(2);
    expect(await convs({ exclude: ['y'] })).toBe(1);
    expect(await convs({ include: ['y'] })).toBe(1);
    const typed = await quantizeStatically(source, generated(image), { opTypes: ['Conv'] }, false);
    expect(countOps(typed.model)).toMatchObject({ Add: 1, QuantizeLinear: 4 });
  });
});

describe('weights and biases', () => {
  const only = (b: ArrayLike<number>, w = weight('w', [4, 4, 3, 3])) =>
    modelOf({ nodes: [conv('x', 'y')], weights: [w, floatTensor('b', [4], b)] });
  const shrunk = weight('w', [4, 4, 3, 3]);

  it('widens scales that are too small for the bias, and keeps the bias of a channel of zeros', async () => {
    const values = sampleValues(144, 1).map((value, i) => (i < 36 ? value * 1e-12 : i < 72 ? 0 : value));
    const source = only([1000, 0.731, 1, -1], floatTensor('w', shrunk.dims, values));
    for (const granularity of ['channel', 'tensor'] as const) {
      const { model } = await quantizeStatically(source, generated(image), { granularity }, false);
      const y = (await runOnNode(model, feedOf(image, 5), 'disabled')).get('y')!;
      expect(y[0]! / 1000).toBeCloseTo(1, 1);
      await expectClose(source, model, 0.02);
    }
    const bias = Float32Array.of(1000, 0.731, 1, -1);
    const tensor = floatTensor('w', shrunk.dims, values);
    const stored = await quantizeWeight({
      tensor,
      axis: 0,
      reduceRange: false,
      bias: { values: bias, inputScale: 0.01 },
    });
    const { codes, scales } = quantizeBias('b', bias, 0.01, stored.scales);
    const restored = Array.from(new Int32Array(codes.slice().buffer), (code, i) => code * scales[i]!);
    for (const [i, value] of [1000, 0.731].entries()) expect(restored[i]! / value).toBeCloseTo(1, 5);
  });

  it('has int8 codes within half a step of the weight, symmetric, a scale a channel', async () => {
    const tensor = weight('w', [5, 3, 2, 2], 8);
    const values = sampleValues(60, 8).map((v) => Math.fround(v * 0.3));
    const { codes, scales } = await quantizeWeight({ tensor, axis: 0, reduceRange: false });
    expect(scales).toHaveLength(5);
    new Int8Array(codes.buffer, codes.byteOffset, codes.length).forEach((code, i) => {
      const scale = scales[Math.floor(i / 12)]!;
      expect(Math.abs(code)).toBeLessThanOrEqual(127);
      expect(Math.abs(code * scale - values[i]!)).toBeLessThanOrEqual(scale * 0.5001);
    });
  });

  it('names a weight or bias that is not finite', async () => {
    const bad = (w: number, b: number) => {
      const values = sampleValues(144, 1);
      values[7] = w;
      return quantizeStatically(only([b, 0, 0, 0], floatTensor('w', shrunk.dims, values)), generated(image), {}, false);
    };
    // The activation is not finite either; the inputs are, so whichever is seen first is named.
    await expect(bad(Number.NaN, 0)).rejects.toMatchObject({ code: expect.stringMatching(/not-finite|bad-weight/) });
    await expect(bad(1, Number.POSITIVE_INFINITY)).rejects.toMatchObject({
      code: expect.stringMatching(/not-finite|bad-weight/),
    });
  });

  it('shares the codes of a shared weight', async () => {
    const source = modelOf({
      nodes: [conv('x', 'c', ''), conv('c', 'd', ''), conv('d', 'y', '')],
      weights: [convWeights[0]!],
    });
    const { model } = await quantizeStatically(source, generated(image), {}, false);
    expect(
      [...model.graph.initializers.values()].filter(({ dtype, dims }) => dtype === 'uint8' && dims.length === 4),
    ).toHaveLength(1);
    expect(model.graph.initializers.has('w')).toBe(false);
  });
});

describe('calibration data', () => {
  const source = modelOf({ nodes: [conv('x', 'y')], weights: convWeights });
  const recipe = recipeSchema.parse({ name: 'r', steps: [{ id: 'static-int8' }] });
  const request = { model: source, recipe, job: quietJob, store: memoryStore, executor };

  it('must be there', async () => {
    await expect(applyRecipe(request)).rejects.toMatchObject({ code: 'calib/no-data' });
    const { ledger } = await applyRecipe({ ...request, calibration: generated(image) });
    expect(ledger[0]!.fired).toBeGreaterThan(0);
  });

  it('is said to be random, or few', async () => {
    const { advisories } = await applyRecipe({ ...request, calibration: generated(image, 3) });
    expect(advisories.map(({ code, level }) => [code, level])).toEqual(
      expect.arrayContaining([
        ['quant/calibrated', 'warning'],
        ['quant/few-samples', 'warning'],
      ]),
    );
  });
});

describe('ranges', () => {
  const source = modelOf({ nodes: [conv('x', 'c'), conv('c', 'y')], weights: convWeights });
  const scaleOf = (model: Model, value: string) => smallValues(model.graph.initializers.get(`${value}_scale`)!)![0]!;
  interface Row {
    tensor: string;
    method: string;
    observed: { min: number; max: number };
    chosen: { min: number; max: number };
    histogram: { min: number; max: number; counts: number[] };
  }
  const rowsOf = (outcome: StepsOutcome) => outcome.ledger[0]!.facts!.calibration as unknown as Row[];

  it('are left for the report, with a histogram that holds every value but zeros', async () => {
    for (const method of ['min-max', 'mse'] as const) {
      const outcome = await quantizeStatically(source, generated(image, 5), { method }, false);
      const rows = rowsOf(outcome);
      expect(rows.map(({ tensor }) => tensor).sort()).toEqual(['c', 'x', 'y']);
      for (const { tensor, observed, chosen, histogram } of rows) {
        expect(histogram.counts.length).toBeLessThanOrEqual(64);
        expect(histogram.min).toBeLessThanOrEqual(observed.min);
        expect(histogram.max).toBeGreaterThanOrEqual(observed.max);
        expect(histogram.counts.reduce((a, b) => a + b)).toBe(5 * 256);
        expect(chosen.min).toBeGreaterThanOrEqual(observed.min);
        expect(chosen.max).toBeLessThanOrEqual(observed.max);
        expect(scaleOf(outcome.model, tensor)).toBeCloseTo((chosen.max - chosen.min) / 255, 6);
      }
    }
  });

  it('can be set by hand', async () => {
    const outcome = await quantizeStatically(
      source,
      generated(image, 5),
      { ranges: ['c = -0.5..0.7', 'z=0..1'] },
      false,
    );
    expect(scaleOf(outcome.model, 'c')).toBeCloseTo(1.2 / 255, 7);
    const row = rowsOf(outcome).find(({ tensor }) => tensor === 'c')!;
    expect(row).toMatchObject({ method: 'given', chosen: { min: -0.5, max: 0.7 } });
    expect(row.observed.max).toBeGreaterThan(0.7);
    expect(outcome.advisories.find(({ code }) => code === 'quant/range-of-nothing')!.message).toMatch(/"z".*: x, c, y/);
  });

  it('are refused where they make no sense', async () => {
    for (const [entry, reason] of [
      ['c', /form tensor=min..max/],
      ['c=1', /form tensor=min..max/],
      ['c=a..2', /finite/],
      ['c=-1..Infinity', /finite/],
      ['c=2..2', /below/],
      ['c=3..-1', /below/],
    ] as const) {
      const recipe = recipeSchema.parse({ name: 'r', steps: [{ id: 'static-int8', params: { ranges: [entry] } }] });
      const request = { model: source, recipe, job: quietJob, store: memoryStore, executor };
      await expect(applyRecipe({ ...request, calibration: generated(image) })).rejects.toMatchObject({
        code: 'pass/refused',
        data: { reason: expect.stringMatching(reason) },
      });
    }
  });

  it('of values that are always zero are said to be unknown', async () => {
    const zeros = modelOf({
      nodes: [node('Mul', ['x', 'zero'], 'z'), conv('z', 'y')],
      weights: [...convWeights, floatTensor('zero', [], [0])],
    });
    const { advisories } = await quantizeStatically(zeros, generated(image), {}, false);
    expect(advisories.find(({ code }) => code === 'quant/all-zero')!.message).toMatch(/^z: zero in every/);
  });
});

describe('types', () => {
  const source = modelOf({ nodes: [conv('x', 'c'), node('Relu', ['c'], 'r'), conv('r', 'y')], weights: convWeights });

  it('16 bits are nearly exact, by the standard from opset 21 on and by onnxruntime below', async () => {
    for (const [opset, operator] of [
      [17, 'com.microsoft.QuantizeLinear'],
      [21, 'QuantizeLinear'],
    ] as const)
      for (const params of [
        { activationType: 'uint16' },
        { activationType: 'int16', symmetricActivations: true },
        { activationType: 'int16', weightType: 'int8' },
      ]) {
        // Training information keeps the model from being raised.
        const trainingInfo = opset === 17 ? [new Uint8Array()] : [];
        const versioned = { ...source, irVersion: 10, opsetImports: new Map([['', opset]]), trainingInfo };
        const outcome = await quantizeStatically(versioned, generated(image), { ...params, method: 'min-max' }, false);
        // Relu stays between two pairs where it cannot be folded.
        const pairs = 'symmetricActivations' in params ? 4 : 3;
        expect(countOps(outcome.model)[operator]).toBe(pairs);
        await expectClose(source, outcome.model, 0.02);
        expect(outcome.ledger[0]!.facts!.fusion).toMatchObject({ integer: 0, pairsUnfused: pairs });
        expect(outcome.advisories.map(({ code }) => code)).toContain('quant/unfused');
      }
  });

  it('16 bits and the QOperator form are refused together', async () => {
    const params = { activationType: 'uint16', form: 'qoperator' };
    await expect(quantizeStatically(source, generated(image), params, false)).rejects.toMatchObject({
      code: 'pass/refused',
      data: { reason: expect.stringMatching(/16-bit codes/) },
    });
  });

  it('weights of either type are the same numbers', async () => {
    const [signed, unsigned] = await Promise.all(
      (['int8', 'uint8'] as const).map((weightType) =>
        quantizeStatically(source, generated(image), { weightType }, false),
      ),
    );
    const feeds = feedOf(image, 5);
    const y = (await runOnNode(signed!.model, feeds, 'disabled')).get('y');
    expect((await runOnNode(unsigned!.model, feeds, 'disabled')).get('y')).toEqual(y);
  });
});

describe('real models', () => {
  const load = async (path: string, id: string, folder: string) => {
    const task = await loadTask({ kind: 'sample-task', id, assetBase: '' }, files(folder));
    const source: CalibrationSource = { origin: 'calibration-split', feeds: () => task.calibrationFeeds() };
    return { model: await sampleModel(path), task, source };
  };

  it('fashion-mobile: per channel as good as fp32, per tensor ruined, every convolution an integer kernel', async () => {
    const { model, task, source } = await load(
      'fashion-mobile/model.fp16w.onnx',
      'image-classification',
      'fashion-data',
    );
    const n = 400;
    const fp32 = await evaluate(model, task, n);
    for (const method of ['mse', 'min-max', 'entropy'] as const) {
      const channel = await quantizeStatically(model, source, { method, samples: 64 });
      expect(await evaluate(channel.model, task, n), method).toBeGreaterThan(fp32 - 0.02);
      expect(await optimizedOps(channel.model)).toEqual({
        QuantizeLinear: 1,
        QLinearConv: 15,
        'com.microsoft.QLinearGlobalAveragePool': 1,
        Flatten: 1,
        'com.microsoft.QGemm': 1,
      });
      if (method !== 'mse') continue;
      const feeds = { input: feedOf([1, 1, 28, 28], 1).x };
      const native = (await runOnNode(channel.model, feeds)).get('logits')!;
      expect(relativeError((await runOnWasm(channel.model, feeds)).get('logits')!, native)).toBeLessThan(0.05);
    }
    const tensor = await quantizeStatically(model, source, { granularity: 'tensor', samples: 64 });
    expect(await evaluate(tensor.model, task, n)).toBeLessThan(0.7);
  }, 120_000);

  it('PP-OCR direction: within the gate', async () => {
    const { model, task, source } = await load(
      'ocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx',
      'ocr-direction',
      'ocr-cls',
    );
    const fp32 = await evaluate(model, task, 200);
    const { model: quantized } = await quantizeStatically(model, source);
    expect(await evaluate(quantized, task, 200)).toBeGreaterThan(fp32 - 0.04);
    expect(await optimizedOps(quantized)).toMatchObject({ QLinearConv: 53, 'com.microsoft.QLinearAdd': 7 });
  }, 120_000);
});
