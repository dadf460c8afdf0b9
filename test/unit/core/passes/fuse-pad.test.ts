import { describe, expect, it } from 'vitest';
import {
  apply,
  expectSameOutputs,
  fired,
  float,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  scalar,
} from './helpers.ts';

const id = 'fuse-pad';
const border = ints(0, 0, 1, 2, 0, 0, 0, 1);
const lowest = scalar(Number.NEGATIVE_INFINITY);
const weights = { w: noise('w', [2, 3, 3, 3]), p: border, lowest, one: scalar(1), zero: scalar(0) };
const pool = (attributes: Parameters<typeof node>[1] = {}, op = 'AveragePool') =>
  node(`y = ${op}(a)`, { kernel_shape: [3, 3], ...attributes });

type Case = readonly [string, Parts['nodes'], readonly string[] | 'stays', Partial<Parts>?];
const cases: readonly Case[] = [
  ['into a Conv', ['a = Pad(x, p)', 'y = Conv(a, w)'], ['Conv']],
  ['by a written zero', ['a = Pad(x, p, zero)', 'y = Conv(a, w)'], ['Conv']],
  ['added to what the Conv adds itself', ['a = Pad(x, p)', node('y = Conv(a, w)', { pads: [1, 0, 1, 2] })], ['Conv']],
  [
    'into a strided Conv that says VALID',
    ['a = Pad(x, p)', node('y = Conv(a, w)', { auto_pad: 'VALID', strides: [2, 2] })],
    ['Conv'],
  ],
  [
    'in the form of opset 9',
    [node('a = Pad(x)', { pads: [0, 0, 1, 2, 0, 0, 0, 1], value: float(0) }), 'y = Conv(a, w)'],
    ['Conv'],
    { opset: 9 },
  ],
  ['a mean over the border too', ['a = Pad(x, p)', pool()], ['AveragePool']],
  ['a mean that counts its border', ['a = Pad(x, p)', pool({ count_include_pad: 1 })], ['AveragePool']],
  ['a maximum, below which nothing is', ['a = Pad(x, p, lowest)', pool({}, 'MaxPool')], ['MaxPool']],
  ['by something else than zero', ['a = Pad(x, p, one)', 'y = Conv(a, w)'], 'stays'],
  [
    'a value that only the caller knows',
    ['a = Pad(x, p, v)', 'y = Conv(a, w)'],
    'stays',
    { inputs: { x: ['n', 3, 8, 8], v: [] } },
  ],
  ['mirrored', [node('a = Pad(x, p)', { mode: 'reflect' }), 'y = Conv(a, w)'], 'stays'],
  [
    'channels',
    ['a = Pad(x, q)', 'y = Conv(a, w)'],
    'stays',
    { inputs: { x: ['n', 2, 8, 8] }, weights: { ...weights, q: ints(0, 0, 0, 0, 0, 1, 0, 0) } },
  ],
  [
    'that cuts',
    ['a = Pad(x, q)', 'y = Conv(a, w)'],
    'stays',
    { weights: { ...weights, q: ints(0, 0, -1, 0, 0, 0, 0, 0) } },
  ],
  [
    'a Conv whose border depends on the size',
    ['a = Pad(x, p)', node('y = Conv(a, w)', { auto_pad: 'SAME_UPPER' })],
    'stays',
  ],
  ['what is padded is an output', ['a = Pad(x, p)', 'y = Conv(a, w)'], 'stays', { outputs: ['y', 'a'] }],
  [
    'what is padded is read twice',
    ['a = Pad(x, p)', 'y = Conv(a, w)', 'z = Relu(a)'],
    'stays',
    { outputs: ['y', 'z'] },
  ],
  ['a maximum over zeros', ['a = Pad(x, p)', pool({}, 'MaxPool')], 'stays'],
  ['a mean with a border of its own, which does not count', ['a = Pad(x, p)', pool({ pads: [1, 1, 1, 1] })], 'stays'],
  ['a mean over part of a kernel', ['a = Pad(x, p)', pool({ ceil_mode: 1, strides: [2, 2] })], 'stays'],
  ['a border as wide as the kernel', ['a = Pad(x, p)', pool({ kernel_shape: [2, 2] })], 'stays'],
];

describe('fuse-pad', () => {
  for (const [name, nodes, left, parts] of cases)
    it(`${left === 'stays' ? 'stays: ' : ''}${name}`, async () => {
      const before = model({ inputs: { x: ['n', 3, 8, 8] }, outputs: ['y'], opset: 18, weights, ...parts, nodes });
      const after = await apply(before, [id]);
      if (left === 'stays') expect(fired(after, id)).toBe(0);
      else {
        expect(fired(after, id)).toBe(1);
        expect(opsOf(after.model)).toEqual(left);
        await expectSameOutputs(before, after.model, { relative: 1e-5 });
      }
    });

  it('in half precision', async () => {
    const before = model({
      inputs: { x: { dtype: 'float16', shape: [1, 3, 8, 8] } },
      outputs: ['y'],
      opset: 18,
      weights: { w: noise('w', [2, 3, 3, 3], 'float16', 0.3), p: border },
      nodes: ['a = Pad(x, p)', 'y = Conv(a, w)'],
    });
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Conv']);
    await expectSameOutputs(before, after.model, { relative: 5e-3 });
  });
});
