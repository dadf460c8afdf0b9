import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../../src/core/base/progress.ts';
import { createRng } from '../../../../../../src/core/base/rng.ts';
import { readTensorBytes, readTensorFloats } from '../../../../../../src/core/ir/tensor.ts';
import {
  type GptqRequest,
  GptqWorkspace,
  gptqMatrix,
} from '../../../../../../src/core/quant/support/gptq/gptq-matrix.ts';
import { factorHessian } from '../../../../../../src/core/quant/support/gptq/hessian-factor.ts';
import { createTriangleMachine, PlainMachine } from '../../../../../../src/core/quant/support/gptq/triangle-machine.ts';
import type { NBitsMatrix } from '../../../../../../src/core/quant/support/nbits-store.ts';
import { codeAt, zeroPointRowBytes } from '../../../../../../src/core/quant/support/pack-nbits.ts';
import type { StepContext } from '../../../../../../src/core/step/define.ts';
import { memoryStore } from '../bench.ts';
import { floatTensor, sampleValues } from '../models.ts';
import { damped, gptqOracle, inverseFactor, outputError } from './oracle.ts';

const ctx = { ...quietJob, store: memoryStore } as unknown as StepContext;

/** Inputs whose features go together, as activations' do. */
function correlatedHessian(K: number, tokens: number, seed: number): Float32Array {
  const rng = createRng(seed);
  const hidden = Math.max(2, Math.floor(K / 4));
  const mix = sampleValues(hidden * K, seed + 1);
  const hessian = new Float64Array(K * K);
  for (let t = 0; t < tokens; t += 1) {
    const z = Array.from({ length: hidden }, () => rng.uniform() * 2 - 1);
    const x = Float64Array.from({ length: K }, (_, k) => {
      let sum = 0.3 * (rng.uniform() - 0.5);
      for (let h = 0; h < hidden; h += 1) sum += z[h]! * mix[h * K + k]!;
      return sum * (k % 7 === 3 ? 4 : 1);
    });
    for (let i = 0; i < K; i += 1) for (let j = 0; j < K; j += 1) hessian[i * K + j]! += x[i]! * x[j]!;
  }
  return Float32Array.from(hessian);
}

/** What MatMulNBits will multiply by, [N, K], read from the stored tensors. */
async function dequantized({ K, N, bits, blockSize, packed, scales, zeroPoints }: NBitsMatrix): Promise<Float64Array> {
  const blocks = Math.ceil(K / blockSize);
  const codes = await readTensorBytes(packed);
  const scale = await readTensorFloats(scales);
  const points = zeroPoints && (await readTensorBytes(zeroPoints));
  const rowBytes = zeroPointRowBytes(blocks, bits);
  return Float64Array.from({ length: N * K }, (_, at) => {
    const n = Math.floor(at / K);
    const k = at % K;
    const block = Math.floor(k / blockSize);
    const zero = points ? codeAt(points.subarray(n * rowBytes, (n + 1) * rowBytes), block, bits) : 2 ** (bits - 1);
    return (codeAt(codes, n * blocks * blockSize + k, bits) - zero) * scale[n * blocks + block]!;
  });
}

function request(
  K: number,
  N: number,
  over: Partial<GptqRequest> = {},
): GptqRequest & { readonly weight: Float32Array } {
  const weight = sampleValues(N * K, 5, 3).map((value) => value * 0.05);
  return {
    tensor: floatTensor('w', [N, K], weight),
    name: 'w',
    K,
    N,
    order: 'rows',
    bits: 4,
    symmetric: false,
    scaleType: 'float32',
    blockSize: 32,
    hessian: correlatedHessian(K, 3 * K, 9),
    actOrder: false,
    damping: 0.01,
    gridSearch: 'min-max',
    ...over,
    weight,
  };
}

