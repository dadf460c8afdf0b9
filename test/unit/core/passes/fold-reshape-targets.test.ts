import { describe, expect, it } from 'vitest';
import { smallValues } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, feedsFor, fired, ints, model, node, opsOf, scalar } from './helpers.ts';

const id = 'fold-reshape-targets';
type Parts = Parameters<typeof model>[0];

/** Reshape of x to sizes taken from its own shape, as exporters write it. */
const subject = (parts: Partial<Parts> & { nodes: Parts['nodes'] }) =>
  model({ inputs: { x: ['n', 's', 12] }, outputs: ['y'], ...parts });

async function target(before: Model, ops: string[]): Promise<number[]> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toEqual(ops);
  for (const size of [1, 2, 5])
    await expectSameOutputs(before, after.model, { feeds: await feedsFor(before, size, size) });
  const reshape = after.model.graph.nodes.find(({ opType }) => opType === 'Reshape')!;
  return smallValues(after.model.graph.initializers.get(reshape.inputs[1]!)!)!;
}

const weights = {
  zero: ints(0),
  one: ints(1),
  three: ints(3),
  four: ints(4),
  minus: ints(-1),
  i0: ints(0),
  i1: ints(1),
  i2: ints(2),
};
const sizes = ['sh = Shape(x)', 'n = Slice(sh, i0, i1)', 's = Slice(sh, i1, i2)'];

describe('fold-reshape-targets', () => {
  it('copies free sizes from their own axis', async () => {
    const before = subject({
      weights,
      nodes: [...sizes, node('t = Concat(n, s, three, four)', { axis: 0 }), 'y = Reshape(x, t)'],
    });
    expect(await target(before, ['Reshape'])).toEqual([0, 0, 3, 4]);
  });
  it('leaves one size to be inferred', async () => {
    const before = subject({
      weights,
      nodes: [...sizes, node('t = Concat(n, four, s, three)', { axis: 0 }), 'y = Reshape(x, t)'],
    });
    expect(await target(before, ['Reshape'])).toEqual([0, 4, -1, 3]);
  });
  it('through products of sizes', async () => {
    const before = subject({
      weights,
      nodes: [...sizes, 'p = Mul(n, s)', node('t = Concat(p, minus)', { axis: 0 }), 'y = Reshape(x, t)'],
    });
    expect(await target(before, ['Reshape'])).toEqual([-1, 12]);
  });
  it('through casts, as paddle writes them', async () => {
    const before = subject({
      weights: { ...weights, z: scalar(0, 'int32') },
      nodes: [
        'sh = Shape(x)',
        node('c = Cast(sh)', { to: 6 }),
        'sl = Slice(c, i1, i2)',
        node('s = Cast(sl)', { to: 7 }),
        node('t = Concat(zero, s, three, four)', { axis: 0 }),
        'y = Reshape(x, t)',
      ],
    });
    expect(await target(before, ['Reshape'])).toEqual([0, 0, 3, 4]);
  });

  const stays = async (before: Model) => expect(fired(await apply(before, [id]), id)).toBe(0);
  it('leaves two free sizes that change places', () =>
    stays(
      subject({ weights, nodes: [...sizes, node('t = Concat(s, n, three, four)', { axis: 0 }), 'y = Reshape(x, t)'] }),
    ));
  it('leaves a target that is an input', () =>
    stays(subject({ inputs: { x: ['n', 's', 12], t: { dtype: 'int64', shape: [2] } }, nodes: ['y = Reshape(x, t)'] })));
  it('leaves an inferred size beside one that only running tells, since that may be 0', () =>
    stays(
      subject({
        weights: { ...weights, two: ints(2) },
        inputs: { x: ['n', 's', 4], k: { dtype: 'bool', shape: ['n'] } },
        nodes: [
          node('c = Compress(x, k)', { axis: 0 }),
          'sh = Shape(c)',
          'm = Slice(sh, i0, i1)',
          's = Slice(sh, i1, i2)',
          node('t = Concat(m, two, s, two)', { axis: 0 }),
          'y = Reshape(c, t)',
        ],
      }),
    ));
  it('leaves a size of 0, which would be taken for a copy', () =>
    stays(
      subject({
        inputs: { x: [0, 3] },
        weights,
        nodes: [
          'sh = Shape(x)',
          'n = Slice(sh, i0, i1)',
          node('t = Concat(three, n)', { axis: 0 }),
          node('y = Reshape(x, t)', { allowzero: 1 }),
        ],
      }),
    ));
});
