import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { makeNode } from '../../../../../src/core/ir/build.ts';
import { elementCount, readTensorBytes, readTensorFloats } from '../../../../../src/core/ir/tensor.ts';
import { findLinearSites } from '../../../../../src/core/quant/support/linear-sites.ts';
import { quantizeMatrix } from '../../../../../src/core/quant/support/nbits-matrix.ts';
import {
  type QdqMatrix,
  replaceWithQdqMatMul,
  storeQdq,
  toQdqMatrix,
} from '../../../../../src/core/quant/support/nbits-qdq.ts';
import { closeScopes, openScopes } from '../../../../../src/core/quant/support/scopes.ts';
import { dropIfUnused } from '../../../../../src/core/quant/support/weights.ts';
import type { StepContext } from '../../../../../src/core/step/define.ts';
import { countOps, memoryStore, relativeError, runOnNode, runtimes } from './bench.ts';
import { weightOf } from './dequantize.ts';
import { floatTensor, gemmModel, matmulModel, modelAround, product, sampleValues } from './models.ts';

const ctx = { ...quietJob, store: memoryStore } as StepContext;

interface Case {
  readonly K: number;
  readonly N: number;
  readonly bits: 2 | 4 | 8;
  readonly blockSize: number;
  readonly symmetric: boolean;
}

const nbits = ({ K, N, ...rest }: Case, values: Float32Array, scaleType: 'float32' | 'float16' = 'float32') =>
  quantizeMatrix(ctx, {
    tensor: floatTensor('w', [K, N], values),
    name: 'w',
    order: 'columns',
    scaleType,
    K,
    N,
    ...rest,
  });

/** DequantizeLinear-21 by its definition, with a block axis 0. */
async function expanded({ codes, scales, zeroPoints, blockSize }: QdqMatrix): Promise<number[]> {
  const [q, s, z] = [await readTensorFloats(codes), await readTensorFloats(scales), zeroPoints];
  const zero = z && (await readTensorFloats(z));
  const N = codes.dims[1]!;
  return Array.from(q, (code, i) => {
    const at = Math.floor(Math.floor(i / N) / blockSize) * N + (i % N);
    return (code - (zero ? zero[at]! : 0)) * s[at]!;
  });
}

const cases: Case[] = [
  { K: 32, N: 8, bits: 4, blockSize: 16, symmetric: true },
  { K: 96, N: 6, bits: 4, blockSize: 32, symmetric: false },
  { K: 70, N: 7, bits: 4, blockSize: 32, symmetric: false },
  { K: 70, N: 300, bits: 4, blockSize: 32, symmetric: true },
  { K: 33, N: 5, bits: 4, blockSize: 16, symmetric: true },
  { K: 31, N: 1, bits: 4, blockSize: 16, symmetric: false },
  { K: 20, N: 3, bits: 4, blockSize: 256, symmetric: false },
  { K: 50, N: 9, bits: 2, blockSize: 16, symmetric: true },
  { K: 50, N: 10, bits: 2, blockSize: 16, symmetric: false },
  { K: 130, N: 129, bits: 8, blockSize: 64, symmetric: true },
  { K: 130, N: 11, bits: 8, blockSize: 64, symmetric: false },
];
const title = (it: Case) =>
  `${it.bits} bits, ${it.symmetric ? 'symmetric' : 'asymmetric'}, ${it.K}x${it.N} in blocks of ${it.blockSize}`;

