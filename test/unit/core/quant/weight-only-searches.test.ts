import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { readTensorBytes } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { quantizeMatrix } from '../../../../src/core/quant/support/nbits-matrix.ts';
import { kQuantSearch } from '../../../../src/core/quant/support/search/kquant.ts';
import { step as hqq } from '../../../../src/core/quant/weight-only-hqq.ts';
import { step as kquant } from '../../../../src/core/quant/weight-only-kquant.ts';
import { step as mse } from '../../../../src/core/quant/weight-only-mse.ts';
import { step as rtn } from '../../../../src/core/quant/weight-only-rtn.ts';
import type { StepContext, StepDefinition } from '../../../../src/core/step/define.ts';
import { applyStep, memoryStore, nodesOfType, relativeError, runOnNode, runtimes } from './support/bench.ts';
import { dequantize } from './support/dequantize.ts';
import { chainModel, floatTensor, gemmModel, matmulModel, product, sampleValues } from './support/models.ts';

const methods: readonly (readonly [string, StepDefinition, object])[] = [
  ['mse', mse, {}],
  ['k-quant', kquant, {}],
  ['hqq', hqq, {}],
  ['hqq with fractional zero points', hqq, { zeroPoint: 'float' }],
];

const onlyNode = (model: Model) => nodesOfType(model, 'MatMulNBits')[0] as Node;
const squares = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Array.from(x).reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0);

for (const [name, step, own] of methods)
  describe(name, () => {
    it('runs as its own dequantized weight says, whatever the shape', async () => {
      const M = 2;
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            K: fc.integer({ min: 1, max: 150 }),
            N: fc.integer({ min: 1, max: 9 }),
            bits: fc.constantFrom(2, 3, 4, 8),
            blockSize: fc.constantFrom(16, 32, 64, 128),
            symmetric: fc.boolean(),
            transposed: fc.boolean(),
            zeros: fc.boolean(),
            size: fc.constantFrom(1e-6, 0.02, 1, 1e6),
            seed: fc.integer({ min: 1, max: 1e6 }),
          }),
          async ({ K, N, transposed, zeros, size, seed, ...params }) => {
            const values = sampleValues(K * N, seed, N).map((v) => v * size);
            // Whole blocks of zeros.
            if (zeros) values.fill(0, 0, Math.min(values.length, 32 * N));
            const turned = Float32Array.from({ length: K * N }, (_, i) => values[(i % K) * N + Math.floor(i / K)]!);
            const source = transposed
              ? gemmModel({ M, K, N, transB: true }, turned, new Float32Array())
              : matmulModel(K, N, values);
            const { model } = await applyStep(step, source, { ...params, ...own, accuracyLevel: 1 });
            const weight = await dequantize(model, onlyNode(model));
            const x = sampleValues(M * K, 9);
            const y = (await runOnNode(model, { x: { type: 'float32', dims: [M, K], data: x } })).get('y')!;
            const reference = product(x, weight, M, K, N);
            const scale = Math.max(...reference.map(Math.abs));
            if (scale > 0) expect(relativeError(y, reference)).toBeLessThan(1e-4);
            else expect(Math.max(...y.map(Math.abs))).toBe(0);
          },
        ),
        { numRuns: 40 },
      );
    });

    it('runs on WebAssembly too', async () => {
      const [M, K, N] = [3, 70, 7];
      for (const bits of [2, 3, 4, 8]) {
        const { model } = await applyStep(step, matmulModel(K, N, sampleValues(K * N, 5, N)), { bits, ...own });
        const x = sampleValues(M * K, 9);
        const reference = product(x, await dequantize(model, onlyNode(model)), M, K, N);
        for (const [label, run] of runtimes) {
          const y = (await run(model, { x: { type: 'float32', dims: [M, K], data: x } })).get('y')!;
          expect(relativeError(y, reference), `${label}, ${bits} bits`).toBeLessThan(1e-5);
        }
      }
    });

    it('gives a weight the same codes in either order and however it is cut', async () => {
      const [K, N] = [150, 37];
      const values = sampleValues(K * N, 3, N);
      const turned = Float32Array.from({ length: K * N }, (_, i) => values[(i % K) * N + Math.floor(i / K)]!);
      const tensorsOf = async (model: Model) =>
        Promise.all(
          onlyNode(model)
            .inputs.slice(1)
            .map((input) => readTensorBytes(model.graph.initializers.get(input)!)),
        );
      const columns = await tensorsOf((await applyStep(step, matmulModel(K, N, values), own)).model);
      const transposed = gemmModel({ M: 1, K, N, transB: true }, turned, new Float32Array());
      expect(await tensorsOf((await applyStep(step, transposed, own)).model)).toEqual(columns);
    });

    it('refuses NaN and infinities by name', async () => {
      for (const poison of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        const values = sampleValues(300 * 7);
        values[1234] = poison;
        await expect(applyStep(step, matmulModel(300, 7, values), own)).rejects.toMatchObject({
          code: 'pass/bad-weight',
          data: { tensor: 'w' },
        });
      }
    });
  });

