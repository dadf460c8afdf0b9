import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, model, noise, opsOf, scalar } from './helpers.ts';

const id = 'fuse-matmul-add';
type Parts = Parameters<typeof model>[0];

const layer = (parts: Partial<Parts>) =>
  model({
    inputs: { x: ['n', 5] },
    outputs: ['y'],
    nodes: ['m = MatMul(x, w)', 'y = Add(m, b)'],
    ...parts,
    weights: { w: noise('w', [5, 4]), ...parts.weights },
  });

describe('fuse-matmul-add', () => {
  const fusing: [string, Partial<Parts>][] = [
    ['a row', { weights: { b: noise('b', [4]) } }],
    ['a row, first operand', { weights: { b: noise('b', [1, 4]) }, nodes: ['m = MatMul(x, w)', 'y = Add(b, m)'] }],
    ['a scalar', { weights: { b: scalar(3) } }],
    ['a column of known height', { inputs: { x: [3, 5] }, weights: { b: noise('b', [3, 1]) } }],
    [
      'float64',
      {
        inputs: { x: { dtype: 'float64', shape: [2, 5] } },
        weights: { w: noise('w', [5, 4], 'float64'), b: noise('b', [4], 'float64') },
      },
    ],
  ];
  for (const [name, parts] of fusing) {
    it(`fuses ${name}`, async () => {
      const before = layer(parts);
      const after = await apply(before, [id]);
      expect(opsOf(after.model)).toEqual(['Gemm']);
      await expectSameOutputs(before, after.model, { relative: 1e-5 });
    });
  }

  const staying: [string, Partial<Parts>][] = [
    ['stacks of matrices', { inputs: { x: [2, 3, 5] }, weights: { b: noise('b', [4]) } }],
    ['a vector', { inputs: { x: [5] }, weights: { b: noise('b', [4]) } }],
    ['a bias of higher rank', { weights: { b: noise('b', [1, 1, 4]) } }],
    ['a bias that widens a column', { weights: { w: noise('w', [5, 1]), b: noise('b', [4]) } }],
    ['a column against free rows', { weights: { b: noise('b', [3, 1]) } }],
    [
      'a product read twice',
      {
        outputs: ['y', 'z'],
        weights: { b: noise('b', [4]) },
        nodes: ['m = MatMul(x, w)', 'y = Add(m, b)', 'z = Exp(m)'],
      },
    ],
    ['a product that is returned', { outputs: ['m', 'y'], weights: { b: noise('b', [4]) } }],
    [
      'integers',
      {
        inputs: { x: { dtype: 'int32', shape: [2, 5] } },
        weights: { w: noise('w', [5, 4], 'int32', 9), b: noise('b', [4], 'int32', 9) },
      },
    ],
    ['a bias that callers may override', { inputs: { x: ['n', 5], b: [4] }, weights: { b: noise('b', [4]) } }],
    ['the product added to itself', { weights: {}, nodes: ['m = MatMul(x, w)', 'y = Add(m, m)'] }],
  ];
  for (const [name, parts] of staying) {
    it(`leaves ${name}`, async () => expect(fired(await apply(layer(parts), [id]), id)).toBe(0));
  }

  it('takes computed operands only when asked', async () => {
    const before = layer({ inputs: { x: [3, 5], v: [5, 4], b: [4] }, nodes: ['m = MatMul(x, v)', 'y = Add(m, b)'] });
    expect(fired(await apply(before, [id]), id)).toBe(0);
    const after = await apply(before, [id], { params: { [id]: { when: 'always' } } });
    expect(opsOf(after.model)).toEqual(['Gemm']);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });
});