describe('factorHessian', () => {
  it('is the factor that the inverse has: U^-1 = (I + L) sqrt(D), in WebAssembly and in plain form', async () => {
    for (const K of [5, 16, 70, 150]) {
      const hessian = correlatedHessian(K, 3 * K, K);
      const U = inverseFactor(damped(hessian, K, 0.01), K);
      for (const machine of [createTriangleMachine(), new PlainMachine()]) {
        const factor = (await factorHessian(quietJob, machine, { hessian, K, damping: 0.01 }))!;
        expect(factor.damping).toBe(0.01);
        const { size, rowBytes } = factor;
        const weights = machine.floats(factor.weights, size);
        const L = (j: number, k: number) => {
          if (j === k) return 1;
          return machine.floats((size - 1 - k) * rowBytes, size)[size - 1 - j]!;
        };
        // U (I + L) sqrt(D) = I.
        let worst = 0;
        for (let i = 0; i < K; i += 1)
          for (let k = i; k < K; k += 1) {
            let sum = 0;
            for (let j = i; j <= k; j += 1) sum += U[i * K + j]! * L(j, k);
            sum *= Math.sqrt(weights[size - 1 - k]!);
            worst = Math.max(worst, Math.abs(sum - (i === k ? 1 : 0)));
          }
        expect(worst).toBeLessThan(2e-4);
      }
    }
  });

  it('raises the damping until the matrix is positive definite, and gives up on what never is', async () => {
    const K = 64;
    const machine = createTriangleMachine();
    // Indefinite by a little more than the damping makes up for.
    const bent = new Float32Array(K * K);
    for (let i = 0; i < K; i += 1) bent[i * K + i] = 1;
    bent[1] = bent[K] = 1.05;
    const factor = await factorHessian(quietJob, machine, { hessian: bent, K, damping: 0.01 });
    expect(factor!.damping).toBeGreaterThan(0.05);
    expect(factor!.damping).toBeLessThan(0.4);
    const hopeless = bent.slice();
    hopeless[1] = hopeless[K] = 50;
    expect(await factorHessian(quietJob, machine, { hessian: hopeless, K, damping: 0.01 })).toBeUndefined();
    expect(
      await factorHessian(quietJob, machine, { hessian: new Float32Array(K * K), K, damping: 0.01 }),
    ).toBeUndefined();
    const broken = bent.fill(Number.NaN);
    expect(await factorHessian(quietJob, machine, { hessian: broken, K, damping: 0.01 })).toBeUndefined();
  });
});

