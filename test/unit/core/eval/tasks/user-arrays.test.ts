import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { float32Tensor, numbersOf } from '../../../../../src/core/eval/host-tensors.ts';
import { readUserArrays, type ValueSpec } from '../../../../../src/core/eval/tasks/user-arrays.ts';

const directory = fileURLToPath(new URL('../../../../fixtures/arrays/', import.meta.url));
const file = (path: string, as = path) => ({ name: as, bytes: new Uint8Array(readFileSync(join(directory, path))) });
const x: ValueSpec = { name: 'x', dtype: 'float32', shape: [2, 3, 4] };
const y: ValueSpec = { name: 'y', dtype: 'int64', shape: [null] };

describe('readUserArrays', () => {
  it('an archive is one sample; keys that are outputs are expected outputs', async () => {
    const { feeds, references } = await readUserArrays([file('stored.npz'), file('deflated.npz')], [x], [y]);
    expect(feeds).toHaveLength(2);
    expect([...feeds[0]!.keys()]).toEqual(['x']);
    expect(Array.from(numbersOf(references![1]!.get('y')!)!)).toEqual([0, 1, 2]);
  });

  it('files of any name are one sample each for a model of one input, in the order of their numbers', async () => {
    const files = [file('float32.npy', 'sample_10.npy'), file('fortran.npy', 'sample_9.npy')];
    const { feeds, references } = await readUserArrays(files, [x], []);
    expect(feeds.map((feed) => numbersOf(feed.get('x')!)![1])).toEqual([1, -1]);
    expect(references).toBeNull();
  });

  it('files named after inputs make one sample together', async () => {
    const two: ValueSpec[] = [
      { name: 'a', dtype: 'float32', shape: [2, 3, 4] },
      { name: 'b', dtype: 'int32', shape: ['n', 3, 4] },
    ];
    const { feeds } = await readUserArrays([file('float32.npy', 'a.npy'), file('int32.npy', 'b.npy')], two, []);
    expect(feeds).toHaveLength(1);
    expect([...feeds[0]!.keys()].sort()).toEqual(['a', 'b']);
  });

  it('input_0.pb goes by position, folder by folder', async () => {
    const files = [file('input_0.pb', 'data_1/input_0.pb'), file('input_0.pb', 'data_0/input_0.pb')];
    const { feeds } = await readUserArrays(files, [x], []);
    expect(feeds).toHaveLength(2);
    expect(feeds[0]!.get('x')!.dims).toEqual([2, 3, 4]);
  });

  it('arr_0 is the first input', async () => {
    const { feeds } = await readUserArrays([file('unnamed.npz')], [x], []);
    expect(feeds[0]!.has('x')).toBe(true);
  });

  it('one axis more is a stack of samples', async () => {
    const { feeds } = await readUserArrays([file('float32.npy')], [{ ...x, shape: ['rows', 4] }], []);
    expect(feeds.map((feed) => Array.from(numbersOf(feed.get('x')!)!)[0])).toEqual([0, -12]);
    expect(feeds[1]!.get('x')!.dims).toEqual([3, 4]);
  });

  it('converts float64 to float32 and int64 to int32, and refuses what does not fit', async () => {
    const converted = await readUserArrays([file('float64.npy')], [x], []);
    expect(converted.feeds[0]!.get('x')).toMatchObject({ dtype: 'float32' });
    const narrow = await readUserArrays([file('int64.npy')], [{ ...x, dtype: 'int32' }], []);
    expect(Array.from(numbersOf(narrow.feeds[0]!.get('x')!)!)[23]).toBe(-23);
    await expect(readUserArrays([file('int64.npy')], [{ ...x, dtype: 'uint8' }], [])).rejects.toMatchObject({
      code: 'task/shape-mismatch',
    });
    await expect(readUserArrays([file('int64.npy')], [x], [])).rejects.toMatchObject({ code: 'task/shape-mismatch' });
  });

  it('names what is missing or does not match', async () => {
    await expect(readUserArrays([file('stored.npz')], [{ ...x, name: 'z' }], [])).rejects.toThrow(
      /no array for input "z" \(found: x, y\)/,
    );
    await expect(readUserArrays([file('float32.npy')], [{ ...x, shape: [2, 3, 5] }], [])).rejects.toThrow(
      /expects float32 \[2, 3, 5\], but the data has float32 \[2, 3, 4\]/,
    );
    await expect(readUserArrays([], [x], [])).rejects.toMatchObject({ code: 'task/bad-inputs' });
    await expect(readUserArrays([file('make.py')], [x], [])).rejects.toMatchObject({ code: 'task/bad-array' });
    const half = [file('stored.npz'), file('unnamed.npz')];
    await expect(readUserArrays(half, [x], [y])).rejects.toThrow(/for 1 of 2 samples/);
  });

  it('shares an array that is given once with every sample of a stack', async () => {
    const mask: ValueSpec = { name: 'fortran-2d', dtype: 'int16', shape: [3, 2] };
    const stack: ValueSpec = { name: 'float32', dtype: 'float32', shape: [3, 4] };
    const { feeds } = await readUserArrays([file('float32.npy'), file('fortran-2d.npy')], [stack, mask], []);
    expect(feeds).toHaveLength(2);
    expect(feeds[0]!.get('fortran-2d')).toEqual(feeds[1]!.get('fortran-2d'));
  });
});

it('float32Tensor keeps a view', () => {
  const values = Float32Array.of(1, 2);
  expect(float32Tensor([2], values).data.buffer).toBe(values.buffer);
});
