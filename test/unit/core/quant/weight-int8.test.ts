import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { attrInt, attrInts, attrString } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorBytes } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import {
  blockView,
  perAxisView,
  perTensorView,
  quantizeTensor,
} from '../../../../src/core/quant/support/affine-tensor.ts';
import { step } from '../../../../src/core/quant/weight-int8.ts';
import type { StepContext } from '../../../../src/core/step/define.ts';
import {
  applyStep,
  cosine,
  countOps,
  type Feeds,
  loadReal,
  memoryStore,
  type RealModel,
  realFeeds,
  relativeError,
  runtimes,
} from './support/bench.ts';
import { floatTensor, gemmModel, ifModel, matmulModel, modelAround, sampleValues } from './support/models.ts';

const count = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
const feedsFor = (dims: readonly number[]): Feeds => ({
  x: { type: 'float32', dims, data: sampleValues(count(dims), 3) },
});

async function expectClose(source: Model, model: Model, feeds: Feeds, bound: number, label = ''): Promise<void> {
  const reference = (await runtimes[0][1](source, feeds)).get('y')!;
  for (const [runtime, run] of runtimes)
    for (const level of ['disabled', 'all'] as const) {
      const y = (await run(model, feeds, level)).get('y')!;
      expect(relativeError(y, reference), `${label} ${runtime} ${level}`).toBeLessThan(bound);
    }
}

const every = { minElements: 1 };
const forms: { minElements: number; symmetric?: boolean; granularity?: string; blockSize?: number; expand?: string }[] =
  [
    { ...every },
    { ...every, symmetric: false },
    { ...every, granularity: 'tensor' },
    { ...every, granularity: 'tensor', symmetric: false, expand: 'run' },
    { ...every, expand: 'run' },
    { ...every, expand: 'run', symmetric: false },
    { ...every, granularity: 'block', blockSize: 16 },
    { ...every, granularity: 'block', blockSize: 16, symmetric: false, expand: 'run' },
  ];

