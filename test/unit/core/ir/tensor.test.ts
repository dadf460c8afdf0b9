import { describe, expect, it } from 'vitest';
import { memoryRange } from '../../../../src/core/base/memory-source.ts';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import {
  bytesOf,
  readTensorBytes,
  readTensorFloats,
  readTensorSlab,
  smallInts,
  smallValues,
  tensorByteLength,
  tensorFromBytes,
  tensorFromInts,
  tensorFromNumbers,
  toTypedArray,
} from '../../../../src/core/ir/tensor.ts';
import type { Tensor } from '../../../../src/core/ir/types.ts';

describe('tensorFromNumbers', () => {
  it.each<[DType, number[], number[]]>([
    ['float32', [1.5, -2], [1.5, -2]],
    ['float64', [0.1], [0.1]],
    ['float16', [65504, 1e6], [65504, Number.POSITIVE_INFINITY]],
    ['bfloat16', [1, -3], [1, -3]],
    ['int8', [0.5, 1.5, -200, 127.4], [0, 2, -128, 127]],
    ['uint8', [-1, 300, 2.5], [0, 255, 2]],
    ['int32', [3e9, -3e9], [2147483647, -2147483648]],
    ['uint32', [4294967295], [4294967295]],
    ['int64', [-5, 2 ** 40], [-5, 2 ** 40]],
    ['bool', [0, 2, -1], [0, 1, 1]],
    ['int4', [-9, 7, 3], [-8, 7, 3]],
    ['uint4', [15, 16, 0], [15, 15, 0]],
    ['int2', [-2, 1, 5], [-2, 1, 1]],
    ['float8e4m3fn', [448, 1e9, -0.5], [448, 448, -0.5]],
    ['float8e5m2', [57344, 1e9], [57344, 57344]],
    ['float4e2m1', [6, 0.5, -1.5], [6, 0.5, -1.5]],
  ])('%s: %j is stored as %j', async (dtype, given, stored) => {
    const tensor = tensorFromNumbers('t', dtype, [given.length], given);
    expect(smallValues(tensor)).toEqual(stored);
    expect([...(await readTensorFloats(tensor))]).toEqual(stored.map(Math.fround));
    expect(tensorByteLength(tensor)).toBe((await readTensorBytes(tensor)).byteLength);
  });

  it('refuses NaN as an integer and wrong counts', () => {
    expect(() => tensorFromNumbers('t', 'int8', [1], [Number.NaN])).toThrow(RangeError);
    expect(() => tensorFromNumbers('t', 'int8', [2], [1])).toThrow(RangeError);
    expect(() => tensorFromBytes('t', 'int8', [2], new Uint8Array(3))).toThrow(RangeError);
  });
});

describe('reading', () => {
  it('keeps 64-bit integers exact where asked, and finite where not', () => {
    const end = tensorFromInts('end', [1], [2n ** 63n - 1n]);
    expect(smallInts(end)).toEqual([2n ** 63n - 1n]);
    expect(smallValues(end)).toEqual([2 ** 63]);
  });

  it('reads slabs of ranges without the rest', async () => {
    const bytes = bytesOf(Float32Array.from({ length: 100 }, (_, i) => i));
    const reads: number[][] = [];
    const range = memoryRange('weights', bytes);
    const source = {
      ...range.source,
      read: (offset: number, length: number) => {
        reads.push([offset, length]);
        return range.source.read(offset, length);
      },
    };
    const tensor: Tensor = {
      name: 'w',
      dtype: 'float32',
      dims: [10, 10],
      data: { kind: 'range', range: { ...range, source } },
    };
    expect([...(toTypedArray('float32', await readTensorSlab(tensor, 40, 8)) as Float32Array)]).toEqual([10, 11]);
    expect(reads).toEqual([[40, 8]]);
    await expect(readTensorSlab(tensor, 396, 8)).rejects.toThrow(RangeError);
    expect(smallValues(tensor)).toBeUndefined();
  });

  it('decodes typed fields: negative varints, halves and nibbles in int32_data', async () => {
    const typed = (dtype: DType, dims: number[], field: 'int32_data' | 'int64_data', payload: number[]): Tensor => ({
      name: 't',
      dtype,
      dims,
      data: { kind: 'typed-field', field, payloads: [memoryRange('p', Uint8Array.from(payload))] },
    });
    const minusOne = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    expect([...(await readTensorBytes(typed('int32', [2], 'int32_data', [...minusOne, 5])))]).toEqual([
      255, 255, 255, 255, 5, 0, 0, 0,
    ]);
    expect([...(await readTensorFloats(typed('int64', [1], 'int64_data', minusOne)))]).toEqual([-1]);
    expect([...(await readTensorFloats(typed('float16', [1], 'int32_data', [0x80, 0x78])))]).toEqual([1]);
    expect([...(await readTensorFloats(typed('int4', [3], 'int32_data', [0xf1, 0x01, 0x03])))]).toEqual([1, -1, 3]);
    await expect(readTensorBytes(typed('int32', [3], 'int32_data', [1, 2]))).rejects.toMatchObject({
      code: 'model/data-mismatch',
    });
  });
});
