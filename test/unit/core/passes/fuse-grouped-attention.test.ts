import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  apply,
  expectSameOutputs,
  feedsFor,
  fired,
  ints,
  model,
  node,
  opsOf,
  type Parts,
  scalar,
  tensor,
} from './helpers.ts';

const id = 'fuse-grouped-attention';
const GQA = 'com.microsoft.GroupQueryAttention';
const [heads, kvHeads, size] = [4, 2, 8];
type Nodes = Parts['nodes'];

const weights = {
  heads: ints(0, 0, heads, size),
  kvHeads: ints(0, 0, kvHeads, size),
  flat: ints(0, 0, heads * size),
  twice: ints(0, 0, 1, 1),
  half: scalar(0.5),
  zero: scalar(0),
  inf: scalar(Number.NEGATIVE_INFINITY),
  lowest: scalar(-3.4e38),
  little: scalar(-1e4),
  always: tensor([1, 1, 1, 1], [1], 'bool'),
  from0: tensor([], [0], 'int64'),
  at1: tensor([], [1], 'int64'),
  front: ints(0, 1),
  last: ints(-1),
  rows: ints(0, 1, 3),
  columns: ints(0, 1, 2),
};
const byHead = (name: string, target: string): Nodes => [
  `${name}4 = Reshape(${name}, ${target})`,
  node(`${name}t = Transpose(${name}4)`, { perm: [0, 2, 1, 3] }),
];
const range: Nodes = ['sh = Shape(q)', 'n = Gather(sh, at1)', 'r = Range(from0, n, at1)'];
/** Places of the queries and of the keys, of four axes. */
const places: Nodes = [...range, 'i = Unsqueeze(r, rows)', 'j = Unsqueeze(r, columns)'];
const lower: Nodes = [...places, 'c = LessOrEqual(j, i)'];
const added: Nodes = ['m = Where(c, zero, lowest)', 'z = Add(s, m)'];
const whole = (mask: Nodes): Nodes => [
  ...[...byHead('q', 'heads'), ...byHead('k', 'kvHeads'), ...byHead('v', 'kvHeads')],
  ...[node('kr = Gather(kt, twice)', { axis: 1 }), node('vr = Gather(vt, twice)', { axis: 1 })],
  ...[node('kk = Transpose(kr)', { perm: [0, 1, 3, 2] }), 'p0 = MatMul(qt, kk)', 's = Mul(p0, half)', ...mask],
  ...[node('p = Softmax(z)', { axis: -1 }), 'o = MatMul(p, vr)', node('ot = Transpose(o)', { perm: [0, 2, 1, 3] })],
  'y = Reshape(ot, flat)',
];
const inputs = { q: ['b', 's', heads * size], k: ['b', 's', kvHeads * size], v: ['b', 's', kvHeads * size] } as const;
const fixed = { q: ['b', 3, heads * size], k: ['b', 3, kvHeads * size], v: ['b', 3, kvHeads * size] } as const;
const made = (mask: Nodes = [...lower, ...added], parts: Partial<Parts> = {}, more: Parts['weights'] = {}): Model =>
  model({ inputs, outputs: ['y'], weights: { ...weights, ...more }, nodes: whole(mask), ...parts });

async function fuses(before: Model, feeds?: Awaited<ReturnType<typeof feedsFor>>) {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toContain(GQA);
  expect(opsOf(after.model)).not.toContain('Softmax');
  await expectSameOutputs(before, after.model, { relative: 1e-5, ...(feeds && { feeds }) });
  return after.model;
}
const triangle = (kept: number, hidden: number) => [kept, hidden, hidden, kept, kept, hidden, kept, kept, kept];