describe('every layer, form and granularity, on both runtimes', () => {
  const recurrent = (opType: string, gates: number) =>
    modelAround({
      node: makeNode({ opType, inputs: ['x', 'W', 'R'], outputs: ['y'], attributes: { hidden_size: attrInt(4) } }),
      inputDims: [5, 1, 6],
      outputDims: [5, 1, 1, 4],
      initializers: [
        floatTensor('W', [1, gates * 4, 6], sampleValues(gates * 24, 1)),
        floatTensor('R', [1, gates * 4, 4], sampleValues(gates * 16, 2)),
      ],
    });
  const conv = (opType: string, weight: number[], attributes: Record<string, ReturnType<typeof attrInts>> = {}) =>
    modelAround({
      node: makeNode({ opType, inputs: ['x', 'w'], outputs: ['y'], attributes }),
      inputDims: [1, 4, 8, 8],
      outputDims: [1, 'c', 'h', 'w'],
      initializers: [floatTensor('w', weight, sampleValues(count(weight), 1))],
    });
  const cases: [string, Model, number[], number][] = [
    ['MatMul', matmulModel(32, 6, sampleValues(192, 1, 6)), [3, 32], 0.02],
    [
      'Gemm',
      gemmModel({ M: 3, K: 32, N: 6, transB: true, biasDims: [6] }, sampleValues(192, 1), sampleValues(6)),
      [3, 32],
      0.02,
    ],
    ['Conv', conv('Conv', [6, 4, 3, 3]), [1, 4, 8, 8], 0.02],
    ['depthwise', conv('Conv', [4, 1, 3, 3], { group: attrInt(4) as never }), [1, 4, 8, 8], 0.02],
    ['ConvTranspose', conv('ConvTranspose', [4, 3, 2, 2]), [1, 4, 8, 8], 0.02],
    ['LSTM', recurrent('LSTM', 4), [5, 1, 6], 0.05],
    ['GRU', recurrent('GRU', 3), [5, 1, 6], 0.05],
    ['RNN', recurrent('RNN', 1), [5, 1, 6], 0.05],
  ];
  for (const [name, source, dims, bound] of cases)
    it(name, async () => {
      for (const params of forms) {
        const { model, ledger } = await applyStep(step, source, params);
        expect(ledger[0]!.fired).toBeGreaterThan(0);
        const weights = [...model.graph.initializers.values()].filter(
          (tensor) => tensor.dims.length > 1 && count(tensor.dims) >= 64,
        );
        expect(weights.map(({ dtype }) => dtype)).not.toContain('float32');
        await expectClose(source, model, feedsFor(dims), bound, JSON.stringify(params));
      }
    }, 60_000);

  it('asks for DequantizeLinear only where the opset has it, and raises the opset where that is safe', async () => {
    const opsetAfter = async (opset: number, params: object, besides: readonly Node[] = []) => {
      const source = matmulModel(32, 4, sampleValues(128), opset);
      source.graph.nodes.push(...besides);
      const { model, advisories } = await applyStep(step, source, { ...every, ...params });
      const kind = countOps(model).DequantizeLinear ? 'run' : 'load';
      return [model.opsetImports.get(''), kind, advisories.map(({ code }) => code).includes('quant/expanded-at-load')];
    };
    expect(await opsetAfter(9, {})).toEqual([9, 'load', false]);
    expect(await opsetAfter(9, { expand: 'run', granularity: 'tensor' })).toEqual([10, 'run', false]);
    expect(await opsetAfter(11, { expand: 'run' })).toEqual([13, 'run', false]);
    expect(await opsetAfter(21, { expand: 'run', granularity: 'block', blockSize: 16 })).toEqual([21, 'run', false]);
    expect(await opsetAfter(17, { expand: 'run', granularity: 'block', blockSize: 16 })).toEqual([21, 'run', false]);
    const cubic = { opType: 'Upsample', inputs: ['y'], outputs: ['z'], attributes: { mode: attrString('cubic') } };
    expect(await opsetAfter(9, { expand: 'run' }, [makeNode(cubic)])).toEqual([9, 'load', true]);
  });

  it('writes blocks as DequantizeLinear-21 that both runtimes read alike', async () => {
    for (const symmetric of [true, false])
      for (const source of [matmulModel(48, 6, sampleValues(288, 2, 6), 21)]) {
        const { model } = await applyStep(step, source, {
          ...every,
          expand: 'run',
          granularity: 'block',
          blockSize: 16,
          symmetric,
        });
        expect(countOps(model)).toMatchObject({ DequantizeLinear: 1 });
        await expectClose(source, model, feedsFor([3, 48]), 0.02);
      }
  });
});

describe('embeddings', () => {
  it('pick their rows in 8 bits, per row or per table, and stay tied to a head', async () => {
    const [V, E] = [30, 16];
    const table = sampleValues(V * E, 1).map((value, i) => value * (1 + (Math.floor(i / E) % 5)));
    const source = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'Gather', inputs: ['table', 'ids'], outputs: ['e'] }),
          makeNode({ opType: 'Transpose', inputs: ['table'], outputs: ['t'], attributes: { perm: attrInts([1, 0]) } }),
          makeNode({ opType: 'MatMul', inputs: ['e', 't'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('ids', 'int64', [2, 3])],
        outputs: [valueInfo('y', 'float32', [2, 3, V])],
        initializers: [floatTensor('table', [V, E], table)],
      }),
    });
    const feeds = { ids: { type: 'int64', dims: [2, 3], data: [0, 29, 7, 7, -1, 12] } } as const;
    for (const params of forms.filter(({ granularity }) => granularity !== 'block')) {
      const { model } = await applyStep(step, source, params);
      await expectClose(source, model, feeds, 0.03, JSON.stringify(params));
      if (!('expand' in params)) {
        // One copy of the codes for both.
        const tables = [...model.graph.initializers.values()].filter(({ dims }) => count(dims) === V * E);
        expect(tables.map(({ dtype }) => dtype)).toEqual(['int8']);
      }
    }
  });
});

