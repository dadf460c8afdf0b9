import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, float, model, node, opsOf, type Parts, scalar } from './helpers.ts';

const id = 'merge-clamps';
const weights = { low: scalar(-0.5), high: scalar(0.7), zero: scalar(0), far: scalar(3) };

type Case = readonly [string, Parts['nodes'], readonly string[] | 'stays', Partial<Parts>?];
const cases: readonly Case[] = [
  ['Relu and an upper limit', ['a = Relu(x)', 'y = Clip(a, zero, high)'], ['Clip']],
  ['Relu and no lower limit', ['a = Relu(x)', 'y = Clip(a, , high)'], ['Clip']],
  ['Relu and a lower limit below it', ['a = Relu(x)', 'y = Clip(a, low)'], ['Clip']],
  ['two Clips', ['a = Clip(x, low, far)', 'y = Clip(a, , high)'], ['Clip']],
  [
    'at opset 6, where limits are attributes',
    ['a = Relu(x)', node('y = Clip(a)', { min: float(-1), max: float(0.5) })],
    ['Clip'],
    { opset: 9 },
  ],
  ['ranges that do not meet', ['a = Relu(x)', 'y = Clip(a, , low)'], 'stays'],
  [
    'a limit that only the caller knows',
    ['a = Relu(x)', 'y = Clip(a, , m)'],
    'stays',
    { inputs: { x: ['n', 4], m: [] } },
  ],
  ['the first is needed too', ['a = Relu(x)', 'y = Clip(a, , high)', 'q = Neg(a)'], 'stays', { outputs: ['y', 'q'] }],
  [
    'whole numbers',
    ['a = Clip(x, i)', 'y = Clip(a, j)'],
    'stays',
    { inputs: { x: { dtype: 'int64', shape: ['n', 4] } }, weights: { i: scalar(1, 'int64'), j: scalar(2, 'int64') } },
  ],
];

describe('merge-clamps', () => {
  for (const [name, nodes, left, parts] of cases)
    it(`${left === 'stays' ? 'stays: ' : ''}${name}`, async () => {
      const before = model({ inputs: { x: ['n', 4] }, outputs: ['y'], opset: 18, weights, ...parts, nodes });
      const after = await apply(before, [id]);
      if (left === 'stays') expect(fired(after, id)).toBe(0);
      else {
        expect(fired(after, id)).toBe(1);
        expect(opsOf(after.model)).toEqual(left);
        await expectSameOutputs(before, after.model);
      }
    });

  it('in half precision', async () => {
    const before = model({
      inputs: { x: { dtype: 'float16', shape: ['n', 4] } },
      outputs: ['y'],
      opset: 18,
      weights: { high: scalar(0.7, 'float16') },
      nodes: ['a = Relu(x)', 'y = Clip(a, , high)'],
    });
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Clip']);
    await expectSameOutputs(before, after.model);
  });
});