describe('gptqMatrix', () => {
  it('gives the codes of the algorithm in its paper', async () => {
    const cases: [number, number, Partial<GptqRequest>][] = [
      [96, 24, {}],
      [96, 9, { actOrder: true }],
      [128, 8, { blockSize: 128, bits: 3 }],
      [130, 10, { blockSize: 64, symmetric: true }],
      [130, 10, { blockSize: 64, symmetric: true, bits: 3, actOrder: true }],
      [40, 70, { blockSize: 16, bits: 2 }],
      [24, 3, { blockSize: 32, bits: 8, scaleType: 'float16' }],
    ];
    for (const [K, N, over] of cases) {
      const asked = request(K, N, over);
      const oracle = gptqOracle(asked);
      for (const machine of [createTriangleMachine(), new PlainMachine()]) {
        const { matrix, method } = await gptqMatrix(ctx, new GptqWorkspace(machine), asked);
        expect(method).toBe('gptq');
        const values = await dequantized(matrix);
        // A value between two codes may fall either way by rounding, which then changes what follows in its row.
        let different = 0;
        for (let n = 0; n < N; n += 1)
          if (values.subarray(n * K, n * K + K).some((value, k) => Math.abs(value - oracle.values[n * K + k]!) > 1e-3))
            different += 1;
        expect(different / N).toBeLessThanOrEqual(0.15);
        const error = outputError(asked.weight, values, asked.hessian, K);
        expect(error / outputError(asked.weight, oracle.values, asked.hessian, K)).toBeCloseTo(1, 1);
      }
    }
  });

  it('errs far less than rounding to nearest on correlated inputs, and reports both as they are', async () => {
    const K = 128;
    const N = 48;
    for (const over of [{}, { bits: 3, blockSize: 128 }, { actOrder: true }, { gridSearch: 'mse' }] as const) {
      const asked = request(K, N, over);
      const { matrix, relativeLoss } = await gptqMatrix(ctx, new GptqWorkspace(), asked);
      // Against the damped Hessian, which is what is minimized.
      const H = damped(asked.hessian, K, 0.01);
      const energy = outputError(asked.weight, new Float64Array(N * K), H, K);
      expect(outputError(asked.weight, await dequantized(matrix), H, K) / energy / relativeLoss!.gptq).toBeCloseTo(
        1,
        2,
      );
      expect(relativeLoss!.gptq).toBeLessThan(0.6 * relativeLoss!.roundToNearest);
    }
  });

  it('searches the same ranges in WebAssembly and in plain form', async () => {
    for (const actOrder of [false, true]) {
      const asked = request(96, 12, { bits: 3, gridSearch: 'mse', actOrder });
      const [fast, plain] = await Promise.all(
        [createTriangleMachine(), new PlainMachine()].map(async (machine) => {
          const { matrix } = await gptqMatrix(ctx, new GptqWorkspace(machine), asked);
          return readTensorFloats(matrix.scales);
        }),
      );
      const different = fast!.filter((scale, at) => Math.abs(scale / plain![at]! - 1) > 1e-4).length;
      expect(different / fast!.length).toBeLessThan(0.1);
      const { matrix } = await gptqMatrix(ctx, new GptqWorkspace(), { ...asked, gridSearch: 'min-max' });
      const whole = await readTensorFloats(matrix.scales);
      expect(fast!.reduce((sum, scale) => sum + Math.abs(scale), 0)).toBeLessThan(
        0.97 * whole.reduce((sum, scale) => sum + Math.abs(scale), 0),
      );
    }
  });

  it('reads a weight in either order and gives the same', async () => {
    const asked = request(64, 20);
    const turned = new Float32Array(64 * 20);
    for (let n = 0; n < 20; n += 1) for (let k = 0; k < 64; k += 1) turned[k * 20 + n] = asked.weight[n * 64 + k]!;
    const rows = await gptqMatrix(ctx, new GptqWorkspace(), asked);
    const columns = await gptqMatrix(ctx, new GptqWorkspace(), {
      ...asked,
      tensor: floatTensor('w', [64, 20], turned),
      order: 'columns',
    });
    expect(await readTensorBytes(columns.matrix.packed)).toEqual(await readTensorBytes(rows.matrix.packed));
  });

  it('rounds to nearest where there is no Hessian, leaves features that were never seen to rounding, refuses NaN', async () => {
    const K = 64;
    const asked = request(K, 16);
    const blank = await gptqMatrix(ctx, new GptqWorkspace(), { ...asked, hessian: new Float32Array(K * K) });
    expect(blank).toMatchObject({ method: 'round to nearest', reason: expect.stringContaining('zero') });
    const nearest = await dequantized(blank.matrix);
    for (const [i, value] of nearest.entries()) expect(Math.abs(value - asked.weight[i]!)).toBeLessThan(0.02);
    const dead = asked.hessian.slice();
    for (let k = 0; k < K; k += 1) for (const f of [3, 40]) dead[f * K + k] = dead[k * K + f] = 0;
    const partly = await gptqMatrix(ctx, new GptqWorkspace(), { ...asked, hessian: dead });
    expect(partly.method).toBe('gptq');
    const values = await dequantized(partly.matrix);
    for (let n = 0; n < 16; n += 1)
      for (const f of [3, 40]) expect(Math.abs(values[n * K + f]! - asked.weight[n * K + f]!)).toBeLessThan(0.02);
    const bad = asked.weight.slice();
    bad[100] = Number.NaN;
    await expect(
      gptqMatrix(ctx, new GptqWorkspace(), { ...asked, tensor: floatTensor('w', [16, K], bad) }),
    ).rejects.toMatchObject({ code: 'pass/bad-weight' });
  });

  it('can be cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    const cancelled = { ...ctx, signal: controller.signal } as unknown as StepContext;
    await expect(gptqMatrix(cancelled, new GptqWorkspace(), request(64, 16))).rejects.toMatchObject({
      code: 'job/cancelled',
    });
  });
});
