import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, ints, model, opsOf, type Parts, scalar } from './helpers.ts';

const id = 'drop-expand';
const inputs = { x: ['n', 1, 4], z: ['n', 3, 4] } as const;

type Case = readonly [string, Parts['nodes'], readonly string[] | 'stays', Partial<Parts>?];
const cases: readonly Case[] = [
  ['the other operand is as large', ['a = Expand(x, t)', 'y = Add(z, a)'], ['Add']],
  ['of lower rank', ['a = Expand(r, t)', 'y = Mul(a, z)'], ['Mul'], { inputs: { ...inputs, r: [4] } }],
  ['a comparison', ['a = Expand(x, t)', 'y = Less(a, z)'], ['Less']],
  ['a choice', ['a = Expand(x, t)', 'c = Less(z, k)', 'y = Where(c, a, k)'], ['Less', 'Where']],
  [
    'by a shape that is computed',
    ['s = Shape(z)', 'a = Expand(x, s)', 'y = Add(a, z)'],
    ['Add'],
    { weights: { k: scalar(0.5) } },
  ],
  ['the other operand is smaller', ['a = Expand(x, t)', 'y = Add(a, k)'], 'stays'],
  [
    'both are expanded, of which one is enough',
    ['a = Expand(x, t)', 'b = Expand(x, t)', 'y = Sub(a, b)'],
    ['Expand', 'Sub'],
  ],
  [
    'of an unknown size',
    ['a = Expand(x, t)', 'y = Add(a, z)'],
    'stays',
    { inputs: { x: ['n', 1, 4], z: ['n', 'm', 4] } },
  ],
  ['read twice', ['a = Expand(x, t)', 'y = Add(a, z)', 'q = Neg(a)'], 'stays', { outputs: ['y', 'q'] }],
  ['an output', ['a = Expand(x, t)', 'y = Add(a, z)'], 'stays', { outputs: ['y', 'a'] }],
  ['before what does not broadcast', ['a = Expand(x, t)', 'y = Relu(a)'], 'stays'],
];

describe('drop-expand', () => {
  for (const [name, nodes, left, parts] of cases)
    it(`${left === 'stays' ? 'stays: ' : ''}${name}`, async () => {
      const weights = { t: ints(1, 3, 4), k: scalar(0.5) };
      const before = model({ inputs, outputs: ['y'], opset: 18, weights, ...parts, nodes });
      const after = await apply(before, [id, 'eliminate-dead']);
      if (left === 'stays') expect(fired(after, id)).toBe(0);
      else {
        expect(fired(after, id)).toBe(1);
        expect(opsOf(after.model)).toEqual(left);
        await expectSameOutputs(before, after.model);
      }
    });
});
