import { describe, expect, it } from 'vitest';
import { attrInt, attrInts, attrString } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorBytes } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { step } from '../../../../src/core/quant/dynamic-int8.ts';
import {
  applyStep,
  cosine,
  countOps,
  type Feeds,
  loadReal,
  nodesOfType,
  type RealModel,
  realFeeds,
  relativeError,
  runtimes,
} from './support/bench.ts';
import {
  constantNode,
  floatTensor,
  gemmModel,
  ifModel,
  matmulModel,
  modelAround,
  product,
  sampleValues,
} from './support/models.ts';
import { bytesOf, float32Of, loadVectors, type VectorModel } from './support/vectors.ts';

const initializerBytes = async (model: Model, name: string) => [
  ...(await readTensorBytes(model.graph.initializers.get(name)!)),
];

function lstmModel(source: VectorModel, opset = 17): Model {
  const [node] = source.graph.nodes as [VectorModel['graph']['nodes'][0]];
  const weights = ['W', 'R', 'B'].map((name) => {
    const tensor = source.graph.initializers[name]!;
    return floatTensor(name, tensor.dims, float32Of(tensor));
  });
  const direction = String(node.attributes.direction);
  const directions = direction === 'bidirectional' ? 2 : 1;
  return makeModel({
    opset,
    graph: makeGraph({
      nodes: [
        makeNode({
          opType: 'LSTM',
          name: 'lstm',
          inputs: ['x', 'W', 'R', 'B'],
          outputs: ['y', 'h', 'c'],
          attributes: { hidden_size: attrInt(4), direction: attrString(direction) },
        }),
      ],
      inputs: [valueInfo('x', 'float32', ['t', 1, 5])],
      outputs: [valueInfo('y', 'float32', ['t', directions, 1, 4])],
      initializers: weights,
    }),
  });
}

interface ConvShape {
  readonly weight: readonly number[];
  readonly input: readonly number[];
  readonly attributes?: Record<string, ReturnType<typeof attrInts>>;
  readonly bias?: 'constant' | 'computed';
}

function convModel({ weight, input, attributes = {}, bias }: ConvShape, seed = 1, spread = 1): Model {
  const channels = weight[0]!;
  const inner = weight.slice(1).reduce((a, b) => a * b, 1);
  const base = sampleValues(channels * inner, seed);
  const values = base.map((value, i) => value * (1 + spread * (Math.floor(i / inner) % 8)));
  const extraNodes: Node[] = [];
  if (bias === 'computed') extraNodes.push(makeNode({ opType: 'Neg', inputs: ['b0'], outputs: ['b'] }));
  const initializers = [floatTensor('w', weight, values)];
  if (bias)
    initializers.push(floatTensor(bias === 'computed' ? 'b0' : 'b', [channels], sampleValues(channels, seed + 1)));
  const rank = input.length;
  return modelAround({
    node: makeNode({
      opType: 'Conv',
      name: 'conv',
      inputs: bias ? ['x', 'w', 'b'] : ['x', 'w'],
      outputs: ['y'],
      attributes,
    }),
    inputDims: input as number[],
    outputDims: Array.from({ length: rank }, (_, i) => (i === 0 ? input[0]! : i === 1 ? channels : `d${i}`)),
    initializers,
    extraNodes,
  });
}

const feedsFor = (dims: readonly number[], seed = 3): Feeds => ({
  x: {
    type: 'float32',
    dims,
    data: sampleValues(
      dims.reduce((a, b) => a * b, 1),
      seed,
    ),
  },
});

async function expectClose(source: Model, model: Model, feeds: Feeds, bound: number, label = ''): Promise<void> {
  const reference = (await runtimes[0][1](source, feeds)).get('y')!;
  for (const [runtime, run] of runtimes)
    for (const level of ['disabled', 'all'] as const)
      expect(
        relativeError((await run(model, feeds, level)).get('y')!, reference),
        `${label} ${runtime} ${level}`,
      ).toBeLessThan(bound);
}