describe('where a weight is', () => {
  it('finds it in subgraphs and stores a shared one once', async () => {
    const [K, N] = [32, 6];
    const source = ifModel(K, N, sampleValues(K * N, 1), sampleValues(K * N, 2));
    for (const expand of ['load', 'run']) {
      const { model } = await applyStep(step, source, { ...every, expand });
      expect([...model.graph.initializers.keys()].sort()).toEqual(['w_quantized', 'w_scale']);
      for (const condition of [0, 1])
        await expectClose(
          source,
          model,
          { ...feedsFor([1, K]), c: { type: 'bool', dims: [], data: [condition] } },
          0.02,
        );
    }
  });

  it('leaves an excluded reader its float weight', async () => {
    const K = 32;
    const source = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'MatMul', name: 'a', inputs: ['x', 'w'], outputs: ['h'] }),
          makeNode({ opType: 'MatMul', name: 'b', inputs: ['h', 'w'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', [1, K])],
        outputs: [valueInfo('y', 'float32', [1, K])],
        initializers: [floatTensor('w', [K, K], sampleValues(K * K))],
      }),
    });
    const { model } = await applyStep(step, source, { exclude: ['b'] });
    expect(model.graph.nodes.find(({ name }) => name === 'b')!.inputs[1]).toBe('w');
    expect(model.graph.nodes.find(({ name }) => name === 'a')!.inputs[1]).not.toBe('w');
    await expectClose(source, model, feedsFor([1, K]), 0.02);
  });

  it('leaves small weights and refuses NaN', async () => {
    expect((await applyStep(step, matmulModel(16, 16, sampleValues(256)))).ledger[0]!.fired).toBe(0);
    const values = sampleValues(2048);
    values[2000] = Number.NaN;
    await expect(applyStep(step, matmulModel(64, 32, values))).rejects.toMatchObject({ code: 'pass/bad-weight' });
  });
});

describe('quantizing a tensor', () => {
  it('keeps every element within half a step of its own channel, however the channels lie', async () => {
    const ctx = { ...quietJob, store: memoryStore } as StepContext;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 3 }),
        fc.constantFrom('tensor', 'axis', 'block'),
        fc.boolean(),
        fc.integer({ min: 1, max: 1e6 }),
        async (small, axisPick, kind, symmetric, seed) => {
          const axis = axisPick % small.length;
          const size = 4;
          const dims = kind === 'block' ? small.map((dim, i) => (i === axis ? dim * size : dim)) : small;
          const values = sampleValues(count(dims), seed, 7);
          const view = {
            tensor: perTensorView(dims),
            axis: perAxisView(dims, axis),
            block: blockView(dims, axis, size),
          }[kind];
          const scheme = { type: 'int8', symmetric, reduceRange: false } as const;
          const { data, scales, zeroPoints } = await quantizeTensor(ctx, {
            tensor: floatTensor('w', dims, values),
            scheme,
            view,
          });
          const codes = new Int8Array(await readTensorBytes({ name: 'q', dtype: 'int8', dims, data }));
          const inner = count(dims.slice(axis + 1));
          values.forEach((value, at) => {
            const index = Math.floor(at / inner) % dims[axis]!;
            const outer = Math.floor(at / (inner * dims[axis]!));
            const channel = {
              tensor: 0,
              axis: index,
              block: (outer * (dims[axis]! / size) + Math.floor(index / size)) * inner + (at % inner),
            }[kind];
            const back = (codes[at]! - zeroPoints[channel]!) * scales[channel]!;
            expect(Math.abs(back - value)).toBeLessThanOrEqual(scales[channel]! * (symmetric ? 0.5 : 1) * 1.001);
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('real models', () => {
  const bounds: readonly [RealModel, number, number][] = [
    ['rec', 0.99, 0.28],
    ['det', 0.999, 0.29],
    ['cls', 0.999, 0.45],
    ['vad', 0.99, 0.66],
  ];
  for (const [name, agreement, size] of bounds)
    it(`${name} keeps its output at a fraction of its bytes`, async () => {
      const source = await loadReal(name);
      const feeds = realFeeds(name);
      const reference = await runtimes[0][1](source, feeds);
      const bytes = (await modelToBytes(source)).byteLength;
      for (const params of [{}, { expand: 'run' }]) {
        const { model } = await applyStep(step, source, params);
        expect((await modelToBytes(model)).byteLength / bytes).toBeLessThan(size);
        for (const [label, run] of runtimes) {
          const outputs = await run(model, feeds);
          for (const [output, values] of reference)
            expect(cosine(outputs.get(output)!, values), label).toBeGreaterThan(agreement);
        }
      }
    }, 120_000);
});