describe('a blockwise weight for DequantizeLinear', () => {
  for (const one of cases)
    it(`stands for the same numbers: ${title(one)}`, async () => {
      const matrix = await nbits(one, sampleValues(one.K * one.N, one.K, one.N));
      const qdq = await toQdqMatrix(ctx, matrix, 'w');
      expect(qdq.codes.dims).toEqual([one.K, one.N]);
      expect(qdq.scales.dims).toEqual([Math.ceil(one.K / one.blockSize), one.N]);
      expect(qdq.zeroPoints?.dims).toEqual(one.symmetric ? undefined : qdq.scales.dims);
      expect(qdq.codes.dtype).toBe(
        one.bits === 8 ? (one.symmetric ? 'int8' : 'uint8') : one.symmetric ? 'int4' : 'uint4',
      );
      expect(await expanded(qdq)).toEqual(await weightOf(matrix));
    });

  it('does so with float16 scales', async () => {
    const one: Case = { K: 64, N: 6, bits: 4, blockSize: 32, symmetric: false };
    const matrix = await nbits(one, sampleValues(64 * 6), 'float16');
    const qdq = await toQdqMatrix(ctx, matrix, 'w');
    expect(qdq.scales.dtype).toBe('float16');
    expect(await expanded(qdq)).toEqual(await weightOf(matrix));
  });

  it('is the same however it was cut into slabs', async () => {
    for (const one of cases) {
      const matrix = await nbits(one, sampleValues(one.K * one.N, 3, one.N));
      const whole = await toQdqMatrix(ctx, matrix, 'w');
      for (const [collectBytes, readBytes] of [
        [1, 1],
        [500, 3000],
        [1e6, 64],
      ] as const) {
        const cut = await toQdqMatrix(ctx, matrix, 'w', { collectBytes, readBytes });
        expect(await readTensorBytes(cut.codes), title(one)).toEqual(await readTensorBytes(whole.codes));
      }
    }
  });

  it('can be cancelled', async () => {
    const matrix = await nbits(cases[0]!, sampleValues(32 * 8));
    const cancelled = { ...ctx, signal: AbortSignal.abort() } as StepContext;
    await expect(toQdqMatrix(cancelled, matrix, 'w')).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

describe('in a graph', () => {
  for (const one of cases)
    it(`runs as its own numbers say: ${title(one)}`, async () => {
      const { K, N } = one;
      const matrix = await nbits(one, sampleValues(K * N, K + N, N));
      const model = matmulModel(K, N, new Float32Array(K * N), 21);
      const scopes = openScopes(model);
      const [site] = findLinearSites(scopes).sites;
      replaceWithQdqMatMul(site!, storeQdq(scopes[0]!, await toQdqMatrix(ctx, matrix, 'w')));
      closeScopes(scopes);
      dropIfUnused(scopes[0]!, 'w');
      expect(countOps(model)).toEqual({ DequantizeLinear: 1, MatMul: 1 });
      const x = sampleValues(3 * K, 9);
      const feeds = { x: { type: 'float32', dims: [3, K], data: x } } as const;
      const reference = product(x, await weightOf(matrix), 3, K, N);
      for (const [label, run] of runtimes)
        expect(relativeError((await run(model, feeds, 'disabled')).get('y')!, reference), label).toBeLessThan(1e-5);
      // With its optimizer on, the native runtime quantizes the activations to 8 bits.
      expect(relativeError((await runOnNode(model, feeds, 'all')).get('y')!, reference)).toBeLessThan(0.02);
      expect(relativeError((await runtimes[1][1](model, feeds, 'all')).get('y')!, reference)).toBeLessThan(1e-5);
    });

  it('serves every form of Gemm', async () => {
    const one: Case = { K: 40, N: 6, bits: 8, blockSize: 16, symmetric: false };
    const weight = sampleValues(40 * 6, 4, 6);
    const bias = sampleValues(6, 5);
    for (const form of [{}, { transA: true, alpha: 0.5, beta: 2, biasDims: [6] }, { biasDims: [1, 6] }]) {
      const source = gemmModel({ M: 3, K: 40, N: 6, ...form }, weight, bias);
      const model = gemmModel({ M: 3, K: 40, N: 6, ...form }, weight, bias);
      model.opsetImports.set('', 21);
      model.irVersion = 10;
      const scopes = openScopes(model);
      const [site] = findLinearSites(scopes).sites;
      replaceWithQdqMatMul(site!, storeQdq(scopes[0]!, await toQdqMatrix(ctx, await nbits(one, weight), 'w')));
      closeScopes(scopes);
      const dims = 'transA' in form ? [40, 3] : [3, 40];
      const feeds = { x: { type: 'float32', dims, data: sampleValues(120, 6) } } as const;
      const reference = (await runOnNode(source, feeds)).get('y')!;
      for (const [label, run] of runtimes)
        expect(relativeError((await run(model, feeds)).get('y')!, reference), label).toBeLessThan(0.02);
    }
  });

  it('is read by all that share the weight', async () => {
    const [K, N] = [32, 32];
    const model = modelAround({
      node: makeNode({ opType: 'MatMul', name: 'b', inputs: ['h', 'w'], outputs: ['y'] }),
      extraNodes: [makeNode({ opType: 'MatMul', name: 'a', inputs: ['x', 'w'], outputs: ['h'] })],
      inputDims: [1, K],
      outputDims: [1, N],
      initializers: [floatTensor('w', [K, N], sampleValues(K * N))],
      opset: 21,
    });
    const scopes = openScopes(model);
    const matrix = await nbits({ K, N, bits: 4, blockSize: 16, symmetric: true }, sampleValues(K * N));
    const stored = storeQdq(scopes[0]!, await toQdqMatrix(ctx, matrix, 'w'));
    for (const site of findLinearSites(scopes).sites) replaceWithQdqMatMul(site, stored);
    closeScopes(scopes);
    dropIfUnused(scopes[0]!, 'w');
    expect(countOps(model)).toEqual({ DequantizeLinear: 1, MatMul: 2 });
    expect([...model.graph.initializers.values()].map(({ dims }) => elementCount(dims))).toEqual([K * N, 2 * N]);
    const x = sampleValues(K, 3);
    const w = await weightOf(matrix);
    const reference = product(product(x, w, 1, K, N), w, 1, K, N);
    for (const [label, run] of runtimes) {
      const y = (await run(model, { x: { type: 'float32', dims: [1, K], data: x } }, 'disabled')).get('y')!;
      expect(relativeError(y, reference), label).toBeLessThan(1e-5);
    }
  });
});
