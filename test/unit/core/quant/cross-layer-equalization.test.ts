import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeExecutor } from '../../../../src/cli/node-host.ts';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { readTensorFloats } from '../../../../src/core/ir/tensor.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { step } from '../../../../src/core/quant/cross-layer-equalization.ts';
import { equalizeRanges, type LayerRanges } from '../../../../src/core/quant/support/scale/equalize-ranges.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { CalibrationSource, StepDefinition } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { expectSameOutputs, float, model, node, noise, type Parts, scalar } from '../passes/helpers.ts';
import { applyStep, countOps, memoryStore } from './support/bench.ts';

const equalize = (source: Model, params: object = {}) => applyStep(step as unknown as StepDefinition, source, params);

/** Weights whose output channels differ by up to 2^10, and whose input channels do too. */
function unequal(seed: number, dims: readonly number[], channelAxis: number, inputAxis?: number): Tensor {
  const tensor = noise(seed, dims);
  const values = new Float32Array((tensor.data as { bytes: Uint8Array }).bytes.slice().buffer);
  const inner = (axis: number) => dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const size = (index: number) => 2 ** (((index * 5) % 11) - 5);
  for (let at = 0; at < values.length; at += 1) {
    values[at]! *= size(Math.floor(at / inner(channelAxis)) % dims[channelAxis]!);
    if (inputAxis !== undefined) values[at]! *= size((Math.floor(at / inner(inputAxis)) % dims[inputAxis]!) + 3);
  }
  return { ...tensor, data: { kind: 'bytes', bytes: new Uint8Array(values.buffer) } };
}

const ranges = (outputs: number, inputs: number, groups: number, values: readonly number[]): LayerRanges => ({
  magnitudes: Float64Array.from(values),
  outputs,
  inputs,
  groups,
});
const breathe = async () => {};

describe('equalizeRanges', () => {
  it('gives both sides of a pair the square root of the product of their ranges', async () => {
    // Output channels up to 4 and 0.5; inputs of the next layer up to 1 and 8.
    const producer = ranges(2, 2, 1, [4, 1, 0.25, 0.5]);
    const reader = ranges(2, 2, 1, [1, 8, 0.5, 2]);
    const { divisors, settled } = await equalizeRanges([{ producer, readers: [reader], channels: 2 }], 5, breathe);
    expect(Array.from(divisors[0]!)).toEqual([2, 0.25]);
    expect(Array.from(producer.magnitudes)).toEqual([2, 0.5, 1, 2]);
    expect(Array.from(reader.magnitudes)).toEqual([2, 2, 1, 0.5]);
    expect(settled).toBe(true);
  });

  it('gives a depthwise triple the cube root of the product, s12 = r1 / root and s23 = root / r3', async () => {
    const [r1, r2, r3] = [
      [8, 0.1],
      [1, 3],
      [1 / 27, 50],
    ] as const;
    const first = ranges(2, 1, 1, [...r1]);
    const depthwise = ranges(2, 1, 2, [...r2]);
    const last = ranges(1, 2, 1, [...r3]);
    const { divisors } = await equalizeRanges(
      [
        { producer: first, readers: [depthwise], channels: 2 },
        { producer: depthwise, readers: [last], channels: 2 },
      ],
      200,
      breathe,
    );
    for (const channel of [0, 1]) {
      const root = Math.cbrt(r1[channel]! * r2[channel]! * r3[channel]!);
      for (const layer of [first, depthwise, last]) expect(layer.magnitudes[channel]! / root).toBeCloseTo(1, 2);
      expect(divisors[0]![channel]! / (r1[channel]! / root)).toBeCloseTo(1, 2);
      expect(divisors[1]![channel]! / (root / r3[channel]!)).toBeCloseTo(1, 2);
    }
  });

  it('leaves channels alone that have no weight on one side, and bounds the rest', async () => {
    const { divisors } = await equalizeRanges(
      [{ producer: ranges(3, 1, 1, [0, 1, 1]), readers: [ranges(1, 3, 1, [1, 0, 1e-30])], channels: 3 }],
      10,
      breathe,
    );
    expect(Array.from(divisors[0]!)).toEqual([1, 1, 2 ** 16]);
  });

  it('says when it did not settle', async () => {
    const pair = { producer: ranges(1, 1, 1, [4]), readers: [ranges(1, 1, 1, [1])], channels: 1 };
    expect((await equalizeRanges([pair], 1, breathe)).settled).toBe(false);
  });
});

