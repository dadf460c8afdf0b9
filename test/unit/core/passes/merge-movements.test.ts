import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, ints, model, node, noise, opsOf } from './helpers.ts';

const id = 'merge-movements';
type Parts = Parameters<typeof model>[0];
const subject = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: [2, 3, 4] }, outputs: ['y'], nodes, ...parts });

async function merges(before: Model, left: string[]): Promise<void> {
  const after = await apply(before, [id, 'eliminate-identity']);
  expect(fired(after, id)).toBeGreaterThan(0);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model);
}

describe('merge-movements: what merges', () => {
  it('Transposes', () =>
    merges(subject([node('t = Transpose(x)', { perm: [2, 0, 1] }), node('y = Transpose(t)', { perm: [1, 0, 2] })]), [
      'Transpose',
    ]));
  it('three of them, to nothing', () =>
    merges(
      subject([
        'r = Relu(x)',
        node('t = Transpose(r)', { perm: [1, 2, 0] }),
        node('u = Transpose(t)', { perm: [1, 2, 0] }),
        node('v = Transpose(u)', { perm: [1, 2, 0] }),
        'y = Neg(v)',
      ]),
      ['Relu', 'Neg'],
    ));
  it('a Transpose that others read stays for them', () =>
    merges(
      subject(
        [node('t = Transpose(x)', { perm: [2, 0, 1] }), node('y = Transpose(t)', { perm: [1, 0, 2] }), 'z = Exp(t)'],
        { outputs: ['y', 'z'] },
      ),
      ['Transpose', 'Transpose', 'Exp'],
    ));
  it('reshapes of all kinds into the last', () =>
    merges(
      subject(
        ['a = Reshape(x, s)', 'b = Unsqueeze(a, one)', node('c = Flatten(b)', { axis: 2 }), 'y = Reshape(c, u)'],
        {
          weights: { s: ints(0, -1), one: ints(1), u: ints(4, -1) },
        },
      ),
      ['Reshape'],
    ));
  it('a Reshape that copies a size that is known', () =>
    merges(subject(['a = Reshape(x, s)', 'y = Reshape(a, u)'], { weights: { s: ints(6, 4), u: ints(0, 2, 2) } }), [
      'Reshape',
    ]));
  it('Slice + Squeeze', () =>
    merges(
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, ax)'], { weights: { s: ints(1), e: ints(2), ax: ints(1) } }),
      ['Gather'],
    ));
  it('Slice + Squeeze of the last element, axes from the end', () =>
    merges(
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, ax2)'], {
        weights: { s: ints(-1), e: ints(2 ** 40), ax: ints(-1), ax2: ints(2) },
      }),
      ['Gather'],
    ));
  it('Slice + Squeeze at opset 9', () =>
    merges(
      subject([node('a = Slice(x)', { starts: [1], ends: [2], axes: [0] }), node('y = Squeeze(a)', { axes: [0] })], {
        opset: 9,
      }),
      ['Gather'],
    ));
});

const table = noise('table', [2, 3, 4]);
const turned = (repeats: Parts['nodes'], weights: Parts['weights'], perm = [0, 2, 1], parts: Partial<Parts> = {}) =>
  subject([...repeats, 't = Tile(table, r)', node('u = Transpose(t)', { perm }), 'y = Exp(u)'], {
    inputs: { x: ['b', 3, 4] },
    weights: { table, zero: ints(0), first: ints(1), ...weights },
    ...parts,
  });
/** As many copies as the batch. */
const counted = (repeats: string) => ['s = Shape(x)', 'n = Slice(s, zero, first)', node(repeats, { axis: 0 })];

describe('merge-movements: constants that are tiled, then transposed', () => {
  const cases: [string, Model][] = [
    ['equally often', turned([], { r: ints(3, 1, 1) })],
    ['other axes differently often', turned([], { r: ints(3, 1, 2) }, [2, 0, 1])],
    ['as often as the batch has samples', turned(counted('r = Concat(n, first, first)'), {})],
    [
      'with equal numbers under two names',
      turned(counted('r = Concat(n, two, deux)'), { two: ints(2), deux: ints(2) }),
    ],
  ];
  for (const [name, before] of cases) {
    it(name, async () => {
      const after = await apply(before, [id]);
      expect(fired(after, id)).toBe(1);
      expect(opsOf(after.model).slice(-3)).toEqual(['Transpose', 'Tile', 'Exp']);
      await expectSameOutputs(before, after.model);
    });
  }

  it('without a perm, all axes from last to first', async () => {
    const before = subject(['t = Tile(table, r)', 'u = Transpose(t)', 'y = Exp(u)'], {
      weights: { table, r: ints(2, 1, 3) },
    });
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Transpose', 'Tile', 'Exp']);
    await expectSameOutputs(before, after.model);
  });

  const stays: [string, Model][] = [
    [
      'the copies are read elsewhere too',
      turned([], { r: ints(3, 1, 1) }, [0, 2, 1], {
        nodes: ['t = Tile(table, r)', node('u = Transpose(t)', { perm: [0, 2, 1] }), 'y = Exp(u)', 'z = Neg(t)'],
        outputs: ['y', 'z'],
      }),
    ],
    ['the copies are returned', turned([], { r: ints(3, 1, 1) }, [0, 2, 1], { outputs: ['y', 't'] })],
    [
      'what is tiled is no constant',
      subject(['t = Tile(x, r)', node('y = Transpose(t)', { perm: [0, 2, 1] })], { weights: { r: ints(3, 1, 1) } }),
    ],
    ['the batch moves', turned(counted('r = Concat(n, first, first)'), {}, [1, 0, 2])],
    [
      'a number of copies that callers give',
      turned([], {}, [0, 2, 1], { inputs: { x: ['b', 3, 4], r: { dtype: 'int64', shape: [3] } } }),
    ],
    [
      'several numbers from one piece',
      turned(['s = Shape(x)', 'n = Slice(s, zero, two)', node('r = Concat(n, first)', { axis: 0 })], { two: ints(2) }),
    ],
  ];
  for (const [name, before] of stays) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
});

