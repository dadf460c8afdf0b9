import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { attrInt, intAttr } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import {
  readTensorBytes,
  readTensorFloats,
  tensorFromBytes,
  tensorFromNumbers,
} from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { quantizeToCodebook } from '../../../../src/core/quant/support/bnb4-matrix.ts';
import { codebooks, NearestEntry, quantTypeOf } from '../../../../src/core/quant/support/codebook.ts';
import { dynamicTree, quantizeAbsmax } from '../../../../src/core/quant/support/double-quantization.ts';
import { step } from '../../../../src/core/quant/weight-only-bnb4.ts';
import type { StepContext } from '../../../../src/core/step/define.ts';
import {
  applyStep,
  cosine,
  countOps,
  loadReal,
  memoryStore,
  nodesOfType,
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

const names = ['nf4', 'fp4'] as const;

describe('the codebooks', () => {
  for (const name of names)
    it(`${name} is what the kernels decode`, async () => {
      // Two rows of 16 codes, each once, times the identity.
      const model = makeModel({
        extraOpsets: { 'com.microsoft': 1 },
        graph: makeGraph({
          nodes: [
            makeNode({
              opType: 'MatMulBnb4',
              domain: 'com.microsoft',
              inputs: ['x', 'b', 's'],
              outputs: ['y'],
              attributes: {
                K: attrInt(16),
                N: attrInt(1),
                block_size: attrInt(16),
                quant_type: attrInt(quantTypeOf[name]),
              },
            }),
          ],
          inputs: [valueInfo('x', 'float32', [16, 16])],
          outputs: [valueInfo('y', 'float32', [16, 1])],
          initializers: [
            tensorFromBytes(
              'b',
              'uint8',
              [8],
              Uint8Array.from({ length: 8 }, (_, i) => 2 * i * 16 + 2 * i + 1),
            ),
            tensorFromNumbers('s', 'float32', [1], [1]),
          ],
        }),
      });
      const identity = Float32Array.from({ length: 256 }, (_, i) => (Math.floor(i / 16) === i % 16 ? 1 : 0));
      for (const [label, run] of runtimes) {
        const y = (await run(model, { x: { type: 'float32', dims: [16, 16], data: identity } })).get('y')!;
        expect(y, label).toEqual(Array.from(codebooks[name], (value) => value + 0));
      }
    });

  for (const name of names)
    it(`${name}: every number gets the nearest entry`, () => {
      const nearest = new NearestEntry(codebooks[name]);
      const check = (x: number) => {
        const best = Math.min(...codebooks[name].map((value) => Math.abs(value - x)));
        expect(Math.abs(codebooks[name][nearest.codeOf(x)]! - x)).toBeLessThanOrEqual(best + 1e-7);
      };
      for (let i = -3000; i <= 3000; i += 1) check(i / 3000);
      for (const value of codebooks[name]) {
        check(value);
        expect(codebooks[name][nearest.codeOf(value)]).toBe(value === 0 ? 0 : value);
      }
    });
});

describe('double quantization', () => {
  it('has the 8-bit codebook of the paper', () => {
    const tree = dynamicTree();
    expect(tree).toHaveLength(256);
    expect(new Set(tree).size).toBe(256);
    expect([tree[0], tree[255]]).toEqual([Math.fround(-0.1 - (0.9 * 63.5) / 64), 1]);
    expect(tree[126]! > -1e-6 && tree[126]! < 0 && tree[127] === 0 && tree[128]! < 1e-6).toBe(true);
    // One value with exponent -6, two with -5, ... on each side of zero.
    const positive = [...tree].filter((value) => value > 0 && value < 1);
    for (let exponent = 0; exponent < 7; exponent += 1)
      expect(positive.filter((value) => value > 10 ** (exponent - 7) && value < 10 ** (exponent - 6))).toHaveLength(
        2 ** exponent,
      );
  });

  it('restores magnitudes to a hundredth of their spread', () => {
    const absmax = sampleValues(1000, 4).map((value) => 1 + 0.3 * Math.abs(value));
    const { restored, mean } = quantizeAbsmax(absmax);
    const spread = Math.max(...absmax.map((value) => Math.abs(value - mean)));
    for (const [i, value] of absmax.entries()) expect(Math.abs(restored[i]! - value)).toBeLessThan(0.01 * spread);
  });

  it('survives magnitudes that are all the same', () => {
    expect([...quantizeAbsmax(new Float32Array(300).fill(0.5)).restored]).toEqual(new Array(300).fill(0.5));
  });
});

/** The weight that a MatMulBnb4 node stands for, [N, K], with scales given. */
async function dequantize(model: Model, node: Node, absmax: ArrayLike<number>): Promise<number[]> {
  const packed = await readTensorBytes(model.graph.initializers.get(node.inputs[1]!)!);
  const [K, N, size, type] = ['K', 'N', 'block_size', 'quant_type'].map((name) => intAttr(node, name, -1)) as [
    number,
    number,
    number,
    number,
  ];
  const codebook = codebooks[names.find((name) => quantTypeOf[name] === type)!];
  return Array.from({ length: K * N }, (_, i) => {
    const byte = packed[i >> 1]!;
    return codebook[i % 2 === 0 ? byte >> 4 : byte & 15]! * absmax[Math.floor(i / size)]!;
  });
}

const scalesOf = (model: Model, node: Node) => readTensorFloats(model.graph.initializers.get(node.inputs[2]!)!);

describe('what comes out runs', () => {
  for (const codebook of names)
    for (const [blockSize, K, N] of [
      [16, 48, 5],
      [32, 18, 7],
      [64, 70, 33],
      [128, 7, 3],
      [256, 300, 16],
      [64, 1, 1],
    ] as const)
      it(`as its own dequantized weight says: ${codebook}, ${K}x${N} in blocks of ${blockSize}`, async () => {
        const values = sampleValues(K * N, K + N, N);
        const { model } = await applyStep(step, matmulModel(K, N, values), { codebook, blockSize });
        expect(countOps(model)).toEqual({ 'com.microsoft.MatMulBnb4': 1 });
        const [node] = nodesOfType(model, 'MatMulBnb4') as [Node];
        const scales = await scalesOf(model, node);
        const weight = await dequantize(model, node, scales);
        // Each element is within half the widest gap of its block's codebook.
        const gap = codebook === 'nf4' ? 0.3039 : 1 / 3;
        weight.forEach((value, i) => {
          const original = values[(i % K) * N + Math.floor(i / K)]!;
          const scale = scales[Math.floor(i / blockSize)]!;
          expect(Math.abs(original)).toBeLessThanOrEqual(scale);
          expect(Math.abs(value - original)).toBeLessThanOrEqual((gap / 2 + 1e-6) * scale);
        });
        const x = sampleValues(3 * K, 9);
        const reference = product(x, weight, 3, K, N, true);
        for (const [label, run] of runtimes) {
          const y = (await run(model, { x: { type: 'float32', dims: [3, K], data: x } })).get('y')!;
          expect(relativeError(y, reference), label).toBeLessThan(1e-5);
        }
      });

  for (const [K, N] of [
    [64, 300],
    [128, 128],
    [20, 3],
  ] as const)
    it(`with scales in 8 bits, ${K}x${N}`, async () => {
      const values = sampleValues(K * N, 2, N);
      const plain = (await applyStep(step, matmulModel(K, N, values), { blockSize: 16 })).model;
      const absmax = await scalesOf(plain, nodesOfType(plain, 'MatMulBnb4')[0]!);
      const { restored } = quantizeAbsmax(absmax);
      const { model } = await applyStep(step, matmulModel(K, N, values), { blockSize: 16, doubleQuantization: true });
      const weight = await dequantize(model, nodesOfType(model, 'MatMulBnb4')[0]!, restored);
      const x = sampleValues(2 * K, 9);
      const reference = product(x, weight, 2, K, N, true);
      for (const [label, run] of runtimes)
        for (const level of ['disabled', 'all'] as const) {
          const y = (await run(model, { x: { type: 'float32', dims: [2, K], data: x } }, level)).get('y')!;
          expect(relativeError(y, reference), `${label} ${level}`).toBeLessThan(1e-5);
        }
    });

  it('in fewer bytes with scales in 8 bits, as the description says', async () => {
    const [K, N] = [512, 512];
    const values = sampleValues(K * N);
    const bits = async (params: object) => {
      const { ledger } = await applyStep(step, matmulModel(K, N, values), params);
      return (ledger[0]!.facts!.weights as { bitsPerWeight: number }[])[0]!.bitsPerWeight;
    };
    expect(await bits({})).toBe(4.5);
    expect(await bits({ doubleQuantization: true })).toBeCloseTo(4.127, 3);
    expect(await bits({ blockSize: 16 })).toBe(6);
  });

  it('for every form of Gemm', async () => {
    const [M, K, N] = [3, 40, 6];
    const weight = sampleValues(K * N, 4, N);
    for (const form of [
      {},
      { transB: true },
      { transA: true, transB: true, alpha: 0.5, beta: 2, biasDims: [N] },
      { biasDims: [M, 1], beta: -1 },
    ]) {
      const source = gemmModel(
        { M, K, N, ...form },
        weight,
        sampleValues(N, 5).slice(0, 'biasDims' in form && form.biasDims![0] === M ? M : N),
      );
      const { model } = await applyStep(step, source, { blockSize: 16 });
      expect(countOps(model).Gemm).toBeUndefined();
      const feeds = {
        x: { type: 'float32', dims: 'transA' in form ? [K, M] : [M, K], data: sampleValues(M * K, 6) },
      } as const;
      const reference = (await runtimes[0][1](source, feeds)).get('y')!;
      for (const [label, run] of runtimes)
        expect(relativeError((await run(model, feeds)).get('y')!, reference), label).toBeLessThan(0.15);
    }
  });

  it('gives a weight the same codes however it is stored', async () => {
    const [K, N] = [50, 6];
    const values = sampleValues(K * N, 7, N);
    const turned = Float32Array.from({ length: K * N }, (_, i) => values[(i % K) * N + Math.floor(i / K)]!);
    const transpose = makeNode({ opType: 'Transpose', inputs: ['c'], outputs: ['w'] });
    const matmul = makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] });
    const around = (extraNodes: Node[], initializers = [floatTensor('c', [N, K], turned)]) =>
      modelAround({ node: matmul, inputDims: [1, K], outputDims: [1, N], initializers, extraNodes });
    const packed: number[][] = [];
    for (const variant of [
      matmulModel(K, N, values),
      gemmModel({ M: 1, K, N, transB: true }, turned, new Float32Array()),
      around([transpose]),
      around([constantNode(floatTensor('w', [K, N], values))], []),
      around([constantNode(floatTensor('c', [N, K], turned)), transpose], []),
    ]) {
      const { model } = await applyStep(step, variant, { blockSize: 16 });
      expect(countOps(model)).toEqual({ 'com.microsoft.MatMulBnb4': 1 });
      expect(model.graph.initializers.size).toBe(2);
      const [node] = nodesOfType(model, 'MatMulBnb4') as [Node];
      packed.push([...(await readTensorBytes(model.graph.initializers.get(node.inputs[1]!)!))]);
    }
    for (const other of packed) expect(other).toEqual(packed[0]);
  });

  it('in subgraphs, with a shared weight quantized once', async () => {
    const [K, N] = [32, 6];
    const source = ifModel(K, N, sampleValues(K * N, 1), sampleValues(K * N, 2));
    const { model, ledger } = await applyStep(step, source, { blockSize: 16, doubleQuantization: true });
    expect(ledger[0]!.fired).toBe(3);
    expect(countOps(model)).toMatchObject({ 'com.microsoft.MatMulBnb4': 3 });
    const x = sampleValues(K, 3);
    for (const condition of [0, 1]) {
      const feeds = {
        x: { type: 'float32', dims: [1, K], data: x },
        c: { type: 'bool', dims: [], data: [condition] },
      } as const;
      const reference = (await runtimes[0][1](source, feeds)).get('y')!;
      for (const [, run] of runtimes)
        expect(relativeError((await run(model, feeds)).get('y')!, reference)).toBeLessThan(0.3);
    }
  });

  it('on a real model', async () => {
    const source = await loadReal('rec');
    const feeds = realFeeds('rec');
    const [reference] = [...(await runtimes[0][1](source, feeds)).values()];
    const { model } = await applyStep(step, source);
    for (const [label, run] of runtimes)
      expect(cosine([...(await run(model, feeds)).values()][0]!, reference!), label).toBeGreaterThan(0.99);
  });
});

