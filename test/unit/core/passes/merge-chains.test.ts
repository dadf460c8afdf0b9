/** The rules of merge-movements for longer chains, and those of the steps that run after the fusions. */
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, ints, model, node, noise, opsOf, scalar } from './helpers.ts';

type Parts = Parameters<typeof model>[0];
const subject = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: ['n', 3, 4] }, outputs: ['y'], nodes, ...parts });
const half = { dtype: 'float16', shape: ['n', 3, 4] } as const;
const weights = {
  i0: ints(0),
  i1: ints(1),
  i2: ints(2),
  im1: ints(-1),
  i3: ints(3),
  i03: ints(0, 3),
  big: ints(2 ** 40),
};

async function becomes(id: string, before: Model, left: string[], relative = 0): Promise<void> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(fired(after, id)).toBeGreaterThan(0);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
}

type Case = readonly [string, Parts['nodes'], readonly string[] | 'stays', Partial<Parts>?];
const run = (id: string, cases: readonly Case[]) => {
  for (const [name, nodes, left, parts] of cases) {
    it(`${left === 'stays' ? 'stays: ' : ''}${name}`, async () => {
      const before = subject(nodes, { weights, ...parts });
      if (left === 'stays') expect(fired(await apply(before, [id]), id)).toBe(0);
      else await becomes(id, before, [...left]);
    });
  }
};

/** [B, H, S, D] -> [B * H, D, S] and back by sizes taken from the tensor, as PyTorch's dynamo writes a key. */
const keyDetour = (perm = [0, 2, 1]) => [
  's = Shape(x)',
  'h = Slice(s, i0, i2)',
  'm = Slice(s, i2, i3)',
  node('t1 = Concat(im1, m, i4)', { axis: 0 }),
  'a = Reshape(x, t1)',
  node('b = Transpose(a)', { perm }),
  node('t2 = Concat(h, i4, m)', { axis: 0 }),
  'y = Reshape(b, t2)',
];
const key = { inputs: { x: ['b', 2, 's', 4] }, weights: { ...weights, i4: ints(4) } } as const;

