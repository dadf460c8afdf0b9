import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorBytes, readTensorFloats, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { quantizeMatrix } from '../../../../src/core/quant/support/nbits-matrix.ts';
import { codeAt } from '../../../../src/core/quant/support/pack-nbits.ts';
import { step } from '../../../../src/core/quant/weight-only-rtn.ts';
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
import { dequantize } from './support/dequantize.ts';
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
import { bytesOf, float32Of, loadVectors } from './support/vectors.ts';

const bytesOfInitializer = async (model: Model, name: string) =>
  Array.from(await readTensorBytes(model.graph.initializers.get(name)!));

describe('against onnxruntime 1.30 quantizing the same models', () => {
  it('writes the same attributes, shapes, scales and zero points, and the same codes', async () => {
    const cases = loadVectors().matmulNBits.filter(({ kind }) => kind !== 'tiny');
    for (const { bits, block, symmetric, K, N, weight, tensors } of cases.filter((_, i) => i % 3 === 0)) {
      const { model } = await applyStep(step, matmulModel(K, N, float32Of(weight)), {
        bits,
        blockSize: block,
        symmetric,
      });
      const [node] = nodesOfType(model, 'MatMulNBits') as [Node];
      expect(model.graph.initializers.size).toBe(symmetric ? 2 : 3);
      const where = `${bits} bits, block ${block}, symmetric ${symmetric}, ${K}x${N}`;
      const ours = node.inputs.slice(1).map((name) => model.graph.initializers.get(name)!);
      expect(
        ours.map(({ dims }) => dims),
        where,
      ).toEqual(tensors.filter(Boolean).map((tensor) => tensor!.dims));
      for (const index of symmetric ? [1] : [1, 2])
        expect(Array.from(await readTensorBytes(ours[index]!)), where).toEqual([...bytesOf(tensors[index]!)]);
      const packed = await readTensorBytes(ours[0]!);
      const theirs = bytesOf(tensors[0]!);
      const blocks = Math.ceil(K / block);
      for (let n = 0; n < N; n += 1)
        for (let k = 0; k < K; k += 1) {
          const at = (n * blocks + Math.floor(k / block)) * block + (k % block);
          if (codeAt(packed, at, bits) !== codeAt(theirs, at, bits)) expect.fail(`${where}: code ${k}, ${n}`);
        }
    }
  });

  it('does so for float16 models, with float16 scales', async () => {
    for (const { bits, block, symmetric, K, N, weight, model: theirs } of loadVectors().matmulNBitsFloat16) {
      const source = modelAround({
        node: makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }),
        inputDims: [1, K],
        outputDims: [1, N],
        initializers: [{ name: 'w', dtype: 'float16', dims: [K, N], data: { kind: 'bytes', bytes: bytesOf(weight) } }],
        dtype: 'float16',
      });
      const { model } = await applyStep(step, source, { bits, blockSize: block, symmetric });
      const [node] = nodesOfType(model, 'MatMulNBits') as [Node];
      const expected = theirs.graph.nodes[0]!.inputs.slice(1).map((name) => theirs.graph.initializers[name]!);
      expect(model.graph.initializers.get(node.inputs[2]!)!.dtype).toBe('float16');
      expect(await bytesOfInitializer(model, node.inputs[2]!)).toEqual([...bytesOf(expected[1]!)]);
      const whole = K % block === 0;
      if (whole) expect(await bytesOfInitializer(model, node.inputs[1]!)).toEqual([...bytesOf(expected[0]!)]);
      if (!symmetric) expect(await bytesOfInitializer(model, node.inputs[3]!)).toEqual([...bytesOf(expected[2]!)]);
    }
  });
});

