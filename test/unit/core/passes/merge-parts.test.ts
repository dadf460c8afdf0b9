/** merge-movements: what is put together and taken apart again, and what grows twice. */
import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, ints, model, node, opsOf, type Parts, scalar } from './helpers.ts';

const id = 'merge-movements';
const weights = { i1: ints(1), i2: ints(2), i3: ints(3), i5: ints(5), s32: ints(3, 2), s23: ints(2, 3), im1: ints(-1) };
const pair = { x: ['n', 3, 4], z: ['n', 2, 4] } as const;

type Case = readonly [string, Parts['nodes'], readonly string[] | 'stays', Partial<Parts>?];
const cases = (all: readonly Case[]) => {
  for (const [name, nodes, left, parts] of all)
    it(`${left === 'stays' ? 'stays: ' : ''}${name}`, async () => {
      const before = model({
        inputs: { x: ['n', 3, 4] },
        outputs: ['y'],
        opset: 18,
        ...parts,
        nodes,
        weights: { ...weights, ...parts?.weights },
      });
      const after = await apply(before, [id, 'eliminate-dead']);
      if (left === 'stays') expect(fired(after, id)).toBe(0);
      else {
        expect(fired(after, id)).toBeGreaterThan(0);
        expect(opsOf(after.model)).toEqual(left);
        await expectSameOutputs(before, after.model);
      }
    });
};

const joined = node('a = Concat(x, z)', { axis: 1 });

describe('merge-movements: Concat and Split', () => {
  cases([
    [
      'Concat of what a Split made',
      [
        'r = Relu(x)',
        node('a, b, c = Split(r)', { axis: -2, num_outputs: 3 }),
        node('y = Concat(a, b, c)', { axis: 1 }),
      ],
      ['Relu'],
    ],
    [
      'a part that somebody else reads keeps the Split',
      ['r = Relu(x)', node('a, b = Split(r, s)', { axis: 1 }), node('y = Concat(a, b)', { axis: 1 }), 'q = Neg(b)'],
      ['Relu', 'Split', 'Neg'],
      { outputs: ['y', 'q'], weights: { s: ints(1, 2) } },
    ],
    [
      'in another order',
      ['r = Relu(x)', node('a, b = Split(r, s)', { axis: 1 }), node('y = Concat(b, a)', { axis: 1 })],
      'stays',
      { weights: { s: ints(1, 2) } },
    ],
    [
      'along another axis',
      ['r = Relu(x)', node('a, b = Split(r)', { axis: 2, num_outputs: 2 }), node('y = Concat(a, b)', { axis: 1 })],
      'stays',
    ],
    [
      'Split of a Concat',
      [joined, node('b, c = Split(a, s32)', { axis: 1 }), 'y = Relu(b)', 'q = Neg(c)'],
      ['Relu', 'Neg'],
      { inputs: pair, outputs: ['y', 'q'] },
    ],
    [
      'Split of a Concat that is an output too',
      [joined, node('b, c = Split(a, s32)', { axis: -2 }), 'y = Relu(b)', 'q = Neg(c)'],
      ['Concat', 'Relu', 'Neg'],
      { inputs: pair, outputs: ['y', 'q', 'a'] },
    ],
    [
      'Split elsewhere than it was joined',
      [joined, node('b, c = Split(a, s23)', { axis: 1 }), 'y = Relu(b)', 'q = Neg(c)'],
      'stays',
      { inputs: pair, outputs: ['y', 'q'] },
    ],
    [
      'sizes that nobody knows',
      [joined, node('b, c = Split(a, s32)', { axis: 1 }), 'y = Relu(b)', 'q = Neg(c)'],
      'stays',
      { inputs: { x: ['n', 'm', 4], z: ['n', 2, 4] }, outputs: ['y', 'q'] },
    ],
    ['Slice of one piece', [joined, 'b = Slice(a, i3, i5, i1)', 'y = Relu(b)'], ['Relu'], { inputs: pair }],
    ['Slice inside of one piece', [joined, 'y = Slice(a, i1, i2, i1)'], ['Slice'], { inputs: pair }],
    [
      'Slice counted from the end',
      [joined, 'y = Slice(a, im1, big, i1)'],
      ['Slice'],
      { inputs: pair, weights: { big: ints(2 ** 40) } },
    ],
    ['Slice across a border', [joined, 'y = Slice(a, i2, i5, i1)'], 'stays', { inputs: pair }],
    [
      'Slice inside of one piece, where the whole is needed',
      [joined, 'y = Slice(a, i1, i2, i1)', 'q = Relu(a)'],
      'stays',
      { inputs: pair, outputs: ['y', 'q'] },
    ],
    ['Slice of another axis', [joined, 'y = Slice(a, i1, i2, i2)'], 'stays', { inputs: pair }],
  ]);
});