describe('against onnxruntime 1.30 quantize_dynamic', () => {
  const { dynamic } = loadVectors();
  const weightBytes = (model: VectorModel, suffix: string) => [...bytesOf(model.graph.initializers[`w${suffix}`]!)];

  it('gives MatMul and Gemm the same codes, scales and zero points', async () => {
    const cases = dynamic.filter(({ name }) => name === 'matmul' || name === 'gemm');
    expect(cases).toHaveLength(16);
    for (const { name, weightType, perChannel, reduceRange, source, model: theirs } of cases) {
      const weight = float32Of(source.graph.initializers.w!);
      const ours =
        name === 'matmul'
          ? matmulModel(24, 7, weight)
          : gemmModel(
              { M: 1, K: 24, N: 7, transB: true, biasDims: [7] },
              weight,
              float32Of(source.graph.initializers.b!),
            );
      const { model } = await applyStep(step, ours, {
        granularity: perChannel ? 'channel' : 'tensor',
        weightType: weightType === 'QInt8' ? 'int8' : 'uint8',
        symmetric: weightType === 'QInt8',
        reduceRange,
      });
      for (const suffix of ['_quantized', '_scale', '_zero_point'])
        expect(
          await initializerBytes(model, `w${suffix}`),
          `${name} ${weightType} ${perChannel} ${reduceRange} ${suffix}`,
        ).toEqual(weightBytes(theirs, suffix));
    }
  });

  it('gives Conv the same per tensor', async () => {
    const cases = dynamic.filter(({ name, perChannel }) => name === 'conv' && !perChannel);
    expect(cases).toHaveLength(4);
    for (const { weightType, reduceRange, source, model: theirs } of cases) {
      const conv = modelAround({
        node: makeNode({
          opType: 'Conv',
          inputs: ['x', 'w', 'b'],
          outputs: ['y'],
          attributes: { pads: attrInts([1, 1, 1, 1]) },
        }),
        inputDims: [1, 4, 6, 6],
        outputDims: [1, 5, 6, 6],
        initializers: ['w', 'b'].map((name) => {
          const tensor = source.graph.initializers[name]!;
          return floatTensor(name, tensor.dims, float32Of(tensor));
        }),
      });
      const { model } = await applyStep(step, conv, {
        granularity: 'tensor',
        weightType: weightType === 'QInt8' ? 'int8' : 'uint8',
        symmetric: weightType === 'QInt8',
        reduceRange,
      });
      for (const suffix of ['_quantized', '_scale', '_zero_point'])
        expect(await initializerBytes(model, `w${suffix}`)).toEqual(weightBytes(theirs, suffix));
    }
  });

  it('gives LSTM the same, in both directions', async () => {
    const cases = dynamic.filter(({ name }) => name.startsWith('lstm'));
    expect(cases).toHaveLength(16);
    for (const { perChannel, reduceRange, source, model: theirs } of cases) {
      const { model } = await applyStep(step, lstmModel(source), {
        granularity: perChannel ? 'channel' : 'tensor',
        weightType: 'int8',
        reduceRange,
      });
      const [node] = nodesOfType(model, 'DynamicQuantizeLSTM') as [Node];
      for (const weight of ['W', 'R'])
        for (const suffix of ['_quantized', '_scale', '_zero_point']) {
          const tensor = theirs.graph.initializers[`${weight}${suffix}`]!;
          expect(model.graph.initializers.get(`${weight}${suffix}`)!.dims).toEqual(tensor.dims);
          expect(await initializerBytes(model, `${weight}${suffix}`)).toEqual([...bytesOf(tensor)]);
        }
      expect(node.inputs).toEqual(theirs.graph.nodes[0]!.inputs);
    }
  });
});

