// The forms in which weight-only quantization can leave a weight, wherever the weight is.
import { describe, expect, it } from 'vitest';
import { attrGraph, attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorByteLength, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { step as bnb4 } from '../../../../src/core/quant/weight-only-bnb4.ts';
import { step as gptq } from '../../../../src/core/quant/weight-only-gptq.ts';
import { step as rtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition } from '../../../../src/core/step/define.ts';
import { applyStep, countOps, type Feeds, relativeError, runtimes } from './support/bench.ts';
import { applyCalibrated } from './support/calibrated.ts';
import {
  constantNode,
  floatTensor,
  gemmModel,
  ifModel,
  matmulModel,
  modelAround,
  sampleValues,
} from './support/models.ts';

const [K, N] = [48, 10];
const weight = sampleValues(K * N, 7, N);
const turned = Float32Array.from({ length: K * N }, (_, i) => weight[(i % K) * N + Math.floor(i / K)]!);
const matmul = makeNode({ opType: 'MatMul', name: 'mm', inputs: ['x', 'w'], outputs: ['y'] });
const xFeeds = (dims: readonly number[]): Feeds => ({
  x: {
    type: 'float32',
    dims,
    data: sampleValues(
      dims.reduce((a, b) => a * b, 1),
      9,
    ),
  },
});

const around = (extraNodes: Node[], initializers = [floatTensor('c', [N, K], turned)]) =>
  modelAround({ node: matmul, inputDims: [2, K], outputDims: [2, N], initializers, extraNodes });
const transpose = makeNode({ opType: 'Transpose', inputs: ['c'], outputs: ['w'] });

/** x through the same square product three times. */
function loopModel(): Model {
  const body = makeGraph({
    name: 'body',
    nodes: [
      makeNode({ opType: 'MatMul', name: 'inner', inputs: ['state', 'square'], outputs: ['next'] }),
      makeNode({ opType: 'Identity', inputs: ['go'], outputs: ['goes'] }),
    ],
    inputs: [valueInfo('i', 'int64', []), valueInfo('go', 'bool', []), valueInfo('state', 'float32', [2, 16])],
    outputs: [valueInfo('goes', 'bool', []), valueInfo('next', 'float32', [2, 16])],
  });
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({
          opType: 'Loop',
          inputs: ['times', '', 'x'],
          outputs: ['y'],
          attributes: { body: attrGraph(body) },
        }),
      ],
      inputs: [valueInfo('x', 'float32', [2, 16])],
      outputs: [valueInfo('y', 'float32', [2, 16])],
      initializers: [
        tensorFromInts('times', [], [3]),
        floatTensor(
          'square',
          [16, 16],
          sampleValues(256, 5).map((value) => value / 4),
        ),
      ],
    }),
  });
}

const subjects: [name: string, source: Model, feeds: Feeds, products: number][] = [
  ['an initializer', matmulModel(K, N, weight), xFeeds([2, K]), 1],
  ['transposed by a node', around([transpose]), xFeeds([2, K]), 1],
  ['a Constant node', around([constantNode(floatTensor('w', [K, N], weight))], []), xFeeds([2, K]), 1],
  [
    'a transposed Constant node',
    around([constantNode(floatTensor('c', [N, K], turned)), transpose], []),
    xFeeds([2, K]),
    1,
  ],
  ['Gemm', gemmModel({ M: 2, K, N, biasDims: [N] }, weight, sampleValues(N, 5)), xFeeds([2, K]), 1],
  [
    'Gemm with transB',
    gemmModel({ M: 2, K, N, transB: true, alpha: 2 }, turned, new Float32Array()),
    xFeeds([2, K]),
    1,
  ],
  [
    'rank 3',
    modelAround({
      node: matmul,
      inputDims: [1, 2, K],
      outputDims: [1, 2, N],
      initializers: [floatTensor('w', [1, K, N], weight)],
    }),
    xFeeds([1, 2, K]),
    1,
  ],
  [
    'shared by two products',
    modelAround({
      node: makeNode({ opType: 'Add', inputs: ['a', 'b'], outputs: ['y'] }),
      extraNodes: ['a', 'b'].map((output) => makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: [output] })),
      inputDims: [2, K],
      outputDims: [2, N],
      initializers: [floatTensor('w', [K, N], weight)],
    }),
    xFeeds([2, K]),
    2,
  ],
  [
    'in branches and around them',
    ifModel(K, N, weight, sampleValues(K * N, 2)),
    { ...xFeeds([1, K]), c: { type: 'bool', dims: [], data: [1] } },
    3,
  ],
  ['in the body of a loop', loopModel(), xFeeds([2, 16]), 1],
];

interface Form {
  readonly step: StepDefinition;
  readonly params: object;
  readonly op: string;
  readonly bound: number;
}
const forms: Record<string, Form> = {
  MatMulNBits: {
    step: rtn as StepDefinition,
    params: { bits: 8, blockSize: 16, accuracyLevel: 1 },
    op: 'com.microsoft.MatMulNBits',
    bound: 0.02,
  },
  DequantizeLinear: {
    step: rtn as StepDefinition,
    params: { bits: 8, blockSize: 16, form: 'qdq' },
    op: 'MatMul',
    bound: 0.02,
  },
  MatMulBnb4: {
    step: bnb4 as StepDefinition,
    params: { blockSize: 16 },
    op: 'com.microsoft.MatMulBnb4',
    bound: 0.35,
  },
};