describe('streaming', () => {
  it('gives the same codes however the weight was cut', async () => {
    const [K, N] = [37, 29];
    const ctx = { ...quietJob, store: memoryStore } as StepContext;
    for (const order of ['columns', 'rows'] as const) {
      const tensor = floatTensor('w', order === 'rows' ? [N, K] : [K, N], sampleValues(K * N, 3));
      const request = { tensor, name: 'w', K, N, order, codebook: 'nf4', blockSize: 64 } as const;
      const whole = await quantizeToCodebook(ctx, request);
      for (const rowBytes of [1, 5 * K * 4, 9 * K * 4]) {
        const cut = await quantizeToCodebook(ctx, { ...request, rowBytes });
        expect(await readTensorBytes(cut.packed)).toEqual(await readTensorBytes(whole.packed));
        expect(cut.absmax).toEqual(whole.absmax);
      }
    }
  });
});

describe('what is left alone', () => {
  it('refuses weights with NaN or infinities by name, wherever they are', async () => {
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY])
      for (const at of [0, 100, 30 * 7 - 1]) {
        const values = sampleValues(30 * 7);
        values[at] = poison;
        await expect(applyStep(step, matmulModel(30, 7, values))).rejects.toMatchObject({
          code: 'pass/bad-weight',
          data: { tensor: 'w' },
        });
      }
  });

  it('keeps zeros and blocks too small to divide by', async () => {
    const values = new Float32Array(64).fill(0);
    values[5] = 1e-45;
    for (const codebook of names) {
      const { model } = await applyStep(step, matmulModel(32, 2, values), { codebook, blockSize: 16 });
      const [node] = nodesOfType(model, 'MatMulBnb4') as [Node];
      const weight = await dequantize(model, node, await scalesOf(model, node));
      expect(weight.every((value) => value === 0)).toBe(true);
    }
  });

  it('skips weights that are not float32, with the reason, and obeys patterns', async () => {
    const half = modelAround({
      node: makeNode({ opType: 'MatMul', name: 'mm', inputs: ['x', 'w'], outputs: ['y'] }),
      inputDims: [1, 16],
      outputDims: [1, 4],
      initializers: [floatTensor('w', [16, 4], sampleValues(64), 'float16')],
      dtype: 'float16',
    });
    const { model, advisories } = await applyStep(step, half);
    expect(countOps(model)).toEqual({ MatMul: 1 });
    expect(advisories.map(({ message }) => message).join()).toMatch(/float16/);
    const plain = matmulModel(16, 4, sampleValues(64));
    expect((await applyStep(step, plain, { exclude: ['mm'] })).ledger[0]!.fired).toBe(0);
    expect(step.check!(plain, step.params.parse({ keepLastLayer: true })).map(({ code }) => code)).toEqual([
      'quant/nothing-to-quantize',
    ]);
  });
});