const image = { x: [2, 3, 8, 8] };
const graphs: Readonly<Record<string, Parts>> = {
  'Conv, Relu, depthwise, LeakyRelu, PRelu and Gemm': {
    inputs: image,
    outputs: ['y'],
    nodes: [
      'c1 = Conv(x, w1, b1)',
      'r1 = Relu(c1)',
      node('c2 = Conv(r1, w2, b2)', { group: 16 }),
      node('r2 = LeakyRelu(c2)', { alpha: float(0.1) }),
      'c3 = Conv(r2, w3)',
      'r3 = PRelu(c3, slope)',
      'p = GlobalAveragePool(r3)',
      'f = Flatten(p)',
      node('y = Gemm(f, w4)', { transB: 1 }),
    ],
    weights: {
      w1: unequal(1, [16, 3, 3, 3], 0),
      b1: noise(2, [16]),
      w2: unequal(3, [16, 1, 3, 3], 0),
      b2: noise(4, [16]),
      w3: unequal(5, [12, 16, 1, 1], 0, 1),
      slope: noise(6, [12, 1, 1]),
      w4: unequal(7, [5, 12], 1),
    },
  },
  'MatMul through a transposed weight': {
    inputs: { x: [4, 8] },
    outputs: ['y'],
    nodes: ['h = MatMul(x, w1)', 'b = Add(h, b1)', 'r = Relu(b)', 't = Transpose(w2)', 'y = MatMul(r, t)'],
    weights: { w1: unequal(1, [8, 6], 1), b1: noise(2, [6]), w2: noise(3, [7, 6]) },
  },
};