describe('MatMul and Gemm', () => {
  it('stay close in every form, on both runtimes, fused or not', async () => {
    const [M, K, N] = [4, 64, 6];
    const weight = sampleValues(K * N, 1, N);
    for (const form of [
      {},
      { transB: true },
      { transA: true, alpha: 0.5 },
      { transB: true, biasDims: [N], beta: 2 },
      { biasDims: [M, 1] },
    ]) {
      const biasCount = (form as { biasDims?: number[] }).biasDims?.reduce((a, b) => a * b, 1) ?? 0;
      const source = gemmModel({ M, K, N, ...form }, weight, sampleValues(biasCount, 2));
      const feeds = feedsFor('transA' in form ? [K, M] : [M, K]);
      for (const granularity of ['channel', 'tensor'])
        for (const weightType of ['int8', 'uint8'])
          for (const symmetric of [true, false]) {
            // CPUs without VNNI saturate 8-bit products of uint8 and int8; 7 bits are the same everywhere.
            const reduceRange = weightType === 'int8';
            const { model } = await applyStep(step, source, { granularity, weightType, symmetric, reduceRange });
            expect(countOps(model).Gemm).toBeUndefined();
            await expectClose(source, model, feeds, 0.03, JSON.stringify({ form, granularity, weightType, symmetric }));
          }
    }
  }, 120_000);

  it('computes exactly what the formulas say', async () => {
    const [M, K, N] = [2, 32, 5];
    const source = matmulModel(K, N, sampleValues(K * N, 1, N));
    const { model } = await applyStep(step, source, {});
    const x = sampleValues(M * K, 8);
    // DynamicQuantizeLinear-11: range widened to 0, 255 steps, halves to even.
    const low = Math.min(0, ...x);
    const high = Math.max(0, ...x);
    const scale = Math.fround((high - low) / 255);
    const even = (v: number) => v + 6755399441055744 - 6755399441055744;
    const zero = Math.min(Math.max(even(-low / scale), 0), 255);
    const codes = Array.from(x, (v) => (Math.min(Math.max(even(v / scale) + zero, 0), 255) - zero) * scale);
    expect(new Set(await readTensorBytes(model.graph.initializers.get('w_zero_point')!))).toEqual(new Set([128]));
    const w = Array.from(await readTensorBytes(model.graph.initializers.get('w_quantized')!), (code) => code - 128);
    const scales = new Float32Array((await readTensorBytes(model.graph.initializers.get('w_scale')!)).slice().buffer);
    const weight = w.map((code, i) => code * scales[i % N]!);
    const reference = product(codes, weight, M, K, N);
    for (const [, run] of runtimes)
      expect(
        relativeError((await run(model, { x: { type: 'float32', dims: [M, K], data: x } })).get('y')!, reference),
      ).toBeLessThan(1e-6);
  });

  it('quantizes an activation once for all its readers, and a shared weight once', async () => {
    const K = 16;
    const source = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['a'] }),
          makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['b'] }),
          makeNode({ opType: 'Gemm', inputs: ['x', 'w'], outputs: ['c'] }),
          makeNode({ opType: 'Sum', inputs: ['a', 'b', 'c'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', [2, K])],
        outputs: [valueInfo('y', 'float32', [2, K])],
        initializers: [floatTensor('w', [K, K], sampleValues(K * K))],
      }),
    });
    const { model } = await applyStep(step, source, {});
    expect(countOps(model)).toMatchObject({ DynamicQuantizeLinear: 1, MatMulInteger: 3 });
    expect([...model.graph.initializers.keys()].sort()).toEqual(['w_quantized', 'w_scale', 'w_zero_point']);
    await expectClose(source, model, feedsFor([2, K]), 0.03);
  });

  it('works in subgraphs and behind Constant and Transpose nodes', async () => {
    const [K, N] = [32, 6];
    const source = ifModel(K, N, sampleValues(K * N, 1), sampleValues(K * N, 2));
    const { model } = await applyStep(step, source, {});
    expect(countOps(model)).toMatchObject({ MatMulInteger: 3 });
    expect(countOps(model).MatMul).toBeUndefined();
    for (const condition of [0, 1])
      await expectClose(source, model, { ...feedsFor([1, K]), c: { type: 'bool', dims: [], data: [condition] } }, 0.03);
    const behind = modelAround({
      node: makeNode({ opType: 'MatMul', inputs: ['x', 'wt'], outputs: ['y'] }),
      inputDims: [2, K],
      outputDims: [2, N],
      initializers: [],
      extraNodes: [
        constantNode(floatTensor('w', [N, K], sampleValues(K * N, 5))),
        makeNode({ opType: 'Transpose', inputs: ['w'], outputs: ['wt'] }),
      ],
    });
    const result = await applyStep(step, behind, {});
    expect(countOps(result.model)).not.toHaveProperty('Transpose');
    expect(countOps(result.model)).not.toHaveProperty('Constant');
    await expectClose(behind, result.model, feedsFor([2, K]), 0.03);
  });
});

