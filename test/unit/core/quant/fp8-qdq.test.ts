import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32ToMinifloat, minifloatTable } from '../../../../src/core/base/minifloat.ts';
import { attrInt, attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { bytesOf, readTensorFloats, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step as fp8 } from '../../../../src/core/quant/fp8-qdq.ts';
import { step as fp16 } from '../../../../src/core/quant/fp16.ts';
import { type Float8Type, float8Code, float8Formats, float8Scale } from '../../../../src/core/quant/support/float8.ts';
import { needsCalibration } from '../../../../src/core/recipe/needs.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import type { CalibrationSource, StepDefinition } from '../../../../src/core/step/define.ts';
import {
  applyStep,
  cosine,
  countOps,
  type Feeds,
  loadReal,
  type RealModel,
  realFeeds,
  relativeError,
  runOnNode,
  runtimes,
} from './support/bench.ts';
import { applyCalibrated, generatedInputs } from './support/calibrated.ts';
import { floatTensor, gemmModel, ifModel, sampleValues } from './support/models.ts';

const step = fp8 as unknown as StepDefinition;
const formats = ['float8e4m3fn', 'float8e5m2'] as const;
const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const weight = (name: string, dims: readonly number[], seed = 1, dtype = 'float32' as const) =>
  floatTensor(name, dims, sampleValues(count(dims), seed, dims.at(-1)), dtype);
const node = (opType: string, inputs: string[], output: string, attributes = {}): Node =>
  makeNode({ opType, name: `/${output}`, inputs, outputs: [output], attributes });

function modelOf(dims: readonly number[], nodes: readonly Node[], initializers: readonly Tensor[], opset = 17): Model {
  return makeModel({
    opset,
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', dims)],
      outputs: [valueInfo('y', 'float32')],
      initializers,
    }),
  });
}
const feed = (dims: readonly number[], seed = 9) => ({
  x: { type: 'float32' as const, dims, data: sampleValues(count(dims), seed) },
});

/** Exact values of what a format's codes stand for, with the given scale: its own rounding, one number at a time. */
const snap = (type: Float8Type, value: number, scale: number) =>
  Math.fround(minifloatTable(type)[float32ToMinifloat(type, Math.fround(value / scale))]! * scale);

const linear = modelOf([4, 16], [node('MatMul', ['x', 'w'], 'y')], [weight('w', [16, 8])]);
const inputs = generatedInputs({ x: [4, 16] }, 20);

describe('8-bit floats', () => {
  for (const type of formats)
    it(`${type}: codes as the table has them, for any number`, () => {
      const anything = fc.oneof(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((word) => new Float32Array(Uint32Array.of(word).buffer)[0]!),
        fc.double({ min: -500, max: 500, noNaN: true }),
        fc.double({ min: -0.05, max: 0.05, noNaN: true }),
        // Ties between neighbours.
        fc.integer({ min: 0, max: 0x76 }).map((code) => {
          const table = minifloatTable(type);
          return (table[code]! + table[code + 1]!) / 2;
        }),
      );
      fc.assert(
        fc.property(anything, (number) => {
          const value = Math.fround(number);
          if (Number.isNaN(value)) return;
          for (const signed of [value, -value]) expect(float8Code(type, signed)).toBe(float32ToMinifloat(type, signed));
        }),
        { seed: 3, numRuns: 4000 },
      );
      expect(minifloatTable(type)[float8Formats[type].largestCode]).toBe(float8Formats[type].largest);
    });

  it('scales: the largest magnitude takes the largest code, never a subnormal, 1 for zeros', () => {
    expect(float8Scale('float8e4m3fn', 448)).toBe(1);
    expect(float8Scale('float8e5m2', 57344 * 3)).toBe(3);
    expect(float8Scale('float8e4m3fn', 0)).toBe(1);
    expect(float8Scale('float8e4m3fn', 1e-40)).toBe(1.1754943508222875e-38);
  });
});