describe('merge-movements: heads repeated for queries', () => {
  const repeated = (parts: Partial<Parts> = {}, weights: Parts['weights'] = {}): Model =>
    model({
      inputs: { x: ['b', 2, 's', 4] },
      outputs: ['y'],
      weights: { two: ints(2), size: ints(1, 1, 3, 1, 1), target: ints(0, 6, -1, 4), ...weights },
      nodes: ['u = Unsqueeze(x, two)', 'e = Expand(u, size)', 'y = Reshape(e, target)'],
      ...parts,
    });
  it('are a Gather', () => merges(repeated(), ['Gather']));
  it('counted from the end', () => merges(repeated({}, { two: ints(-3) }), ['Gather']));
  it('below opset 13', () =>
    merges(
      repeated({
        opset: 11,
        nodes: [node('u = Unsqueeze(x)', { axes: [2] }), 'e = Expand(u, size)', 'y = Reshape(e, target)'],
      }),
      ['Gather'],
    ));
  it('what others read stays for them', () =>
    merges(repeated({ outputs: ['y', 'e'] }), ['Unsqueeze', 'Expand', 'Gather']));
  const near: [string, Model][] = [
    ['heads in another order', repeated({}, { two: ints(1), size: ints(1, 3, 1, 1, 1) })],
    ['an axis that is no head', repeated({}, { target: ints(0, 2, -1, 4) })],
    ['another axis repeated too', repeated({ inputs: { x: ['b', 2, 1, 4] } }, { size: ints(1, 1, 3, 5, 1) })],
    [
      'a count that only the run will tell',
      repeated({
        inputs: { x: ['b', 2, 's', 4], size: { dtype: 'int64', shape: [5] } },
        weights: { two: ints(2), target: ints(0, 6, -1, 4) },
      }),
    ],
  ];
  for (const [name, before] of near)
    it(`near: ${name}`, async () => {
      expect(opsOf((await apply(before, [id])).model)).toEqual(['Unsqueeze', 'Expand', 'Reshape']);
    });
});

describe('merge-movements: what stays', () => {
  const cases: [string, Model][] = [
    [
      'a Transpose with something between',
      subject([
        node('t = Transpose(x)', { perm: [2, 0, 1] }),
        'r = Relu(t)',
        node('y = Transpose(r)', { perm: [1, 0, 2] }),
      ]),
    ],
    [
      'a Reshape that copies a size from the shape between',
      subject(['a = Reshape(x, s)', 'y = Reshape(a, u)'], {
        inputs: { x: [2, 3, 4], s: { dtype: 'int64', shape: [2] } },
        weights: { u: ints(0, -1, 2) },
      }),
    ],
    [
      'a slice of two',
      subject(['a = Slice(x, s, e, ax)', 'y = Exp(a)'], { weights: { s: ints(0), e: ints(2), ax: ints(0) } }),
    ],
    [
      'a Squeeze of another axis',
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, o)'], {
        inputs: { x: [2, 1, 3] },
        weights: { s: ints(1), e: ints(2), ax: ints(0), o: ints(1) },
      }),
    ],
    [
      'a slice that others read',
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, ax)', 'z = Exp(a)'], {
        outputs: ['y', 'z'],
        weights: { s: ints(1), e: ints(2), ax: ints(1) },
      }),
    ],
    [
      'a slice that is returned',
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, ax)'], {
        outputs: ['y', 'a'],
        weights: { s: ints(1), e: ints(2), ax: ints(1) },
      }),
    ],
    [
      'bounds that callers may override',
      subject(['a = Slice(x, s, e, ax)', 'y = Squeeze(a, ax)'], {
        inputs: { x: [2, 3, 4], s: { dtype: 'int64', shape: [1] } },
        weights: { s: ints(1), e: ints(2), ax: ints(1) },
      }),
    ],
  ];
  for (const [name, before] of cases) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
});