describe('Conv', () => {
  it('stays close for every kind of convolution', async () => {
    const cases: ConvShape[] = [
      { weight: [8, 4, 3, 3], input: [1, 4, 9, 8], attributes: { pads: attrInts([1, 1, 1, 1]) }, bias: 'constant' },
      {
        weight: [8, 1, 3, 3],
        input: [2, 8, 9, 8],
        attributes: { group: attrInt(8) as never, strides: attrInts([2, 1]) },
        bias: 'constant',
      },
      { weight: [6, 2, 1, 1], input: [1, 4, 5, 5], attributes: { group: attrInt(2) as never } },
      { weight: [5, 3, 4], input: [1, 3, 20], attributes: { dilations: attrInts([2]) }, bias: 'computed' },
      { weight: [4, 2, 2, 2, 2], input: [1, 2, 4, 5, 6], bias: 'constant' },
      { weight: [4, 2, 3, 3], input: [1, 2, 7, 7], attributes: { auto_pad: attrString('SAME_UPPER') as never } },
    ];
    for (const shape of cases) {
      const source = convModel(shape);
      for (const params of [
        {},
        { weightType: 'int8' },
        { granularity: 'tensor' },
        { granularity: 'tensor', symmetric: false },
        { reduceRange: true },
      ]) {
        const { model } = await applyStep(step, source, params);
        expect(countOps(model)).toMatchObject({ ConvInteger: 1 });
        await expectClose(
          source,
          model,
          feedsFor(shape.input),
          'reduceRange' in params ? 0.06 : 0.04,
          JSON.stringify([shape.weight, params]),
        );
      }
    }
  }, 120_000);

  it('keeps small channels per channel, which one scale for all rounds away', async () => {
    const source = convModel({ weight: [8, 4, 3, 3], input: [1, 4, 8, 8] }, 1, 60);
    const feeds = feedsFor([1, 4, 8, 8]);
    const firstChannel = async (model: Model) => (await runtimes[1][1](model, feeds)).get('y')!.slice(0, 36);
    const reference = await firstChannel(source);
    const perChannel = await applyStep(step, source, {});
    const perTensor = await applyStep(step, source, { granularity: 'tensor' });
    expect(relativeError(await firstChannel(perChannel.model), reference)).toBeLessThan(0.02);
    // It is rounded to nothing at all.
    expect(relativeError(await firstChannel(perTensor.model), reference)).toBe(1);
  });

  it('gives a channel of zeros exact zeros, whatever the zero point of the others', async () => {
    for (const weightType of ['uint8', 'int8'])
      for (const reduceRange of [true, false]) {
        const values = sampleValues(3 * 2 * 9);
        values.fill(0, 18, 36);
        const source = modelAround({
          node: makeNode({ opType: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }),
          inputDims: [1, 2, 5, 5],
          outputDims: [1, 3, 3, 3],
          initializers: [floatTensor('w', [3, 2, 3, 3], values)],
        });
        const { model } = await applyStep(step, source, { weightType, reduceRange });
        const y = (await runtimes[1][1](model, feedsFor([1, 2, 5, 5]))).get('y')!;
        expect(y.slice(9, 18).map((v) => v + 0)).toEqual(new Array(9).fill(0));
      }
  });
});

