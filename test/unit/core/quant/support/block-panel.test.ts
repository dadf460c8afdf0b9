import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPanelQuantizer } from '../../../../../src/core/quant/support/block-panel.ts';
import { codeAt, packZeroPoints } from '../../../../../src/core/quant/support/pack-nbits.ts';
import type { PanelQuantizer, PanelShape } from '../../../../../src/core/quant/support/panel.ts';
import { PlainPanelQuantizer } from '../../../../../src/core/quant/support/plain-panel.ts';
import type { WeightBits } from '../../../../../src/core/quant/support/weight-bits.ts';
import { bytesOf, float32Of, loadVectors } from './vectors.ts';

function quantizePanel(
  quantizer: PanelQuantizer,
  values: Float32Array,
  shape: PanelShape,
  bits: WeightBits,
  symmetric: boolean,
) {
  quantizer.load(values, shape);
  const { packed, scales, zeroPoints, finite } = quantizer.roundToNearest({ bits, symmetric, scaleType: 'float32' });
  return { packed: packed.slice(), scales: scales.slice(), zeroPoints: zeroPoints.slice(), finite };
}

describe('blockwise round to nearest against onnxruntime 1.30', () => {
  const { matmulNBits, failures } = loadVectors();

  it('has the vectors it is about', () => {
    expect(failures).toEqual({});
    expect(matmulNBits.length).toBeGreaterThan(400);
  });

  for (const [label, quantizer] of [
    ['SIMD kernels', createPanelQuantizer()],
    ['plain', new PlainPanelQuantizer()],
  ] as const)
    it(`gives the same codes, scales and zero points: ${label}`, () => {
      for (const { bits, block, symmetric, kind, K, N, weight, tensors } of matmulNBits) {
        // Of subnormal size onnxruntime's reciprocal overflows and every code saturates; see the test below.
        if (kind === 'tiny') continue;
        const values = float32Of(weight);
        const [packed, scales, zeroPoints] = tensors.map((tensor) => tensor && bytesOf(tensor));
        const perColumn = Math.ceil(K / block);
        const blob = (block * bits) / 8;
        const ours = new Float32Array(N * perColumn);
        const zeros = new Float32Array(N * perColumn);
        const where = `${bits} bits, block ${block}, symmetric ${symmetric}, ${kind} ${K}x${N}`;
        for (let b = 0; b < perColumn; b += 1) {
          const rows = Math.min(block, K - b * block);
          const shape = { order: 'columns', rows, columns: N, blockSize: block } as const;
          const got = quantizePanel(
            quantizer,
            values.subarray(b * block * N, (b * block + rows) * N),
            shape,
            bits,
            symmetric,
          );
          for (let n = 0; n < N; n += 1) {
            ours[n * perColumn + b] = got.scales[n]!;
            zeros[n * perColumn + b] = got.zeroPoints[n]!;
            for (let i = 0; i < rows; i += 1)
              if (codeAt(got.packed, n * block + i, bits) !== codeAt(packed!, (n * perColumn + b) * block + i, bits))
                expect.fail(`${where}: code of block ${b}, column ${n}, row ${i}`);
            expect(got.packed.length).toBe(N * blob);
          }
        }
        expect(new Uint8Array(ours.buffer), `${where}: scales`).toEqual(scales);
        if (!symmetric) expect(packZeroPoints(zeros, N, perColumn, bits), `${where}: zero points`).toEqual(zeroPoints);
      }
    });
});

describe('weights of subnormal size', () => {
  it('become zero, where onnxruntime makes them the largest code', () => {
    const values = new Float32Array(32).fill(2e-39);
    for (const symmetric of [true, false]) {
      const { packed, scales, zeroPoints, finite } = quantizePanel(
        createPanelQuantizer(),
        values,
        { order: 'rows', rows: 1, columns: 32, blockSize: 32 },
        4,
        symmetric,
      );
      expect(finite).toBe(true);
      for (let i = 0; i < 32; i += 1) expect((codeAt(packed, i, 4) - zeroPoints[0]!) * scales[0]! + 0).toBe(0);
    }
  });
});

describe('SIMD kernels against the plain ones', () => {
  const panel = fc.record({
    order: fc.constantFrom('columns', 'rows') as fc.Arbitrary<'columns' | 'rows'>,
    blockSize: fc.constantFrom(16, 32, 64, 128, 256),
    rows: fc.integer({ min: 1, max: 16 }),
    columns: fc.integer({ min: 1, max: 70 }),
    bits: fc.constantFrom(2, 3, 4, 8) as fc.Arbitrary<WeightBits>,
    symmetric: fc.boolean(),
    pool: fc.array(
      fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e38), max: Math.fround(1e38) }),
      { minLength: 1, maxLength: 40 },
    ),
  });

  it('agree on every bit for any finite values', () => {
    const simd = createPanelQuantizer();
    const plain = new PlainPanelQuantizer();
    expect(simd).not.toBeInstanceOf(PlainPanelQuantizer);
    fc.assert(
      fc.property(panel, ({ bits, symmetric, pool, ...shape }) => {
        const values = Float32Array.from(
          { length: shape.rows * shape.columns },
          (_, i) => pool[(i * 7) % pool.length]!,
        );
        const a = quantizePanel(simd, values, shape, bits, symmetric);
        const b = quantizePanel(plain, values, shape, bits, symmetric);
        expect(a.finite).toBe(true);
        expect(b.finite).toBe(true);
        expect(a.zeroPoints).toEqual(b.zeroPoints);
        // +0 and -0 mean the same scale.
        expect(a.scales.map((x) => x + 0)).toEqual(b.scales.map((x) => x + 0));
        expect(a.packed).toEqual(b.packed);
      }),
      { numRuns: 300 },
    );
  });

  it('notice a NaN or an infinity anywhere in the panel', () => {
    for (const quantizer of [createPanelQuantizer(), new PlainPanelQuantizer()])
      for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
        for (const order of ['columns', 'rows'] as const)
          for (const at of [0, 17, 16 * 9 - 1]) {
            const values = new Float32Array(16 * 9).fill(0.5);
            const shape = { order, rows: 16, columns: 9, blockSize: 16 };
            quantizer.load(values, shape);
            expect(quantizer.ranges().finite).toBe(true);
            values[at] = poison;
            quantizer.load(values, shape);
            expect(quantizer.ranges().finite).toBe(false);
          }
  });

  it('rounds exact halves up and nothing below them', () => {
    const quantizer = createPanelQuantizer();
    const values = Float32Array.from(
      { length: 16 },
      (_, i) => [0.5, 0.49999997, 1.5, 1.4999999, 2.5, 14.5, 14.499999, 0][i % 8]!,
    );
    quantizer.load(values, { order: 'rows', rows: 1, columns: 16, blockSize: 16 });
    const packed = quantizer.quantize(4, new Float32Array([1]), new Float32Array([0]));
    expect(Array.from({ length: 8 }, (_, i) => codeAt(packed, i, 4))).toEqual([1, 0, 2, 1, 3, 15, 14, 0]);
  });
});
