import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  affineParameters,
  codeRange,
  type IntegerType,
  integerRange,
  quantizeAffine,
  rangeOf,
  roundHalfEven,
} from '../../../../../src/core/quant/support/affine.ts';
import { float32Of, int32Of, loadVectors } from './vectors.ts';

const typeOf = (name: string) => name.slice(1).toLowerCase() as IntegerType;

describe('affine quantization against onnxruntime 1.30', () => {
  const { affine, perChannel } = loadVectors();

  it('has the same ranges, scales, zero points and codes for every type', () => {
    expect(affine.length).toBe(192);
    for (const { type, symmetric, reduceRange, kind, weight, qmin, qmax, result } of affine) {
      const scheme = { type: typeOf(type), symmetric, reduceRange };
      const where = `${type} symmetric ${symmetric} reduced ${reduceRange} ${kind}`;
      const range = integerRange(scheme);
      expect([range.min, range.max], where).toEqual([qmin, qmax]);
      const values = float32Of(weight);
      const { min, max } = rangeOf(values);
      const parameters = affineParameters(min, max, scheme);
      const [zeroPoint, scale, codes] = result;
      expect(parameters.scale, where).toBe(float32Of(scale!)[0]);
      expect(parameters.zeroPoint, where).toBe(int32Of(zeroPoint!)[0]);
      const ours = new (
        type.endsWith('16')
          ? type === 'QInt16'
            ? Int16Array
            : Uint16Array
          : type.includes('U')
            ? Uint8Array
            : Int8Array
      )(values.length);
      quantizeAffine(values, ours, parameters, codeRange(scheme));
      expect(Array.from(ours), where).toEqual(Array.from(int32Of(codes!)));
    }
  });

  it('does so channel by channel', () => {
    for (const { type, symmetric, reduceRange, axis, weight, rows } of perChannel) {
      const values = float32Of(weight);
      const [height, width] = weight.dims as [number, number];
      const scheme = { type: typeOf(type), symmetric, reduceRange };
      const codes = type === 'QInt8' ? new Int8Array(values.length) : new Uint8Array(values.length);
      rows.forEach(([zeroPoint, scale, expected], index) => {
        const [start, count, stride] = axis === 0 ? [index * width, width, 1] : [index, height, width];
        const { min, max } = rangeOf(values, start, count, stride);
        const parameters = affineParameters(min, max, scheme);
        expect(parameters.scale).toBe(float32Of(scale!)[0]);
        expect(parameters.zeroPoint & 255).toBe(Buffer.from(zeroPoint!.data, 'base64')[0]);
        quantizeAffine(values, codes, parameters, codeRange(scheme), start, count, stride);
        const ours = Array.from({ length: count }, (_, i) => codes[start + i * stride]! & 255);
        expect(ours).toEqual([...Buffer.from(expected!.data, 'base64')]);
      });
    }
  });
});

describe('affine quantization by itself', () => {
  it('keeps every dequantized value within half a step, and zero exact', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) }), {
          minLength: 1,
          maxLength: 50,
        }),
        fc.constantFrom<IntegerType>('int8', 'uint8'),
        fc.boolean(),
        (list, type, symmetric) => {
          const values = Float32Array.from([...list, 0]);
          const scheme = { type, symmetric, reduceRange: false };
          const { min, max } = rangeOf(values);
          const parameters = affineParameters(min, max, scheme);
          const codes = type === 'int8' ? new Int8Array(values.length) : new Uint8Array(values.length);
          quantizeAffine(values, codes, parameters, codeRange(scheme));
          const back = Array.from(codes, (code) => (code - parameters.zeroPoint) * parameters.scale);
          expect(back.at(-1)).toBe(0);
          // Two roundings are at play at the ends of an asymmetric range: of the zero point and of the value.
          const bound = parameters.scale * (symmetric ? 0.5 : 1) * (1 + 1e-4);
          back.forEach((value, i) => {
            expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(
              parameters.scale === 1 ? Math.max(bound, 1e-36) : bound,
            );
          });
        },
      ),
    );
  });

  it('rounds halves to even', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4999, -0.5001].map((x) => roundHalfEven(x) + 0)).toEqual([
      0, 2, 2, 0, -2, -2, 0, -1,
    ]);
  });

  it('sees NaN and infinities', () => {
    expect(rangeOf(Float32Array.of(1, 2)).finite).toBe(true);
    expect(rangeOf(Float32Array.of(1, Number.NaN)).finite).toBe(false);
    expect(rangeOf(Float32Array.of(Number.NEGATIVE_INFINITY, 1)).finite).toBe(false);
  });
});