describe('fuse-grouped-attention', () => {
  it('takes repeated heads and a causal mask in', async () => {
    const after = await fuses(made());
    expect([...opsOf(after)].sort()).toEqual(['Cast', 'Expand', 'Shape', 'Shape', 'Sub', GQA]);
  });
  it('one token, many tokens, several rows', async () => {
    const before = made();
    for (const free of [1, 2, 17]) await fuses(before, await feedsFor(before, free, free));
  });
  const masks: [string, Nodes, Partial<Parts>?, Parts['weights']?][] = [
    ['compared the other way round', [...places, 'c = GreaterOrEqual(i, j)', ...added]],
    ['of what is hidden', [...places, 'c = Greater(j, i)', 'm = Where(c, inf, zero)', 'z = Add(m, s)']],
    ['negated', [...places, 'd = Less(i, j)', 'c = Not(d)', ...added]],
    ['and what always holds', [...places, 'd = LessOrEqual(j, i)', 'c = And(always, d)', ...added]],
    ['chosen by condition', [...lower, 'z = Where(c, s, lowest)']],
    [
      'of two axes that get more',
      [
        ...[...range, 'i = Unsqueeze(r, last)', 'c = LessOrEqual(r, i)', 'w = Where(c, zero, lowest)'],
        ...['m = Unsqueeze(w, front)', 'z = Add(s, m)'],
      ],
    ],
    ['constant numbers', ['z = Add(s, m)'], { inputs: fixed }, { m: tensor([1, 1, 3, 3], triangle(0, -1e38)) }],
    ['constant flags', ['z = Where(c, s, inf)'], { inputs: fixed }, { c: tensor([3, 3], triangle(1, 0), 'bool') }],
    [
      'the upper triangle of one number',
      ['m = Trilu(full, at1)', 'z = Add(s, m)'],
      { inputs: fixed },
      { full: tensor([3, 3], Array<number>(9).fill(-1e38)) },
    ],
  ];
  for (const [name, mask, parts, more] of masks)
    it(`masks: ${name}`, async () => void (await fuses(made(mask, parts, more))));
  it('rows that are guarded against having no key: they have one', async () => {
    const nodes = whole([...lower, 'm = Where(c, zero, inf)', 'z = Add(s, m)']).map((item) =>
      item instanceof Object || !item.startsWith('o =') ? item : 'o = MatMul(g, vr)',
    );
    await fuses(made([], { nodes: [...nodes, 'nan = IsNaN(p)', 'g = Where(nan, zero, p)'] }));
  });
  it('lengths are made once for two layers', async () => {
    const again = whole(['z = Add(s, m)']).map((item) => {
      const copy =
        typeof item === 'string'
          ? node(item)
          : Object.assign(node('a = Neg(b)'), item, { attributes: new Map(item.attributes) });
      const rename = (name: string) =>
        ['k', 'v', 'm'].includes(name) || name in weights ? name : name === 'q' ? 'y' : `${name}_2`;
      copy.inputs = copy.inputs.map(rename);
      copy.outputs = copy.outputs.map(rename);
      return copy;
    });
    const before = made([], { nodes: [...whole([...lower, ...added]), ...again], outputs: ['y_2'] });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(fired(after, id)).toBe(2);
    expect(opsOf(after.model).filter((op) => op === 'Expand')).toHaveLength(1);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });

  const pad = { inputs: { ...inputs, pad: { dtype: 'bool', shape: ['b', 1, 1, 's'] } } } as const;
  const near: [string, Model][] = [
    ['a mask that hides padding as well', made([...places, 'd = LessOrEqual(j, i)', 'c = And(pad, d)', ...added], pad)],
    ['no mask', made(['z = Add(s, zero)'])],
    ['a mask that hides earlier keys', made([...places, 'c = GreaterOrEqual(j, i)', ...added])],
    ['a mask that hides the own key too', made([...places, 'c = Less(j, i)', ...added])],
    ['a mask that hides too little', made([...lower, 'm = Where(c, zero, little)', 'z = Add(s, m)'])],
    [
      'places that begin elsewhere',
      made(
        [
          ...range,
          'r2 = Range(at1, n, at1)',
          'i = Unsqueeze(r2, rows)',
          'j = Unsqueeze(r, columns)',
          'c = LessOrEqual(j, i)',
          ...added,
        ],
        { inputs: fixed },
      ),
    ],
    ['a mask of one row', made(['z = Add(s, m)'], {}, { m: tensor([1, 1, 1, 1], [0]) })],
    [
      'a constant that is no triangle',
      made(['z = Add(s, m)'], { inputs: fixed }, { m: tensor([1, 1, 3, 3], [0, -1e38, 0, 0, 0, -1e38, 0, 0, 0]) }),
    ],
    ['keys repeated in another order', made(undefined, {}, { twice: ints(0, 1, 0, 1) })],
    [
      'keys of another length',
      made(['z = Add(s, m)'], {
        inputs: { ...inputs, k: ['b', 't', kvHeads * size], v: ['b', 't', kvHeads * size], m: [1, 1, 's', 't'] },
      }),
    ],
    ['probabilities that are an output', made(undefined, { outputs: ['y', 'p'] })],
  ];
  for (const [name, before] of near)
    it(`stays: ${name}`, async () => {
      expect(fired(await apply(before, [id]), id)).toBe(0);
    });
  it('stays: heads of a size that the operator refuses', async () => {
    const small = { q: ['b', 's', heads * 4], k: ['b', 's', kvHeads * 4], v: ['b', 's', kvHeads * 4] } as const;
    const sizes = { heads: ints(0, 0, heads, 4), kvHeads: ints(0, 0, kvHeads, 4), flat: ints(0, 0, heads * 4) };
    expect(fired(await apply(made(undefined, { inputs: small }, sizes), [id]), id)).toBe(0);
  });
  it('stays: everything, where operators have to be standard', async () => {
    expect(fired(await apply(made(), [id], { params: { [id]: { operators: 'standard' } } }), id)).toBe(0);
  });
});
