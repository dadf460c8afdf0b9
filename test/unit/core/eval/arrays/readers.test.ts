import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StudioError } from '../../../../../src/core/base/errors/index.ts';
import { readNpy } from '../../../../../src/core/eval/arrays/npy.ts';
import { readNpz } from '../../../../../src/core/eval/arrays/npz.ts';
import { readTensorPb } from '../../../../../src/core/eval/arrays/tensor-pb.ts';
import { numbersOf } from '../../../../../src/core/eval/host-tensors.ts';

const directory = fileURLToPath(new URL('../../../../fixtures/arrays/', import.meta.url));
const fixture = (name: string) => new Uint8Array(readFileSync(join(directory, name)));
const expected: Record<string, { dtype: string; dims: number[]; values: number[] }> = JSON.parse(
  readFileSync(join(directory, 'expected.json'), 'utf8'),
);
const unreadable = ['big-endian.npy', 'text.npy', 'record.npy'];

describe('.npy as NumPy writes it', () => {
  it.each(Object.keys(expected).filter((name) => !unreadable.includes(name)))('%s', (name) => {
    const { dtype, dims, values } = expected[name]!;
    const tensor = readNpy(fixture(name), name);
    expect(tensor.dtype).toBe(dtype);
    expect(tensor.dims).toEqual(dims);
    expect(Array.from(numbersOf(tensor)!, (x) => x + 0)).toEqual(values.map((x) => x + 0));
  });

  it.each([
    ['big-endian.npy', /big-endian/],
    ['text.npy', /text/],
    ['record.npy', /records/],
    ['object.npy', /Python objects/],
  ])('%s is refused, with the reason', (name, reason) => {
    expect(() => readNpy(fixture(name), name)).toThrow(expect.objectContaining({ code: 'task/bad-array' }));
    expect(() => readNpy(fixture(name), name)).toThrow(reason);
  });

  it('a view into a larger buffer reads the same', () => {
    const bytes = fixture('float64.npy');
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(Array.from(numbersOf(readNpy(shifted.subarray(3), 'x'))!)).toEqual(expected['float64.npy']!.values);
  });

  it('cut off anywhere, it says so', () => {
    const bytes = fixture('float32.npy');
    for (const length of [0, 5, 9, 40, 127, 128, bytes.length - 1])
      expect(() => readNpy(bytes.slice(0, length), 'cut.npy')).toThrow(
        expect.objectContaining({ code: 'task/bad-array' }),
      );
  });

  it('whatever one byte is changed to, it reads or gives its own error', () => {
    const bytes = fixture('fortran.npy');
    fc.assert(
      fc.property(fc.nat(127), fc.nat(255), (at, value) => {
        const changed = bytes.slice();
        changed[at] = value;
        try {
          readNpy(changed, 'changed.npy');
        } catch (error) {
          expect(error).toBeInstanceOf(StudioError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a shape beyond memory is refused before anything is allocated', () => {
    const text = "{'descr': '<f8', 'fortran_order': False, 'shape': (9007199254740991, 9007199254740991), }\n";
    const bytes = Uint8Array.of(
      0x93,
      0x4e,
      0x55,
      0x4d,
      0x50,
      0x59,
      1,
      0,
      text.length,
      0,
      ...Buffer.from(text, 'latin1'),
    );
    expect(() => readNpy(bytes, 'huge.npy')).toThrow(/beyond any memory/);
  });
});

describe('.npz as NumPy writes it', () => {
  it.each(['stored.npz', 'deflated.npz'])('%s', (name) => {
    const arrays = readNpz(fixture(name), name);
    expect(arrays.map((array) => array.name)).toEqual(['x', 'y']);
    expect(arrays[0]!.tensor).toMatchObject({ dtype: 'float32', dims: [2, 3, 4] });
    expect(Array.from(numbersOf(arrays[1]!.tensor)!)).toEqual([0, 1, 2]);
  });

  it('a damaged archive is refused', () => {
    const bytes = fixture('deflated.npz');
    expect(() => readNpz(bytes.slice(0, bytes.length >> 1), 'cut.npz')).toThrow(
      expect.objectContaining({ code: 'task/bad-array' }),
    );
  });
});

describe('.pb as onnx writes it', () => {
  it('numbers', async () => {
    const { name, tensor } = await readTensorPb(fixture('input_0.pb'), 'input_0.pb');
    expect(name).toBe('anything');
    expect(tensor).toMatchObject({ dtype: 'float32', dims: [2, 3, 4] });
    expect(Array.from(numbersOf(tensor)!)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });

  it('strings', async () => {
    const { tensor } = await readTensorPb(fixture('strings.pb'), 'strings.pb');
    expect(tensor).toMatchObject({ dtype: 'string', dims: [2], strings: ['a', 'bç'] });
  });

  it('something else is refused', async () => {
    await expect(readTensorPb(fixture('make.py'), 'make.pb')).rejects.toMatchObject({ code: 'task/bad-array' });
  });
});