describe('FP8 weights and activations', () => {
  for (const format of formats)
    for (const granularity of ['channel', 'tensor'] as const)
      it(`${format}, per ${granularity}: exactly the rounded product, on both runtimes at every level`, async () => {
        const { model } = await applyCalibrated(step, linear, inputs, { format, granularity });
        const x = feed([4, 16]);
        const w = await readTensorFloats(linear.graph.initializers.get('w')!);
        const amaxOf = (column: number) =>
          Math.max(...Array.from(w, (v, i) => (granularity === 'tensor' || i % 8 === column ? Math.abs(v) : 0)));
        const largest = float8Formats[format].largest;
        let amax = 0;
        for await (const feeds of inputs.feeds())
          for (const v of new Float32Array(feeds.get('x')!.data.slice().buffer)) amax = Math.max(amax, Math.abs(v));
        const xs = x.x.data.map((v) => snap(format, v, Math.fround(amax / largest)));
        const ws = w.map((v, i) => snap(format, v, Math.fround(amaxOf(i % 8) / largest)));
        const expected = Array.from({ length: 32 }, (_, at) => {
          let sum = 0;
          for (let k = 0; k < 16; k += 1) sum += xs[Math.floor(at / 8) * 16 + k]! * ws[k * 8 + (at % 8)]!;
          return sum;
        });
        for (const [runtime, run] of runtimes)
          for (const level of ['disabled', 'basic', 'extended', 'all'] as const)
            expect(relativeError((await run(model, x, level)).get('y')!, expected), `${runtime} ${level}`).toBeLessThan(
              2e-6,
            );
        expect(countOps(model)).toEqual({ Div: 1, Cast: 3, Mul: 2, MatMul: 1 });
        expect(model.opsetImports.get('')).toBe(19);
        expect(model.irVersion).toBeGreaterThanOrEqual(9);
      });

  it('the export form gives the same numbers, where onnxruntime loads it', async () => {
    const simulated = (await applyCalibrated(step, linear, inputs)).model;
    const exported = await applyCalibrated(step, linear, inputs, { form: 'export' });
    expect(countOps(exported.model)).toEqual({ QuantizeLinear: 1, DequantizeLinear: 2, MatMul: 1 });
    const x = feed([4, 16]);
    for (const [, run] of runtimes)
      for (const level of ['disabled', 'basic'] as const)
        expect((await run(exported.model, x, level)).get('y')).toEqual((await run(simulated, x, level)).get('y'));
    // If this passes one day, the simulated form can go.
    await expect(runOnNode(exported.model, x, 'extended')).rejects.toThrow(/float8e4m3fn/);
    expect(exported.advisories.map(({ code }) => code)).toEqual([
      'quant/calibrated',
      'quant/simulated',
      'quant/export-form',
    ]);
    expect(exported.advisories.find(({ code }) => code === 'quant/simulated')!.message).toContain('simulated');
    expect(step.title).toContain('simulated');
  });

  it('weights only needs no calibration, and says by its parameters what it needs', async () => {
    const { model } = await applyStep(step, linear, { activations: false });
    expect(countOps(model)).toEqual({ Cast: 1, Mul: 1, MatMul: 1 });
    const recipe = (activations: boolean) =>
      recipeSchema.parse({ steps: [{ id: 'fp8-qdq', params: { activations } }] });
    expect([needsCalibration(recipe(true)), needsCalibration(recipe(false))]).toEqual([true, false]);
    await expect(applyCalibrated(step, linear, undefined)).rejects.toMatchObject({ code: 'calib/no-data' });
  });

  it('E4M3 is closer than E5M2, and both within what the mantissa allows', async () => {
    const errors = await Promise.all(
      formats.map(async (format) => {
        const { model } = await applyStep(step, linear, { format, activations: false });
        return relativeError(
          (await runOnNode(model, feed([4, 16]))).get('y')!,
          (await runOnNode(linear, feed([4, 16]))).get('y')!,
        );
      }),
    );
    expect(errors[0]).toBeLessThan(errors[1]!);
    expect(errors[0]).toBeLessThan(2 ** -4);
    expect(errors[1]).toBeLessThan(2 ** -3);
  });

  const conv = modelOf(
    [1, 4, 8, 8],
    [
      node('Conv', ['x', 'w', 'b'], 'c', { pads: attrInts([1, 1, 1, 1]) }),
      node('Relu', ['c'], 'r'),
      node('MaxPool', ['r'], 'p', { kernel_shape: attrInts([2, 2]), strides: attrInts([2, 2]) }),
      node('Conv', ['p', 'v'], 'd'),
      node('Clip', ['d', 'low', 'high'], 'clip'),
      node('Conv', ['clip', 'u'], 'e'),
      node('Transpose', ['e'], 't', { perm: attrInts([0, 2, 3, 1]) }),
      node('Reshape', ['t', 'shape'], 'flat'),
      node('Gemm', ['flat', 'fc', 'bias'], 'g', { transB: attrInt(1) }),
      node('Softmax', ['g'], 'y'),
    ],
    [
      weight('w', [6, 4, 3, 3]),
      weight('b', [6], 2),
      weight('v', [8, 6, 1, 1], 3),
      weight('u', [8, 8, 1, 1], 4),
      floatTensor('low', [], [0]),
      floatTensor('high', [], [6]),
      tensorFromInts('shape', [2], [1, 128]),
      floatTensor(
        'fc',
        [10, 128],
        sampleValues(1280, 5).map((v) => v * 0.05),
      ),
      weight('bias', [10], 6),
    ],
  );
  it('a convolutional net, with what the optimizer moves codes through, at every level', async () => {
    const x = feed([1, 4, 8, 8]);
    const reference = (await runOnNode(conv, x)).get('y')!;
    for (const format of formats) {
      const { model } = await applyCalibrated(step, conv, generatedInputs({ x: [1, 4, 8, 8] }, 20), { format });
      expect(countOps(model).Div).toBe(4);
      const plain = (await runOnNode(model, x, 'disabled')).get('y')!;
      expect(cosine(plain, reference)).toBeGreaterThan(0.98);
      for (const [runtime, run] of runtimes)
        for (const level of ['basic', 'extended', 'all'] as const)
          expect(relativeError((await run(model, x, level)).get('y')!, plain), `${runtime} ${level}`).toBeLessThan(
            0.02,
          );
    }
  });

  it('shared, transposed and left-out weights, and one input read by several nodes', async () => {
    const source = modelOf(
      [4, 16],
      [
        node('Transpose', ['w'], 'wt'),
        node('MatMul', ['x', 'w'], 'a'),
        node('MatMul', ['x', 'wt'], 'b'),
        node('MatMul', ['a', 'w'], 'c'),
        node('Gather', ['w', 'i'], 'rows'),
        node('MatMul', ['x', 'w'], 'kept'),
        node('Sum', ['b', 'c', 'rows', 'kept'], 'y'),
      ],
      [weight('w', [16, 16]), tensorFromInts('i', [4], [1, 2, 3, 4])],
    );
    const { model } = await applyCalibrated(step, source, inputs, { exclude: ['/kept'], granularity: 'tensor' });
    // The inputs x and a; one expanded weight and its transpose.
    expect(countOps(model)).toMatchObject({ Div: 2, Cast: 5, Mul: 3, Transpose: 1 });
    expect(model.graph.initializers.get('w')!.dtype).toBe('float32');
    const x = feed([4, 16]);
    const reference = (await runOnNode(source, x)).get('y')!;
    for (const [, run] of runtimes) expect(relativeError((await run(model, x)).get('y')!, reference)).toBeLessThan(0.1);
  });

  it('Gemm in every orientation', async () => {
    for (const transB of [false, true])
      for (const biasDims of [[8], [4, 8], undefined]) {
        const source = gemmModel(
          { M: 4, K: 16, N: 8, transB, alpha: 0.5, ...(biasDims && { biasDims }) },
          sampleValues(128),
          sampleValues(biasDims ? count(biasDims) : 0),
        );
        const { model } = await applyCalibrated(step, source, inputs);
        const x = feed([4, 16]);
        const reference = (await runOnNode(source, x)).get('y')!;
        for (const [, run] of runtimes)
          expect(relativeError((await run(model, x)).get('y')!, reference)).toBeLessThan(0.08);
      }
  });

  it('bodies: weights only; with activations they are left and named', async () => {
    const source = ifModel(16, 16, sampleValues(256, 1), sampleValues(256, 2));
    const feeds: Feeds = {
      x: { type: 'float32', dims: [1, 16], data: sampleValues(16, 3) },
      c: { type: 'bool', dims: [], data: [1] },
    };
    const reference = (await runOnNode(source, feeds)).get('y')!;
    const only = await applyStep(step, source, { activations: false });
    expect(countOps(only.model).Cast).toBe(2);
    expect(relativeError((await runOnNode(only.model, feeds)).get('y')!, reference)).toBeLessThan(0.05);
    const calibration: CalibrationSource = {
      origin: 'generated',
      async *feeds() {
        for await (const one of generatedInputs({ x: [1, 16] }, 20).feeds())
          yield new Map([...one, ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(1) }]]);
      },
    };
    const both = await applyCalibrated(step, source, calibration);
    expect(both.advisories.find(({ code }) => code === 'quant/skipped')!.message).toContain('main graph only');
    expect(relativeError((await runOnNode(both.model, feeds)).get('y')!, reference)).toBeLessThan(0.1);
  });

  it('a bad weight is named; zeros and single columns are fine', async () => {
    const bad = modelOf(
      [4, 16],
      [node('MatMul', ['x', 'w'], 'y')],
      [floatTensor('w', [16, 1], sampleValues(16).fill(Number.NaN, 3, 4))],
    );
    await expect(applyStep(step, bad, { activations: false })).rejects.toMatchObject({
      code: 'pass/bad-weight',
      data: { tensor: 'w' },
    });
    const zeros = modelOf(
      [4, 16],
      [node('MatMul', ['x', 'w'], 'y')],
      [floatTensor('w', [16, 1], new Float32Array(16))],
    );
    const { model } = await applyCalibrated(step, zeros, inputs);
    expect((await runOnNode(model, feed([4, 16]))).get('y')).toEqual([0, 0, 0, 0]);
  });
});