describe('merge-movements: Pad, Expand and Tile', () => {
  const pads = { p: ints(0, 1, 0, 0, 0, 2), q: ints(0, 2, 1, 0, 0, 0) };
  const twice = ['a = Pad(x, p)', 'y = Pad(a, q)'];
  cases([
    ['two Pads', twice, ['Pad'], { weights: pads }],
    [
      'two Pads by one value',
      ['a = Pad(x, p, v)', 'y = Pad(a, q, u)'],
      ['Pad'],
      { weights: { ...pads, v: scalar(2), u: scalar(2) } },
    ],
    [
      'two Pads of the edge',
      [node('a = Pad(x, p)', { mode: 'edge' }), node('y = Pad(a, q)', { mode: 'edge' })],
      ['Pad'],
      { weights: pads },
    ],
    [
      'two Pads by different values',
      ['a = Pad(x, p, v)', 'y = Pad(a, q)'],
      'stays',
      { weights: { ...pads, v: scalar(2) } },
    ],
    [
      'two Pads that mirror',
      [node('a = Pad(x, p)', { mode: 'reflect' }), node('y = Pad(a, q)', { mode: 'reflect' })],
      'stays',
      { weights: pads },
    ],
    ['a Pad that cuts', twice, 'stays', { weights: { ...pads, q: ints(0, -1, 0, 0, 0, 0) } }],
    [
      'two Expands',
      ['a = Expand(x, p)', 'y = Expand(a, q)'],
      ['Expand'],
      { inputs: { x: [3, 1, 1] }, weights: { p: ints(3, 1, 4), q: ints(2, 1, 5, 4) } },
    ],
    [
      'two Expands of an unknown size',
      ['a = Expand(x, p)', 'y = Expand(a, q)'],
      ['Expand'],
      { inputs: { x: ['n', 1, 4] }, weights: { p: ints(1, 3, 1), q: ints(2, 1, 3, 1) } },
    ],
    [
      'two Expands, of which the first is needed',
      ['a = Expand(x, p)', 'y = Expand(a, q)'],
      'stays',
      { inputs: { x: [3, 1, 1] }, weights: { p: ints(3, 1, 4), q: ints(2, 1, 5, 1) } },
    ],
    ['two Tiles', ['a = Tile(x, p)', 'y = Tile(a, q)'], ['Tile'], { weights: { p: ints(1, 2, 1), q: ints(1, 2, 3) } }],
  ]);
});

describe('merge-movements: axes of reductions', () => {
  cases([
    ['Squeeze of what was kept', ['a = ReduceMean(x, i2)', 'y = Squeeze(a, im1)'], ['ReduceMean']],
    [
      'Unsqueeze of what was dropped',
      [node('a = ReduceMax(x, i1)', { keepdims: 0 }), 'y = Unsqueeze(a, i1)'],
      ['ReduceMax'],
    ],
    [
      'two axes in any order, as attributes',
      [node('a = ReduceSum(x)', { axes: [2, 1], keepdims: 0 }), node('y = Unsqueeze(a)', { axes: [1, -1] })],
      ['ReduceSum'],
      { opset: 11 },
    ],
    ['ArgMax', [node('a = ArgMax(x)', { axis: 1 }), 'y = Squeeze(a, i1)'], ['ArgMax']],
    [
      'another axis of size 1',
      ['a = ReduceMean(x, i2)', 'y = Squeeze(a, i1)'],
      'stays',
      { inputs: { x: ['n', 1, 4] } },
    ],
    [
      'what was kept is needed as well',
      ['a = ReduceMean(x, i2)', 'y = Squeeze(a, im1)', 'q = Neg(a)'],
      'stays',
      { outputs: ['y', 'q'] },
    ],
  ]);
});