describe('what comes out runs', () => {
  const M = 3;
  for (const bits of [2, 3, 4, 8] as const)
    for (const symmetric of [true, false])
      it(`as its own dequantized weight says, for every block size: ${bits} bits, ${symmetric ? 'symmetric' : 'asymmetric'}`, async () => {
        for (const [blockSize, K, N] of [
          [16, 48, 5],
          [32, 96, 8],
          [32, 70, 7],
          [64, 200, 4],
          [128, 128, 3],
          [256, 300, 16],
          [256, 20, 1],
        ] as const) {
          const values = sampleValues(K * N, K + N, N);
          const { model } = await applyStep(step, matmulModel(K, N, values), { bits, symmetric, blockSize });
          const x = sampleValues(M * K, 9);
          const weight = await dequantize(model, nodesOfType(model, 'MatMulNBits')[0]!);
          const reference = product(x, weight, M, K, N);
          for (const [label, run] of runtimes) {
            const y = (await run(model, { x: { type: 'float32', dims: [M, K], data: x } })).get('y')!;
            // Native CPUs may take an int8 path at their own choice (accuracy level 0), which differs by about 3e-3.
            expect(relativeError(y, reference), `${label} block ${blockSize} ${K}x${N}`).toBeLessThan(1e-5);
          }
        }
      });

  it('for every form of Gemm', async () => {
    const [M, K, N] = [3, 40, 6];
    const weight = sampleValues(K * N, 4, N);
    const forms = [
      {},
      { transB: true },
      { transA: true },
      { transA: true, transB: true, alpha: 0.5, beta: 2, biasDims: [N] },
      { biasDims: [1, N] },
      { biasDims: [M, 1], beta: -1 },
      { biasDims: [M, N] },
      { biasDims: [], alpha: 3 },
      { biasDims: [N], beta: 0 },
    ];
    for (const form of forms) {
      const biasCount = (form as { biasDims?: number[] }).biasDims?.reduce((a, b) => a * b, 1) ?? 0;
      const bias = sampleValues(biasCount, 5);
      const source = gemmModel({ M, K, N, ...form }, weight, bias);
      const { model } = await applyStep(step, source, { bits: 8, blockSize: 16 });
      expect(countOps(model).Gemm).toBeUndefined();
      expect(countOps(model)['com.microsoft.MatMulNBits']).toBe(1);
      const x = sampleValues(M * K, 6);
      const feeds = { x: { type: 'float32', dims: 'transA' in form ? [K, M] : [M, K], data: x } } as const;
      const reference = (await runtimes[0][1](source, feeds)).get('y')!;
      for (const [label, run] of runtimes) {
        const y = (await run(model, feeds)).get('y')!;
        expect(relativeError(y, reference), `${label} ${JSON.stringify(form)}`).toBeLessThan(0.01);
      }
    }
  });

  it('gives a weight the same codes however it is stored', async () => {
    const [K, N] = [50, 6];
    const values = sampleValues(K * N, 7, N);
    const transposed = Float32Array.from({ length: K * N }, (_, i) => values[(i % K) * N + Math.floor(i / K)]!);
    const transpose = (input: string) => makeNode({ opType: 'Transpose', inputs: [input], outputs: ['wt'] });
    const identity = makeNode({ opType: 'Identity', inputs: ['c'], outputs: ['w'] });
    const around = (weight: string, extraNodes: Node[], initializers = [floatTensor('c', [N, K], transposed)]) =>
      modelAround({
        node: makeNode({ opType: 'MatMul', inputs: ['x', weight], outputs: ['y'] }),
        inputDims: [1, K],
        outputDims: [1, N],
        initializers,
        extraNodes,
      });
    const variants = [
      matmulModel(K, N, values),
      gemmModel({ M: 1, K, N, transB: true }, transposed, new Float32Array()),
      around('wt', [transpose('c')]),
      around('wt', [identity, transpose('w')]),
      around('w', [constantNode(floatTensor('w', [K, N], values))], []),
      around('wt', [constantNode(floatTensor('w', [N, K], transposed)), transpose('w')], []),
      modelAround({
        node: makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }),
        inputDims: [1, 2, K],
        outputDims: [1, 2, N],
        initializers: [floatTensor('w', [1, K, N], values)],
      }),
    ];
    const packed: number[][] = [];
    for (const variant of variants) {
      const { model } = await applyStep(step, variant, { blockSize: 16 });
      expect(countOps(model)).toEqual({ 'com.microsoft.MatMulNBits': 1 });
      expect(
        [...model.graph.initializers.values()].every(({ dtype, dims }) => dtype !== 'float32' || dims[1] === 4),
      ).toBe(true);
      const [node] = nodesOfType(model, 'MatMulNBits') as [Node];
      const tensors = await Promise.all(node.inputs.slice(1).map((name) => bytesOfInitializer(model, name)));
      packed.push(tensors.flat());
    }
    for (const other of packed) expect(other).toEqual(packed[0]);
  });

  it('in subgraphs, with a shared weight quantized once', async () => {
    const [K, N] = [32, 6];
    const source = ifModel(K, N, sampleValues(K * N, 1), sampleValues(K * N, 2));
    const { model, ledger } = await applyStep(step, source, { bits: 8, blockSize: 16, symmetric: true });
    expect(ledger[0]!.fired).toBe(3);
    expect(countOps(model)).toMatchObject({ 'com.microsoft.MatMulNBits': 3 });
    expect([...model.graph.initializers.keys()].sort()).toEqual(['w_Q8', 'w_scales']);
    const x = sampleValues(K, 3);
    for (const condition of [0, 1]) {
      const feeds = {
        x: { type: 'float32', dims: [1, K], data: x },
        c: { type: 'bool', dims: [], data: [condition] },
      } as const;
      const reference = (await runtimes[0][1](source, feeds)).get('y')!;
      for (const [, run] of runtimes)
        expect(relativeError((await run(model, feeds)).get('y')!, reference)).toBeLessThan(0.02);
    }
  });
});