describe('real models in FP8', () => {
  for (const name of ['cls', 'det'] as RealModel[])
    it(`${name} runs at every level and stays close`, async () => {
      const source = await loadReal(name);
      const given = realFeeds(name);
      const calibration: CalibrationSource = {
        origin: 'calibration-split',
        async *feeds() {
          for (let seed = 0; seed < 3; seed += 1) {
            const { x } = realFeeds(name, seed);
            yield new Map([
              ['x', { dtype: 'float32' as const, dims: x!.dims, data: bytesOf(x!.data as Float32Array) }],
            ]);
          }
        },
      };
      const { model } = await applyCalibrated(step, source, calibration);
      const reference = await runOnNode(source, given);
      for (const [runtime, run] of runtimes)
        for (const level of ['disabled', 'all'] as const)
          for (const [output, values] of await run(model, given, level))
            expect(cosine(values, reference.get(output)!), `${runtime} ${level} ${output}`).toBeGreaterThan(0.9);
      const [before, after] = [await modelToBytes(source), await modelToBytes(model)];
      expect(after.byteLength / before.byteLength).toBeLessThan(0.45);
    }, 120_000);

  it('and FP16 after it', async () => {
    const { model } = await applyCalibrated(step, linear, inputs);
    const both = await applyStep(fp16 as unknown as StepDefinition, model);
    const x = feed([4, 16]);
    const reference = (await runOnNode(model, x)).get('y')!;
    for (const [, run] of runtimes)
      expect(relativeError((await run(both.model, x)).get('y')!, reference)).toBeLessThan(0.05);
  });
});