describe('cross-layer equalization', () => {
  for (const [name, parts] of Object.entries(graphs))
    it(`keeps the function and evens out ranges: ${name}`, async () => {
      const source = model(parts);
      const { model: changed, ledger } = await equalize(source);
      expect(ledger[0]!.fired).toBeGreaterThan(0);
      await expectSameOutputs(source, changed, { relative: 1e-5 });
      const w1 = changed.graph.initializers.get('w1')!;
      const spread = async (tensor: Tensor, channels: number, isLast: boolean) => {
        const values = await readTensorFloats(tensor);
        const largest = new Float64Array(channels);
        for (const [at, value] of values.entries()) {
          const channel = isLast ? at % channels : Math.floor(at / (values.length / channels));
          largest[channel] = Math.max(largest[channel]!, Math.abs(value));
        }
        return Math.max(...largest) / Math.min(...largest);
      };
      const isMatMul = w1.dims.length === 2;
      const channels = isMatMul ? 6 : 16;
      expect(await spread(w1, channels, isMatMul)).toBeLessThan(
        (await spread(source.graph.initializers.get('w1')!, channels, isMatMul)) / 8,
      );
    });

  it('leaves ReLU6 and residual branches alone, and says so of ReLU6', async () => {
    const source = model({
      inputs: image,
      outputs: ['y'],
      nodes: [
        'c1 = Conv(x, w1)',
        'r1 = Clip(c1, zero, six)',
        'c2 = Conv(r1, w2)',
        'r2 = Relu(c2)',
        'a = Add(r2, r1)',
        'c3 = Conv(r2, w2)',
        'y = Add(c3, a)',
      ],
      weights: {
        w1: unequal(1, [4, 3, 1, 1], 0),
        w2: unequal(2, [4, 4, 1, 1], 0),
        zero: scalar(0),
        six: scalar(6),
      },
    });
    const { model: changed, advisories, ledger } = await equalize(source);
    expect(ledger[0]!.fired).toBe(0);
    expect([...changed.graph.initializers]).toEqual([...source.graph.initializers]);
    expect(advisories.map(({ code }) => code)).toEqual(['quant/equalization-clip', 'quant/nothing-to-quantize']);
  });

  it('equalizes across ReLU6 with a bound a channel, where asked', async () => {
    for (const clip of ['r1 = Clip(c1, zero, six)', node('r1 = Clip(c1)', { min: float(0), max: float(6) })]) {
      const source = model({
        inputs: image,
        outputs: ['y'],
        opset: typeof clip === 'string' ? 17 : 10,
        nodes: ['c1 = Conv(x, w1, b1)', clip, 'y = Conv(r1, w2)'],
        weights: {
          w1: unequal(1, [8, 3, 1, 1], 0),
          b1: noise(3, [8]),
          w2: noise(2, [4, 8, 1, 1]),
          ...(typeof clip === 'string' ? { zero: scalar(0), six: scalar(6) } : {}),
        },
      });
      const { model: changed, advisories } = await equalize(source, { boundChannels: true });
      expect(advisories).toEqual([]);
      expect(countOps(changed)).toEqual({ Conv: 2, Relu: 1, Min: 1 });
      await expectSameOutputs(source, changed, { relative: 1e-5 });
    }
  });

  it('follows the lists of nodes and types', async () => {
    const source = model(graphs['Conv, Relu, depthwise, LeakyRelu, PRelu and Gemm']!);
    const fired = async (params: object) => (await equalize(source, params)).ledger[0]!.fired;
    expect(await fired({})).toBe(3);
    expect(await fired({ matmul: false })).toBe(2);
    expect(await fired({ exclude: ['c2'] })).toBe(1);
  });
});

describe('fashion-mobile', () => {
  const path = new URL('../../../../public/samples/fashion-mobile/model.fp16w.onnx', import.meta.url);
  const count = 400;
  const executor = nodeExecutor();

  async function top1(source: Model, steps: readonly [string, object][]): Promise<number> {
    const task = await loadSampleTask('image-classification', 'fashion-data');
    const calibration: CalibrationSource = { origin: 'calibration-split', feeds: () => task.calibrationFeeds() };
    const planned = steps.map(([id, params]) => {
      const definition = stepRegistry.get(id)!;
      return { definition, params: definition.params.parse(params) as Record<string, unknown> };
    });
    const { model: built } = await runSteps({
      model: source,
      steps: planned,
      job: quietJob,
      store: memoryStore,
      executor,
      calibration,
      validate: true,
    });
    const evaluation = await task.evaluate(await nodeRunner(await modelToBytes(built)), quietJob, count);
    return evaluation.metrics[0]!.value;
  }

  it('one scale a tensor destroys it, and no longer does once it is equalized', async () => {
    const source = await readModel(memorySource('model', new Uint8Array(readFileSync(path))));
    await expandHalfWeights(source);
    const fp32 = await top1(source, []);
    const equalized: [string, object] = ['cross-layer-equalization', {}];
    expect(await top1(source, [equalized])).toBeCloseTo(fp32, 2);
    for (const [id, params] of [
      ['dynamic-int8', { granularity: 'tensor' }],
      ['static-int8', { granularity: 'tensor', samples: 64 }],
    ] as const) {
      const before = await top1(source, [[id, params]]);
      const after = await top1(source, [equalized, [id, params]]);
      expect(before, id).toBeLessThan(0.75);
      expect(after, id).toBeGreaterThan(fp32 - 0.02);
    }
    expect(countOps(source)).toMatchObject({ Conv: 15 });
  }, 180_000);
});
