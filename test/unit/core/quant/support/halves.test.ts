import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHalfConverter, PlainHalfConverter } from '../../../../../src/core/quant/support/halves.ts';
import { bytesOf, float32Of, loadVectors } from './vectors.ts';

const isNaNBits = (bits: number) => (bits & 0x7fff) > 0x7c00;

describe('float16 conversion', () => {
  const { float16Values } = loadVectors();
  const values = float32Of(float16Values.values);
  const expected = new Uint16Array(bytesOf(float16Values.float16).buffer);

  for (const [label, converter] of [
    ['SIMD kernel', createHalfConverter()],
    ['plain', new PlainHalfConverter()],
  ] as const)
    it(`gives onnxruntime 1.30's bits, NaN payloads apart: ${label}`, () => {
      const { bits } = converter.convert(values);
      expect(bits.length).toBe(431);
      bits.forEach((half, i) => {
        if (Number.isNaN(values[i]!)) expect(isNaNBits(half)).toBe(true);
        else expect(half, `${values[i]}`).toBe(expected[i]);
      });
    });

  it('counts what it clamps', () => {
    const { clamped } = createHalfConverter().convert(
      Float32Array.of(1e30, -65505, 65504, Number.POSITIVE_INFINITY, Number.NaN, 1e-9, -1e-40, 0, -0, 6e-8, 5.9e-8),
    );
    expect(clamped).toEqual({ large: 2, small: 3 });
  });

  it('agrees with the plain form on any bits, across slabs', () => {
    const simd = createHalfConverter();
    expect(simd).not.toBeInstanceOf(PlainHalfConverter);
    const plain = new PlainHalfConverter();
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 200 }), (patterns) => {
        const input = new Float32Array(Int32Array.from(patterns).buffer);
        expect(simd.convert(input)).toEqual(plain.convert(input));
      }),
      { numRuns: 300 },
    );
    const large = Float32Array.from({ length: (1 << 18) + 13 }, (_, i) => Math.fround((i - 131072) * 0.513));
    expect(simd.convert(large)).toEqual(plain.convert(large));
  });

  it('covers every float16 and every midpoint between two', () => {
    const simd = createHalfConverter();
    const patterns: number[] = [];
    for (let half = 0; half < 0x7c00; half += 1) {
      const exponent = half >> 10;
      const value = exponent === 0 ? half * 2 ** -24 : (1 + (half & 1023) / 1024) * 2 ** (exponent - 15);
      const step = 2 ** (Math.max(exponent, 1) - 25);
      patterns.push(value, value + step / 2, value + step / 2 + step / 1024, value + step / 2 - step / 1024);
    }
    const input = Float32Array.from(patterns);
    expect(simd.convert(input)).toEqual(new PlainHalfConverter().convert(input));
  });
});
