import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, model, node, noise, opsOf, scalar, tensor } from './helpers.ts';

const id = 'fuse-conv-arithmetic';

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(fired(after, id)).toBeGreaterThan(0);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

async function leaves(before: Model): Promise<void> {
  expect(fired(await apply(before, [id]), id)).toBe(0);
}

type Parts = Parameters<typeof model>[0];

const conv = (parts: Partial<Parts>) =>
  model({
    inputs: { x: [2, 4, 6, 6] },
    outputs: ['y'],
    nodes: [],
    ...parts,
    weights: { w: noise('w', [6, 4, 3, 3]), b: noise('b', [6]), ...parts.weights },
  });

const channels = (count: number, seed = 'k') => noise(seed, [count, 1, 1]);

describe('fuse-conv-arithmetic: after the Conv', () => {
  const after: [string, Partial<Parts>][] = [
    ['Mul by a scalar', { weights: { k: scalar(0.7) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] }],
    ['Mul by channels, constant first', { weights: { k: channels(6) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(k, c)'] }],
    [
      'Add of channels without a bias',
      { weights: { k: noise('k', [1, 6, 1, 1]) }, nodes: ['c = Conv(x, w)', 'y = Add(c, k)'] },
    ],
    ['Sub', { weights: { k: channels(6) }, nodes: ['c = Conv(x, w, b)', 'y = Sub(c, k)'] }],
    ['Sub from a constant', { weights: { k: channels(6) }, nodes: ['c = Conv(x, w, b)', 'y = Sub(k, c)'] }],
    ['Div', { weights: { k: tensor([6, 1, 1], [1, 2, 3, 4, 5, -6]) }, nodes: ['c = Conv(x, w, b)', 'y = Div(c, k)'] }],
    [
      'a chain',
      {
        weights: { k: channels(6), l: scalar(3), m: channels(6, 'm') },
        nodes: ['c = Conv(x, w, b)', 'd = Mul(c, k)', 'e = Add(d, l)', 'f = Div(e, l)', 'y = Sub(m, f)'],
      },
    ],
  ];
  for (const [name, parts] of after) it(name, () => fuses(conv(parts), ['Conv']).then(() => {}));

  it('ConvTranspose', () =>
    fuses(
      conv({
        weights: { w: noise('w', [4, 3, 3, 3]), k: channels(6), l: channels(6, 'l') },
        nodes: [node('c = ConvTranspose(x, w)', { group: 2 }), 'd = Mul(c, k)', 'y = Add(d, l)'],
      }),
      ['ConvTranspose'],
    ).then(() => {}));

  it('Gemm with a row', () =>
    fuses(
      conv({
        inputs: { x: [3, 5] },
        weights: { w: noise('w', [5, 6]), k: noise('k', [6]) },
        nodes: ['c = Gemm(x, w)', 'y = Add(c, k)'],
      }),
      ['Gemm'],
    ).then(() => {}));
});

describe('fuse-conv-arithmetic: before the Conv', () => {
  const pads = { pads: [1, 1, 1, 1] };
  it('a scale, with padding', () =>
    fuses(conv({ weights: { k: scalar(0.5) }, nodes: ['s = Mul(x, k)', node('y = Conv(s, w, b)', pads)] }), [
      'Conv',
    ]).then(() => {}));
  it('a scale per channel, grouped', () =>
    fuses(
      conv({
        weights: { w: noise('w', [6, 2, 3, 3]), k: channels(4) },
        nodes: ['s = Mul(x, k)', node('y = Conv(s, w, b)', { group: 2, ...pads })],
      }),
      ['Conv'],
    ).then(() => {}));
  it('a scale and an offset, without padding and without bias', () =>
    fuses(
      conv({
        weights: { k: channels(4), l: channels(4, 'l') },
        nodes: ['s = Mul(x, k)', 't = Add(s, l)', 'y = Conv(t, w)'],
      }),
      ['Conv'],
    ).then(() => {}));
  it('an offset alone, depthwise, without padding', () =>
    fuses(
      conv({
        weights: { w: noise('w', [4, 1, 3, 3]), l: scalar(2) },
        nodes: ['t = Sub(x, l)', node('y = Conv(t, w)', { group: 4 })],
      }),
      ['Conv'],
    ).then(() => {}));
  it('with padding the offset stays and the scale goes', () =>
    fuses(
      conv({
        weights: { k: scalar(1.7), l: scalar(-0.4) },
        nodes: ['s = Mul(x, k)', 't = Add(s, l)', node('y = Conv(t, w, b)', pads)],
      }),
      ['Add', 'Conv'],
    ).then(() => {}));
  it('the same per channel', () =>
    fuses(
      conv({
        weights: { k: tensor([4, 1, 1], [1, 2, -3, 0.5]), l: channels(4, 'l') },
        nodes: ['s = Mul(k, x)', 't = Add(l, s)', node('y = Conv(t, w, b)', pads)],
      }),
      ['Add', 'Conv'],
    ).then(() => {}));
  const normalization = { s: noise('s', [4]), t: noise('t', [4]), m: noise('m', [4]), v: tensor([4], [1, 2, 0.5, 3]) };

  it('a BatchNormalization, without padding', () =>
    fuses(conv({ weights: normalization, nodes: ['a = BatchNormalization(x, s, t, m, v)', 'y = Conv(a, w, b)'] }), [
      'Conv',
    ]).then(() => {}));

  it('a BatchNormalization stays with padding, where its offset would stay and save nothing', () =>
    leaves(
      conv({
        weights: normalization,
        nodes: ['a = BatchNormalization(x, s, t, m, v)', node('y = Conv(a, w, b)', { pads: [1, 1, 1, 1] })],
      }),
    ));

  it('can be switched off', async () => {
    const before = conv({ weights: { k: scalar(0.5) }, nodes: ['s = Mul(x, k)', 'y = Conv(s, w, b)'] });
    expect(fired(await apply(before, [id], { params: { [id]: { before: false } } }), id)).toBe(0);
  });
});

describe('fuse-conv-arithmetic: what stays', () => {
  const cases: [string, Partial<Parts>][] = [
    ['a constant along the width', { weights: { k: noise('k', [4]) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] }],
    [
      'a constant along the batch',
      { weights: { k: noise('k', [2, 1, 1, 1]) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] },
    ],
    [
      'a constant of higher rank',
      { weights: { k: noise('k', [1, 1, 6, 1, 1]) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] },
    ],
    [
      'one output channel broadcast to many',
      { weights: { w: noise('w', [1, 4, 3, 3]), k: channels(6) }, nodes: ['c = Conv(x, w)', 'y = Mul(c, k)'] },
    ],
    ['a constant divided by the Conv', { weights: { k: scalar(2) }, nodes: ['c = Conv(x, w, b)', 'y = Div(k, c)'] }],
    ['division by zero', { weights: { k: scalar(0) }, nodes: ['c = Conv(x, w, b)', 'y = Div(c, k)'] }],
    [
      'a Conv read twice',
      { outputs: ['y', 'z'], weights: { k: scalar(2) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)', 'z = Exp(c)'] },
    ],
    [
      'a Conv returned',
      { outputs: ['c', 'y'], weights: { k: scalar(2) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] },
    ],
    ['a square', { nodes: ['c = Conv(x, w, b)', 'y = Mul(c, c)'] }],
    [
      'a factor that callers may override',
      { inputs: { x: [2, 4, 6, 6], k: [] }, weights: { k: scalar(2) }, nodes: ['c = Conv(x, w, b)', 'y = Mul(c, k)'] },
    ],
    [
      'an offset before a padded Conv',
      { weights: { l: scalar(2) }, nodes: ['t = Add(x, l)', node('y = Conv(t, w)', { auto_pad: 'SAME_UPPER' })] },
    ],
    [
      'a scale of 0 with an offset before a padded Conv',
      {
        weights: { k: scalar(0), l: scalar(2) },
        nodes: ['s = Mul(x, k)', 't = Add(s, l)', node('y = Conv(t, w)', { pads: [1, 1, 1, 1] })],
      },
    ],
    [
      'a scaled input read by others',
      { outputs: ['y', 'z'], weights: { k: scalar(2) }, nodes: ['s = Mul(x, k)', 'y = Conv(s, w, b)', 'z = Exp(s)'] },
    ],
    [
      'a constant that widens the input to its channels',
      { inputs: { x: [2, 1, 6, 6] }, weights: { k: channels(4) }, nodes: ['s = Mul(x, k)', 'y = Conv(s, w, b)'] },
    ],
    [
      'a constant that raises the rank of the input',
      {
        inputs: { x: [4, 6, 6] },
        weights: { k: tensor([1, 1, 1, 1], [2]) },
        nodes: ['s = Mul(x, k)', 'y = Conv(s, w, b)'],
      },
    ],
  ];
  for (const [name, parts] of cases) it(name, () => leaves(conv(parts)));
});
