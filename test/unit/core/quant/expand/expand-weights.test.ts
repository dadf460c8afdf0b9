import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { attrInt } from '../../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../../src/core/ir/build.ts';
import { cloneModel } from '../../../../../src/core/ir/clone.ts';
import { tensorByteLength } from '../../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import { validateModel } from '../../../../../src/core/ir/validate.ts';
import { expandWeights } from '../../../../../src/core/quant/expand/expand-weights.ts';
import { packedBytes } from '../../../../../src/core/quant/expand/packed-weights.ts';
import { step as embeddings } from '../../../../../src/core/quant/quantize-embeddings.ts';
import { step as staticInt8 } from '../../../../../src/core/quant/static-int8.ts';
import { step as weightInt8 } from '../../../../../src/core/quant/weight-int8.ts';
import { step as bnb4 } from '../../../../../src/core/quant/weight-only-bnb4.ts';
import { step as rtn } from '../../../../../src/core/quant/weight-only-rtn.ts';
import type { StepDefinition } from '../../../../../src/core/step/define.ts';
import { applyStep, countOps, type Feeds, relativeError, runOnNode, runOnWasm } from '../support/bench.ts';
import { applyCalibrated } from '../support/calibrated.ts';
import { floatTensor, gemmModel, ifModel, matmulModel, sampleValues } from '../support/models.ts';

const [K, N] = [50, 12];
const weight = sampleValues(K * N, 7, N);
const x = sampleValues(2 * K, 9);
const xFeeds: Feeds = { x: { type: 'float32', dims: [2, K], data: x } };
const PACKED = /MatMulNBits|MatMulBnb4|GatherBlockQuantized|DequantizeLinear/;

/** Both models give the same numbers, and the expanded one has no packed weight left. */
async function expectSame(packed: Model, feeds: Feeds): Promise<Model> {
  const model = cloneModel(packed);
  const predicted = await packedBytes(packed);
  const { nodes, bytes } = await expandWeights(model, quietJob);
  expect(nodes).toBeGreaterThan(0);
  expect(bytes).toBe(predicted.expandedBytes);
  expect(validateModel(model)).toEqual([]);
  expect(Object.keys(countOps(model)).join()).not.toMatch(PACKED);
  expect([...model.graph.initializers.values()].filter(({ dtype }) => /int[48]$/.test(dtype))).toEqual([]);
  const reference = [...(await runOnWasm(packed, feeds, 'disabled')).values()][0]!;
  for (const run of [runOnNode, runOnWasm])
    expect(relativeError([...(await run(model, feeds)).values()][0]!, reference)).toBeLessThan(1e-5);
  return model;
}

const quantized = async (step: StepDefinition, source: Model, params: object) =>
  (await applyStep(step, source, params)).model;