describe('what is left alone', () => {
  it('keeps a tied embedding in float32 for Gather and says so', async () => {
    const [V, E] = [40, 32];
    const source = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'Gather', inputs: ['table', 'ids'], outputs: ['e'] }),
          makeNode({ opType: 'Transpose', inputs: ['table'], outputs: ['t'] }),
          makeNode({ opType: 'MatMul', name: 'head', inputs: ['e', 't'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('ids', 'int64', [3])],
        outputs: [valueInfo('y', 'float32', [3, V])],
        initializers: [floatTensor('table', [V, E], sampleValues(V * E))],
      }),
    });
    const { model, advisories } = await applyStep(step, source, {});
    expect(countOps(model)).toEqual({ Gather: 1, 'com.microsoft.MatMulNBits': 1 });
    expect(model.graph.initializers.has('table')).toBe(true);
    expect(advisories.map(({ code }) => code)).toContain('quant/weight-also-kept');
  });

  it('respects patterns, operator types and the last layer', async () => {
    const K = 16;
    const layer = (index: number) =>
      makeNode({
        opType: 'MatMul',
        name: `block.${index}/mm`,
        inputs: [index === 0 ? 'x' : `h${index}`, `w${index}`],
        outputs: [index === 2 ? 'y' : `h${index + 1}`],
      });
    const source = makeModel({
      graph: makeGraph({
        nodes: [0, 1, 2].map(layer),
        inputs: [valueInfo('x', 'float32', [1, K])],
        outputs: [valueInfo('y', 'float32', [1, K])],
        initializers: [0, 1, 2].map((i) => floatTensor(`w${i}`, [K, K], sampleValues(K * K, i + 1))),
      }),
    });
    const left = async (params: object) =>
      nodesOfType((await applyStep(step, source, params)).model, 'MatMul').map(({ name }) => name);
    expect(await left({})).toEqual([]);
    expect(await left({ exclude: ['block.1*'] })).toEqual(['block.1/mm']);
    expect(await left({ include: ['block.?/mm'], exclude: ['*2/mm', '*0/mm'] })).toEqual(['block.0/mm', 'block.2/mm']);
    expect(await left({ keepLastLayer: true })).toEqual(['block.2/mm']);
    expect(await left({ matmul: false })).toHaveLength(3);
    expect(step.check!(source, step.params.parse({ exclude: ['nope*'] })).map(({ code }) => code)).toEqual([
      'quant/pattern-matches-nothing',
    ]);
  });

  it('skips what MatMulNBits cannot hold, with the reason', async () => {
    const around = (inputs: [string, string], dims: number[]) =>
      modelAround({
        node: makeNode({ opType: 'MatMul', name: 'mm', inputs, outputs: ['y'] }),
        inputDims: [2, 16, 16],
        outputDims: [2, 16, 16],
        initializers: [floatTensor('w', dims, sampleValues(dims.reduce((a, b) => a * b, 1)))],
      });
    for (const [source, reason] of [
      [around(['x', 'w'], [2, 16, 16]), /batch of matrices/],
      [around(['w', 'x'], [16, 16]), /left operand/],
    ] as const) {
      const { model, advisories } = await applyStep(step, source, {});
      expect(countOps(model)).toEqual({ MatMul: 1 });
      expect(advisories.map(({ message }) => message).join()).toMatch(reason);
    }
  });

  it('refuses parameters that runtimes compute wrongly', () => {
    expect(step.params.safeParse({ blockSize: 512 }).success).toBe(false);
    expect(step.params.safeParse({ bits: 5 }).success).toBe(false);
    expect(step.params.safeParse({ blockSize: 24 }).success).toBe(false);
  });

  it('refuses weights with NaN or infinities by name, wherever they are', async () => {
    for (const poison of [Number.NaN, Number.POSITIVE_INFINITY])
      for (const at of [0, 7 * 100 + 3, 7 * 300 - 1]) {
        const values = sampleValues(300 * 7);
        values[at] = poison;
        await expect(applyStep(step, matmulModel(300, 7, values))).rejects.toMatchObject({
          code: 'pass/bad-weight',
          data: { tensor: 'w' },
        });
      }
  });

  it('warns about a model that is quantized already, and does not touch what is', async () => {
    const once = await applyStep(step, matmulModel(32, 4, sampleValues(128)));
    const codes = step.check!(once.model, step.params.parse({})).map(({ code }) => code);
    expect(codes).toEqual(['quant/already-quantized', 'quant/nothing-to-quantize']);
    const twice = await applyStep(step, once.model);
    expect(countOps(twice.model)).toEqual(countOps(once.model));
    expect(twice.ledger[0]!.fired).toBe(0);
  });
});

