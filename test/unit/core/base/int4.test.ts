import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsAt, packBits, packNibbles, unpackInt4, unpackUint4 } from '../../../../src/core/base/int4.ts';

describe('packing below 8 bits', () => {
  it('puts the first element into the low bits, as onnx.proto says', () => {
    expect([...packNibbles([1, 2, 3])]).toEqual([0x21, 0x03]);
    expect([...packNibbles([-8, 7])]).toEqual([0x78]);
    expect([...packBits([1, 2, 3, 0, 1], 2)]).toEqual([0b00111001, 1]);
  });

  it('comes back from packing', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -8, max: 7 })), (values) => {
        expect([...unpackInt4(packNibbles(values), values.length)]).toEqual(values);
        const unsigned = values.map((value) => value + 8);
        expect([...unpackUint4(packNibbles(unsigned), values.length)]).toEqual(unsigned);
        const pairs = values.map((value) => value & 3);
        const packed = packBits(pairs, 2);
        expect(pairs.map((_, i) => bitsAt(packed, i, 2, false))).toEqual(pairs);
      }),
    );
  });
});