describe('merge-movements: chains', () => {
  run('merge-movements', [
    [
      'Unsqueezes, axes from either end',
      ['a = Unsqueeze(x, i1)', 'y = Unsqueeze(a, m)'],
      ['Unsqueeze'],
      { weights: { ...weights, m: ints(-2, 0) } },
    ],
    [
      'Unsqueezes at opset 11',
      [node('a = Unsqueeze(x)', { axes: [1] }), node('y = Unsqueeze(a)', { axes: [0, 3] })],
      ['Unsqueeze'],
      { opset: 11 },
    ],
    ['Squeezes', ['a = Squeeze(x, i1)', 'y = Squeeze(a, im1)'], ['Squeeze'], { inputs: { x: [2, 1, 3, 1] } }],
    [
      'an Unsqueeze that two more read',
      ['a = Unsqueeze(x, i1)', 'y = Unsqueeze(a, i0)', 'z = Unsqueeze(a, im1)'],
      ['Unsqueeze', 'Unsqueeze'],
      { outputs: ['y', 'z'] },
    ],
    [
      'Squeeze and Unsqueeze of different axes',
      ['a = Squeeze(x, i1)', 'b = Unsqueeze(a, im1)', 'y = Neg(b)'],
      ['Reshape', 'Neg'],
      { inputs: { x: ['n', 1, 4] } },
    ],
    [
      'a Reshape with copied sizes after a Flatten',
      ['a = Flatten(x)', 'y = Reshape(a, t)'],
      ['Reshape'],
      { weights: { t: ints(0, 2, 6) } },
    ],
    [
      'what is between is returned',
      ['a = Unsqueeze(x, i1)', 'y = Unsqueeze(a, i0)'],
      ['Unsqueeze', 'Unsqueeze'],
      { outputs: ['y', 'a'] },
    ],
    [
      'axes that callers may override',
      ['a = Unsqueeze(x, i)', 'y = Unsqueeze(a, i0)'],
      'stays',
      {
        inputs: { x: ['n', 3, 4], i: { dtype: 'int64', shape: [1] } },
        weights: { ...weights, i: ints(1) },
      },
    ],
    [
      'two sizes that nothing tells',
      ['a = Squeeze(x, i1)', 'y = Reshape(a, t)'],
      'stays',
      {
        inputs: { x: ['n', 1, 'm'], t: { dtype: 'int64', shape: [2] } },
      },
    ],
    ['a Transpose between Reshapes', keyDetour(), ['Transpose'], key],
    [
      'in half precision',
      keyDetour(),
      ['Transpose'],
      { ...key, inputs: { x: { dtype: 'float16', shape: ['b', 2, 's', 4] } } },
    ],
    [
      'the same that goes back to another shape',
      [...keyDetour().slice(0, -2), node('t2 = Concat(i4, h, m)', { axis: 0 }), 'y = Reshape(b, t2)'],
      'stays',
      key,
    ],
    [
      'a Transpose between Reshapes that others read',
      [...keyDetour(), 'z = Neg(b)'],
      'stays',
      { ...key, outputs: ['y', 'z'] },
    ],
    ['Slices of different axes', ['a = Slice(x, i1, i3, i1)', 'y = Slice(a, i0, i2, i2)'], ['Slice']],
    ['Slices of one axis', ['a = Slice(x, i1, big, im1)', 'y = Slice(a, i1, i2, i2)'], ['Slice']],
    ['Slices of one axis, from the end', ['a = Slice(x, i1, big, i2)', 'y = Slice(a, im1, big, i2)'], 'stays'],
    [
      'a slice that others read',
      ['a = Slice(x, i1, i3, i1)', 'y = Slice(a, i0, i2, i2)', 'z = Neg(a)'],
      'stays',
      { outputs: ['y', 'z'] },
    ],
    ['Concats', [node('a = Concat(x, x)', { axis: 1 }), node('y = Concat(x, a, x)', { axis: -2 })], ['Concat']],
    [
      'Concats of different axes',
      [node('a = Concat(x, x)', { axis: 1 }), node('y = Concat(a, a)', { axis: 2 })],
      'stays',
    ],
    ['a Concat read twice', [node('a = Concat(x, x)', { axis: 1 }), node('y = Concat(a, a)', { axis: 1 })], 'stays'],
    [
      'a Cast to a wider type and on',
      [node('a = Cast(x)', { to: 1 }), node('y = Cast(a)', { to: 11 })],
      ['Cast'],
      { inputs: { x: half } },
    ],
    ['a Cast to a narrower type', [node('a = Cast(x)', { to: 10 }), node('y = Cast(a)', { to: 1 })], 'stays'],
    [
      'a Cast of int64 to float',
      [node('a = Cast(x)', { to: 1 }), node('y = Cast(a)', { to: 7 })],
      'stays',
      { inputs: { x: { dtype: 'int64', shape: [3] } } },
    ],
  ]);
  it('in a subgraph', async () => {
    const branch = (at: string) =>
      graph({ outputs: [`${at}y`], nodes: [`${at}a = Unsqueeze(x, i1)`, `${at}y = Unsqueeze(${at}a, i0)`] });
    const before = subject([node('y = If(c)', { then_branch: branch('t'), else_branch: branch('e') })], {
      inputs: { x: ['n', 3, 4], c: { dtype: 'bool', shape: [] } },
      weights,
    });
    const after = await apply(before, ['merge-movements']);
    expect(fired(after, 'merge-movements')).toBe(2);
    await expectSameOutputs(before, after.model);
  });
});

describe('transpose-to-reshape', () => {
  run(
    'transpose-to-reshape',
    [
      [
        'an axis of size 1',
        [node('y = Transpose(x)', { perm: [1, 0, 2] })],
        ['Reshape'],
        { inputs: { x: ['n', 1, 4] } },
      ],
      [
        'in half precision',
        [node('y = Transpose(x)', { perm: [2, 0, 1] })],
        ['Reshape'],
        { inputs: { x: { dtype: 'float16', shape: [3, 4, 1] } } },
      ],
      ['axes of other sizes', [node('y = Transpose(x)', { perm: [1, 0, 2] })], 'stays'],
      [
        'others beside one of size 1',
        [node('y = Transpose(x)', { perm: [2, 1, 0] })],
        'stays',
        { inputs: { x: [2, 1, 4] } },
      ],
      [
        'two sizes that would have to be told',
        [node('y = Transpose(x)', { perm: [2, 0, 1] })],
        'stays',
        { inputs: { x: ['n', 'm', 1] } },
      ],
    ].map((one) => one as unknown as Case),
  );
});