describe('the codes themselves', () => {
  it('are exact for zeros and constants, and within a step of any weight', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          K: fc.integer({ min: 1, max: 80 }),
          N: fc.integer({ min: 1, max: 9 }),
          bits: fc.constantFrom(2, 3, 4, 8),
          blockSize: fc.constantFrom(16, 32, 64),
          symmetric: fc.boolean(),
          seed: fc.integer({ min: 1, max: 1e6 }),
          constant: fc.option(fc.constantFrom(0, 0.3, -0.7), { nil: undefined }),
        }),
        async ({ K, N, seed, constant, ...params }) => {
          const values = constant === undefined ? sampleValues(K * N, seed, N) : new Float32Array(K * N).fill(constant);
          const { model } = await applyStep(step, matmulModel(K, N, values), params);
          const [node] = nodesOfType(model, 'MatMulNBits') as [Node];
          const back = await dequantize(model, node);
          const scales = await readTensorFloats(model.graph.initializers.get(node.inputs[2]!)!);
          const blocks = Math.ceil(K / params.blockSize);
          back.forEach((value, index) => {
            const step_ = Math.abs(
              scales[(index % N) * blocks + Math.floor(Math.floor(index / N) / params.blockSize)]!,
            );
            const error = Math.abs(value - values[index]!);
            expect(error).toBeLessThanOrEqual(step_ * (params.symmetric ? 1 : 0.5 + 0.5) * 1.0001);
            if (constant !== undefined) expect(error).toBeLessThanOrEqual(Math.abs(constant) * 1e-6);
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('do not depend on how the weight was cut into slabs', async () => {
    const [K, N] = [150, 37];
    const tensor = floatTensor('w', [K, N], sampleValues(K * N, 3, N));
    const ctx = { ...quietJob, store: memoryStore } as StepContext;
    const base = { tensor, name: 'w', K, N, bits: 4, blockSize: 32, symmetric: false, scaleType: 'float32' } as const;
    for (const order of ['columns', 'rows'] as const) {
      const dims = order === 'columns' ? { K, N } : { K: N, N: K };
      const whole = await quantizeMatrix(ctx, { ...base, ...dims, order });
      for (const [readBytes, collectBytes] of [
        [1, 1],
        [700, 200],
        [5000, 999],
        [1e6, 64],
      ] as const) {
        const cut = await quantizeMatrix(ctx, { ...base, ...dims, order, limits: { readBytes, collectBytes } });
        for (const part of ['packed', 'scales', 'zeroPoints'] as const)
          expect(await readTensorBytes(cut[part]!), `${order} ${part} ${readBytes}`).toEqual(
            await readTensorBytes(whole[part]!),
          );
      }
    }
  });
});

describe('real models', () => {
  it('recognition keeps its output at 4 bits, and better at 8', async () => {
    const source = await loadReal('rec');
    const feeds = realFeeds('rec');
    const [reference] = [...(await runtimes[0][1](source, feeds)).values()];
    for (const [bits, bound] of [
      [4, 0.995],
      [8, 0.9999],
    ] as const) {
      const { model } = await applyStep(step, source, { bits });
      expect(countOps(model)['com.microsoft.MatMulNBits']).toBe(9);
      for (const [label, run] of runtimes)
        expect(cosine([...(await run(model, feeds)).values()][0]!, reference!), label).toBeGreaterThan(bound);
    }
  });

  it('says so where there is nothing for it', async () => {
    const detector = await loadReal('det');
    expect(step.check!(detector, step.params.parse({})).map(({ code }) => code)).toEqual(['quant/nothing-to-quantize']);
    const { ledger, advisories } = await applyStep(step, detector);
    expect(ledger[0]!.fired).toBe(0);
    expect(advisories.map(({ code }) => code)).toContain('quant/nothing-to-quantize');
  });
});

it('is not confused by integer weights or empty ones', async () => {
  const source = makeModel({
    graph: makeGraph({
      nodes: [makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] })],
      inputs: [valueInfo('x', 'int64', [1, 2])],
      outputs: [valueInfo('y', 'int64', [1, 2])],
      initializers: [tensorFromInts('w', [2, 2], [1, 2, 3, 4])],
    }),
  });
  expect((await applyStep(step, source)).ledger[0]!.fired).toBe(0);
});