describe('LSTM', () => {
  it('stays close on both runtimes', async () => {
    for (const name of ['lstm', 'lstm-bidirectional']) {
      const { source } = loadVectors().dynamic.find((entry) => entry.name === name)!;
      const model = lstmModel(source);
      for (const granularity of ['channel', 'tensor']) {
        const quantized = await applyStep(step, model, { granularity });
        await expectClose(model, quantized.model, feedsFor([6, 1, 5]), 0.05, `${name} ${granularity}`);
      }
    }
  });

  it('is skipped in batch-first layout, with the reason', async () => {
    const { source } = loadVectors().dynamic.find((entry) => entry.name === 'lstm')!;
    const model = lstmModel(source);
    model.graph.nodes[0]!.attributes.set('layout', attrInt(1));
    const { advisories, ledger } = await applyStep(step, model, {});
    expect(ledger[0]!.fired).toBe(0);
    expect(advisories.map(({ message }) => message).join()).toMatch(/batch first/);
  });
});

describe('opsets', () => {
  it('raises an old model and says so', async () => {
    const source = matmulModel(16, 4, sampleValues(64), 9);
    expect(step.check!(source, step.params.parse({})).map(({ code }) => code)).toContain('quant/opset-raised');
    const { model } = await applyStep(step, source, {});
    expect(model.opsetImports.get('')).toBe(11);
    await expectClose(source, model, feedsFor([2, 16]), 0.03);
  });

  it('refuses a model that cannot be raised, and leaves it unbuilt', async () => {
    const source = matmulModel(16, 4, sampleValues(64), 9);
    source.graph.nodes.push(
      makeNode({ opType: 'Upsample', inputs: ['y'], outputs: ['z'], attributes: { mode: attrString('cubic') } }),
    );
    await expect(applyStep(step, source, {})).rejects.toMatchObject({ code: 'pass/refused' });
  });
});

it('refuses NaN weights, and leaves float16 ones alone with the reason', async () => {
  const values = sampleValues(64);
  values[9] = Number.NaN;
  await expect(applyStep(step, matmulModel(16, 4, values))).rejects.toMatchObject({ code: 'pass/bad-weight' });
  const half = modelAround({
    node: makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }),
    inputDims: [1, 4],
    outputDims: [1, 4],
    initializers: [floatTensor('w', [4, 4], sampleValues(16), 'float16')],
    dtype: 'float16',
  });
  const { advisories } = await applyStep(step, half);
  expect(advisories.map(({ message }) => message).join()).toMatch(
    /float16, and DynamicQuantizeLinear takes float32 only/,
  );
});

describe('real models', () => {
  const expectations: readonly [RealModel, number, number][] = [
    ['rec', 0.98, 0.98],
    ['det', 0.999, 0.995],
    ['cls', 0.999, 0.998],
    ['vad', 0.99, 0.99],
  ];
  for (const [name, perChannelBound, perTensorCeiling] of expectations)
    it(`${name}: per channel keeps the output, per tensor does worse`, async () => {
      const source = await loadReal(name);
      const feeds = realFeeds(name);
      const reference = await runtimes[0][1](source, feeds);
      const agreement = async (params: object, run: (typeof runtimes)[number][1]) => {
        const { model } = await applyStep(step, source, params);
        const outputs = await run(model, feeds);
        return Math.min(...[...reference].map(([output, values]) => cosine(outputs.get(output)!, values)));
      };
      for (const [, run] of runtimes) expect(await agreement({}, run)).toBeGreaterThan(perChannelBound);
      expect(await agreement({ granularity: 'tensor' }, runtimes[0][1])).toBeLessThan(perTensorCeiling);
    }, 120_000);
});