describe('slices-to-split', () => {
  run('slices-to-split', [
    [
      'two halves',
      ['a = Slice(x, i0, i2, im1)', 'b = Slice(x, i2, big, i2)', 'n = Neg(b)', node('y = Concat(n, a)', { axis: 2 })],
      ['Split', 'Neg', 'Concat'],
    ],
    [
      'three parts that are returned',
      ['a = Slice(x, i2, big, i1)', 'b = Slice(x, i0, i1, i1)', 'c = Slice(x, i1, i2, i1)'],
      ['Split'],
      { outputs: ['c', 'a', 'b'] },
    ],
    [
      'at opset 11',
      ['a = Slice(x, i0, i1, i1)', 'y = Slice(x, i1, big, i1)'],
      ['Split'],
      { opset: 11, outputs: ['a', 'y'] },
    ],
    ['a gap', ['a = Slice(x, i0, i1, i1)', 'y = Slice(x, i2, big, i1)'], 'stays', { outputs: ['a', 'y'] }],
    ['an overlap', ['a = Slice(x, i0, i2, i1)', 'y = Slice(x, i1, big, i1)'], 'stays', { outputs: ['a', 'y'] }],
    [
      'an axis of unknown size',
      ['a = Slice(x, i0, i1, i0)', 'y = Slice(x, i1, big, i0)'],
      'stays',
      { outputs: ['a', 'y'] },
    ],
    ['different axes', ['a = Slice(x, i0, i1, i1)', 'y = Slice(x, i1, big, i2)'], 'stays', { outputs: ['a', 'y'] }],
    ['steps', ['a = Slice(x, i0, i1, i1, i2)', 'y = Slice(x, i1, big, i1, i2)'], 'stays', { outputs: ['a', 'y'] }],
  ]);
});

describe('stack-flat-gemm', () => {
  const id = 'stack-flat-gemm';
  const layer = ['f = Reshape(x, flat)', 'g = Gemm(f, w, b)', 'y = Reshape(g, t)'];
  const given = { flat: ints(-1, 4), w: noise(1, [4, 5]), b: noise(2, [5]), t: ints(-1, 3, 5) };
  it('a layer around a flat Gemm', () => becomes(id, subject(layer, { weights: given }), ['MatMul', 'Add'], 1e-6));
  it('without a bias', () =>
    becomes(id, subject([layer[0]!, 'g = Gemm(f, w)', layer[2]!], { weights: given }), ['MatMul'], 1e-6));
  it('in half precision', () =>
    becomes(
      id,
      subject(layer, {
        inputs: { x: half },
        weights: { ...given, w: noise(1, [4, 5], 'float16'), b: noise(2, [5], 'float16') },
      }),
      ['MatMul', 'Add'],
      2e-3,
    ));
  const stays: [string, Parts['nodes'], Partial<Parts>?][] = [
    ['another shape after it', layer, { weights: { ...given, t: ints(-1, 5) } }],
    [
      'rows grouped anew',
      ['f = Reshape(x, flat)', 'g = Gemm(f, w, b)', 'y = Reshape(g, t)'],
      { inputs: { x: [2, 3, 4] }, weights: { ...given, t: ints(3, 2, 5) } },
    ],
    ['columns cut anew', layer, { weights: { ...given, flat: ints(-1, 6), w: noise(1, [6, 5]), t: ints(-1, 2, 5) } }],
    ['a factor', [layer[0]!, node('g = Gemm(f, w, b)', { alpha: float(2) }), layer[2]!]],
    [
      'a transposed weight',
      [layer[0]!, node('g = Gemm(f, w, b)', { transB: 1 }), layer[2]!],
      { weights: { ...given, w: noise(1, [5, 4]) } },
    ],
    ['a bias for each row', layer, { inputs: { x: [2, 3, 4] }, weights: { ...given, b: noise(2, [6, 1]) } }],
    ['a product that others read', [...layer, 'z = Neg(g)'], { outputs: ['y', 'z'] }],
    ['a product that is returned', layer, { outputs: ['y', 'g'] }],
  ];
  for (const [name, nodes, parts] of stays) {
    it(`stays: ${name}`, async () =>
      expect(fired(await apply(subject(nodes, { weights: given, ...parts }), [id]), id)).toBe(0));
  }
  it('a flattened value that others read stays for them', async () => {
    const before = subject([...layer, 'z = Neg(f)'], { weights: { ...given, s: scalar(1) }, outputs: ['y', 'z'] });
    await becomes(id, before, ['Reshape', 'MatMul', 'Add', 'Neg'], 1e-6);
  });
});
