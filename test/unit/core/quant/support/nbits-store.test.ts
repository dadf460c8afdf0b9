import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { readTensorBytes } from '../../../../../src/core/ir/tensor.ts';
import { quantizeMatrix } from '../../../../../src/core/quant/support/nbits-matrix.ts';
import { packCodes, storeNBitsMatrix } from '../../../../../src/core/quant/support/nbits-store.ts';
import { codeAt } from '../../../../../src/core/quant/support/pack-nbits.ts';
import { fieldBits, fieldOffset, weightBits } from '../../../../../src/core/quant/support/weight-bits.ts';
import type { StepContext } from '../../../../../src/core/step/define.ts';
import { memoryStore } from './bench.ts';
import { floatTensor, sampleValues } from './models.ts';

const ctx = { ...quietJob, store: memoryStore } as StepContext;

describe('codes that a method hands over one a byte', () => {
  it('give the very tensors that the round-to-nearest kernels give', async () => {
    const [K, N, blockSize, blocks] = [70, 5, 16, 5];
    const tensor = floatTensor('w', [K, N], sampleValues(K * N, 3, N));
    for (const bits of weightBits)
      for (const symmetric of [true, false]) {
        const layout = { name: 'w', K, N, bits, blockSize, symmetric, scaleType: 'float32' } as const;
        const matrix = await quantizeMatrix(ctx, { ...layout, tensor, order: 'columns' });
        const packed = await readTensorBytes(matrix.packed);
        const field = fieldBits(bits);
        const offset = symmetric ? fieldOffset(bits) : 0;
        const codes = Uint8Array.from({ length: N * blocks * blockSize }, (_, i) => codeAt(packed, i, field) - offset);
        expect(Math.max(...codes)).toBeLessThan(2 ** bits);
        const again = await storeNBitsMatrix(ctx, layout, {
          packed: [packCodes(codes, layout)],
          scales: new Float32Array((await readTensorBytes(matrix.scales)).slice().buffer),
          zeroPoints: symmetric
            ? new Uint8Array(0)
            : await unpackZeroPoints(await readTensorBytes(matrix.zeroPoints!), N, blocks, field),
        });
        expect(again).toEqual(matrix);
      }
  });

  it('may have fractional zero points, in the type and shape of the scales', async () => {
    const layout = { name: 'w', K: 16, N: 2, bits: 4, blockSize: 16, symmetric: false, scaleType: 'float16' } as const;
    const { zeroPoints, scales } = await storeNBitsMatrix(ctx, layout, {
      packed: [new Uint8Array(16)],
      scales: Float32Array.of(1, 2),
      zeroPoints: Float32Array.of(7.5, -0.25),
    });
    expect(zeroPoints).toMatchObject({ dtype: 'float16', dims: [2, 1] });
    expect(scales.dims).toEqual([2, 1]);
    expect(new Uint16Array((await readTensorBytes(zeroPoints!)).slice().buffer)).toEqual(
      Uint16Array.of(0x4780, 0xb400),
    );
  });
});

async function unpackZeroPoints(packed: Uint8Array, rows: number, blocks: number, field: 2 | 4 | 8) {
  const rowBytes = Math.ceil((blocks * field) / 8);
  return Uint8Array.from({ length: rows * blocks }, (_, i) =>
    codeAt(packed.subarray(Math.floor(i / blocks) * rowBytes), i % blocks, field),
  );
}