describe('packed weights become plain ones', () => {
  for (const bits of [2, 3, 4, 8] as const)
    for (const symmetric of [true, false])
      for (const form of ['matmul-nbits', 'qdq'] as const)
        it(`${form}, ${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}`, async () => {
          const params = { bits, symmetric, form, blockSize: 16, accuracyLevel: 1 };
          const source = matmulModel(K, N, weight);
          const model = await expectSame(await quantized(rtn as StepDefinition, source, params), xFeeds);
          expect(countOps(model)).toEqual({ MatMul: 1 });
          expect([...model.graph.initializers.values()].map(tensorByteLength)).toEqual([K * N * 4]);
        });

  it('with zero points between the integers', async () => {
    const packed = await quantized(rtn as StepDefinition, matmulModel(K, N, weight), { bits: 4, accuracyLevel: 1 });
    const [node] = packed.graph.nodes;
    const scales = packed.graph.initializers.get(node!.inputs[2]!)!;
    const points = sampleValues(N * 2, 5).map((value) => 8 + value);
    packed.graph.initializers.delete(node!.inputs[3]!);
    packed.graph.initializers.set('points', floatTensor('points', scales.dims, points));
    node!.inputs[3] = 'points';
    await expectSame(packed, xFeeds);
  });

  for (const codebook of ['nf4', 'fp4'] as const)
    for (const doubleQuantization of [true, false])
      it(`${codebook}${doubleQuantization ? ' with scales in 8 bits' : ''}`, async () => {
        const params = { codebook, doubleQuantization, blockSize: 16 };
        const packed = await quantized(bnb4 as StepDefinition, matmulModel(K, N, weight), params);
        expect(countOps(await expectSame(packed, xFeeds))).toEqual({ MatMul: 1 });
      });

  for (const granularity of ['tensor', 'channel', 'block'] as const)
    it(`INT8 weights that are expanded in every run, per ${granularity}`, async () => {
      const source = gemmModel(
        { M: 2, K: 48, N, transB: true, biasDims: [N] },
        sampleValues(48 * N, 7),
        sampleValues(N),
      );
      const params = { granularity, expand: 'run', blockSize: 16, minElements: 1, symmetric: false };
      const feeds: Feeds = { x: { type: 'float32', dims: [2, 48], data: sampleValues(96, 9) } };
      await expectSame(await quantized(weightInt8 as StepDefinition, source, params), feeds);
    });

  const tied = (E: number) =>
    makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'Gather', name: 'embed', inputs: ['table', 'ids'], outputs: ['e'] }),
          makeNode({
            opType: 'Gemm',
            name: 'head',
            inputs: ['e', 'table'],
            outputs: ['y'],
            attributes: { transB: attrInt(1) },
          }),
        ],
        inputs: [valueInfo('ids', 'int64', [3])],
        outputs: [valueInfo('y', 'float32', [3, 20])],
        initializers: [floatTensor('table', [20, E], sampleValues(20 * E, 3))],
      }),
    });
  const ids: Feeds = { ids: { type: 'int64', dims: [3], data: [1, 19, 4] } };
  for (const form of ['gather-block-quantized', 'qdq'] as const)
    for (const [bits, E] of [
      [4, 32],
      [4, 40],
      [8, 33],
    ] as const)
      it(`a tied table as ${form}, ${bits} bits, rows of ${E}`, async () => {
        const packed = await quantized(embeddings as StepDefinition, tied(E), {
          form,
          bits,
          blockSize: 16,
          minElements: 1,
        });
        await expectSame(packed, ids);
      });

  it('in branches, and a weight that is shared once', async () => {
    const source = ifModel(32, 6, sampleValues(192, 1), sampleValues(192, 2));
    for (const form of ['matmul-nbits', 'qdq']) {
      const packed = await quantized(rtn as StepDefinition, source, { bits: 8, form, accuracyLevel: 1 });
      const feeds: Feeds = {
        x: { type: 'float32', dims: [1, 32], data: sampleValues(32, 3) },
        c: { type: 'bool', dims: [], data: [0] },
      };
      await expectSame(packed, feeds);
    }
  });
});

describe('what stays as it is', () => {
  it('integer layers with quantized activations', async () => {
    const feeds = new Map([
      ['x', { dtype: 'float32', dims: [2, K], data: new Uint8Array(Float32Array.from(x).buffer) } as const],
    ]);
    const calibration = {
      origin: 'task-inputs',
      feeds: async function* () {
        yield feeds;
      },
    } as const;
    const { model } = await applyCalibrated(staticInt8 as StepDefinition, matmulModel(K, N, weight), calibration);
    expect(countOps(model).DequantizeLinear).toBeGreaterThan(1);
    const before = countOps(model);
    expect(await expandWeights(model, quietJob)).toEqual({ nodes: 0, bytes: 0 });
    expect(countOps(model)).toEqual(before);
    expect(await packedBytes(model)).toEqual({ storedBytes: 0, expandedBytes: 0 });
  });

  it('a table that is an output, and a model without packed weights', async () => {
    const plain = matmulModel(K, N, weight);
    expect(await packedBytes(plain)).toEqual({ storedBytes: 0, expandedBytes: 0 });
    const packed = await quantized(rtn as StepDefinition, plain, { form: 'qdq' });
    packed.graph.outputs.push(valueInfo(packed.graph.nodes[0]!.outputs[0]!, 'float32', [K, N]));
    expect((await expandWeights(packed, quietJob)).nodes).toBe(0);
  });

  it('stops when it is cancelled', async () => {
    const packed = await quantized(rtn as StepDefinition, matmulModel(K, N, weight), {});
    const job = { ...quietJob, signal: AbortSignal.abort() };
    await expect(expandWeights(packed, job)).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});