it('clipping has never more squared error than round to nearest, k-quant nearly never', async () => {
  const [K, N] = [128, 16];
  for (const bits of [2, 3, 4])
    for (const symmetric of [true, false]) {
      const values = sampleValues(K * N, 11, N);
      const errorOf = async (step: StepDefinition) => {
        const { model } = await applyStep(step, matmulModel(K, N, values), { bits, symmetric });
        return squares(await dequantize(model, onlyNode(model)), values);
      };
      const [nearest, clipped, searched] = [await errorOf(rtn), await errorOf(mse), await errorOf(kquant)];
      expect(clipped).toBeLessThan(nearest!);
      expect(searched).toBeLessThan(nearest! * 1.02);
    }
});

it('cuts the source into the same blocks whatever the limits, with a search', async () => {
  const [K, N] = [150, 37];
  const ctx = { ...quietJob, store: memoryStore } as StepContext;
  const layout = { name: 'w', K, N, bits: 4, blockSize: 32, symmetric: false, scaleType: 'float32' } as const;
  const search = kQuantSearch(layout);
  for (const order of ['columns', 'rows'] as const) {
    const tensor = floatTensor('w', order === 'columns' ? [K, N] : [N, K], sampleValues(K * N, 3, N));
    const whole = await quantizeMatrix(ctx, { ...layout, tensor, order, search });
    for (const [readBytes, collectBytes] of [
      [1, 1],
      [700, 200],
      [5000, 999],
    ] as const)
      expect(
        await quantizeMatrix(ctx, { ...layout, tensor, order, search, limits: { readBytes, collectBytes } }),
      ).toEqual(whole);
  }
});

describe('fractional zero points', () => {
  const parse = (params: object) => hqq.params.parse({ zeroPoint: 'float', ...params });
  const codes = (params: object) => hqq.check!(chainModel(['a', 'b'], 32), parse(params)).map(({ code }) => code);

  it('are kept off WebGPU, and off 8 bits, and said to be without effect where there are none', async () => {
    expect(hqq.runsOn(parse({})).webgpu).toMatchObject({ level: 'none' });
    expect(hqq.runsOn(parse({})).wasm).toEqual({ level: 'full' });
    expect(hqq.runsOn(parse({ symmetric: true })).webgpu).toEqual({ level: 'full' });
    expect(hqq.runsOn(parse({ zeroPoint: 'integer' })).webgpu).toEqual({ level: 'full' });
    expect(codes({})).toEqual(['quant/fractional-zero-points']);
    expect(codes({ symmetric: true })).toEqual(['quant/no-zero-points']);
    expect(codes({ overrides: ['b=8'] })).toContain('quant/whole-zero-points-at-8-bits');
    const { model } = await applyStep(hqq, chainModel(['a', 'b'], 32), { zeroPoint: 'float', overrides: ['b=8'] });
    const portable = await applyStep(hqq, matmulModel(64, 6, sampleValues(384)), { zeroPoint: 'float', form: 'qdq' });
    const whole = await applyStep(hqq, matmulModel(64, 6, sampleValues(384)), { form: 'qdq' });
    expect([...portable.model.graph.initializers]).toEqual([...whole.model.graph.initializers]);
    expect(codes({ form: 'qdq' })).toContain('quant/whole-zero-points-in-qdq');
    const types = nodesOfType(model, 'MatMulNBits').map(
      ({ inputs }) => model.graph.initializers.get(inputs[3]!)!.dtype,
    );
    expect(types).toEqual(['float32', 'uint8']);
  });
});