for (const [form, { step, params, op, bound }] of Object.entries(forms))
  describe(`${form}, weight:`, () => {
    for (const [name, source, feeds, products] of subjects)
      it(name, async () => {
        const { model } = await applyStep(step, source, params);
        expect(countOps(model)[op]).toBe(products);
        // Nothing of the weight is left in floating point.
        const floats = [...model.graph.initializers.values()].filter(({ dtype }) => dtype === 'float32');
        expect(Math.max(...floats.map(tensorByteLength))).toBeLessThan(K * N * 4);
        const reference = (await runtimes[0][1](source, feeds, 'disabled')).get('y')!;
        for (const [label, run] of runtimes)
          for (const level of ['disabled', 'all'] as const)
            expect(
              relativeError((await run(model, feeds, level)).get('y')!, reference),
              `${label} ${level}`,
            ).toBeLessThan(bound);
      });
  });

describe('the portable form', () => {
  for (const bits of [2, 3, 4, 8] as const)
    for (const symmetric of [true, false])
      it(`computes what MatMulNBits does: ${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}`, async () => {
        for (const blockSize of [16, 32, 64]) {
          const source = matmulModel(K, N, weight);
          const common = { bits, symmetric, blockSize };
          const { model: blocks } = await applyStep(rtn, source, { ...common, accuracyLevel: 1 });
          const { model } = await applyStep(rtn, source, { ...common, form: 'qdq' });
          const feeds = xFeeds([2, K]);
          for (const [label, run] of runtimes) {
            const expected = (await run(blocks, feeds)).get('y')!;
            const got = (await run(model, feeds, 'disabled')).get('y')!;
            expect(relativeError(got, expected), `${label} block ${blockSize}`).toBeLessThan(1e-5);
          }
        }
      });

  it('has standard operators only, at opset 21 and no higher', async () => {
    const { model, ledger } = await applyStep(rtn, matmulModel(K, N, weight, 13), { form: 'qdq' });
    expect([...model.opsetImports]).toEqual([['', 21]]);
    expect(model.irVersion).toBe(10);
    expect(countOps(model)).toEqual({ DequantizeLinear: 1, MatMul: 1 });
    expect(ledger[0]!.entries.map(({ action }) => action)).toEqual([
      'raised the opset from 13 to 21',
      'quantized MatMul weights to 4 bits',
    ]);
    const newer = matmulModel(K, N, weight, 22);
    expect([...(await applyStep(rtn, newer, { form: 'qdq' })).model.opsetImports]).toEqual([['', 22]]);
  });

  it('is what GPTQ leaves too', async () => {
    const calibration = {
      origin: 'calibration-split',
      feeds: async function* () {
        for (let seed = 1; seed < 5; seed += 1)
          yield new Map([
            [
              'x',
              { dtype: 'float32', dims: [16, K], data: new Uint8Array(sampleValues(16 * K, seed).buffer) } as const,
            ],
          ]);
      },
    } as const;
    const common = { bits: 4, blockSize: 16, accuracyLevel: 1 };
    const source = matmulModel(K, N, weight);
    const run = async (params: object) =>
      (await applyCalibrated(gptq as StepDefinition, source, calibration, params)).model;
    const [blocks, portable] = [await run(common), await run({ ...common, form: 'qdq' })];
    expect([...portable.opsetImports]).toEqual([['', 21]]);
    expect(countOps(portable)).toEqual({ DequantizeLinear: 1, MatMul: 1 });
    const feeds = xFeeds([2, K]);
    const expected = (await runtimes[1][1](blocks, feeds)).get('y')!;
    expect(relativeError((await runtimes[1][1](portable, feeds, 'disabled')).get('y')!, expected)).toBeLessThan(1e-5);
  });

  it('leaves a model alone that has nothing for it, its opset too', async () => {
    const { model } = await applyStep(rtn, matmulModel(K, N, weight, 13), { form: 'qdq', exclude: ['mm'] });
    expect([...model.opsetImports]).toEqual([['', 13]]);
  });

  it('refuses a model that cannot be raised, with the operator', async () => {
    const source = matmulModel(K, N, weight, 18);
    source.graph.nodes.push(
      makeNode({
        opType: 'GroupNormalization',
        inputs: ['y', 's', 's'],
        outputs: ['z'],
        attributes: { num_groups: attrInt(1) },
      }),
    );
    await expect(applyStep(rtn, source, { form: 'qdq' })).rejects.toMatchObject({
      code: 'pass/refused',
      data: { reason: expect.stringMatching(/opset 21.*GroupNormalization/) },
    });
  });

  it('says what runtimes make of it', () => {
    const advice = rtn.check!(matmulModel(K, N, weight), rtn.params.parse({ form: 'qdq' }));
    expect(advice.map(({ code, providers }) => [code, providers])).toEqual([
      ['quant/int8-activations', ['cpu']],
      ['quant/slow-on-wasm', ['wasm']],
      ['quant/not-fused-on-webgpu', ['webgpu']],
    ]);
  });

  it('quantizes activations natively, as it says', async () => {
    const [rows, outputs] = [512, 64];
    const source = matmulModel(rows, outputs, sampleValues(rows * outputs, 3));
    const { model } = await applyStep(rtn, source, { form: 'qdq' });
    const feeds = xFeeds([4, rows]);
    const [[, native], [, wasm]] = runtimes;
    const exact = (await native(model, feeds, 'disabled')).get('y')!;
    const fused = relativeError((await native(model, feeds, 'all')).get('y')!, exact);
    expect(fused).toBeGreaterThan(1e-4);
    expect(fused).toBeLessThan(0.02);
    expect(relativeError((await wasm(model, feeds, 'all')).get('y')!, exact)).toBeLessThan(1e-5);
  });
});
