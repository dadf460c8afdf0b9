import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, model, node, opsOf, scalar } from './helpers.ts';

const id = 'fuse-gelu';
type Parts = Parameters<typeof model>[0];

const weights = {
  half: scalar(0.5),
  one: scalar(1),
  two: scalar(2),
  three: scalar(3),
  root2: scalar(Math.SQRT2),
  rootHalf: scalar(Math.SQRT1_2),
  cubic: scalar(0.044715),
  slope: scalar(Math.sqrt(2 / Math.PI)),
};
const gelu = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: ['n', 6] }, outputs: ['y'], weights, nodes, ...parts });

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<void> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
}

const erf = ['d = Div(x, root2)', 'e = Erf(d)', 'a = Add(e, one)'];
const products: [string, string[]][] = [
  ['(x * f) * 0.5', ['m = Mul(x, a)', 'y = Mul(m, half)']],
  ['0.5 * (f * x)', ['m = Mul(a, x)', 'y = Mul(half, m)']],
  ['x * (f * 0.5)', ['m = Mul(a, half)', 'y = Mul(x, m)']],
  ['(x * 0.5) * f', ['h = Mul(x, half)', 'y = Mul(h, a)']],
  ['f * (0.5 * x)', ['h = Mul(half, x)', 'y = Mul(a, h)']],
  ['(x / 2) * f', ['h = Div(x, two)', 'y = Mul(h, a)']],
  ['(x * f) / 2', ['m = Mul(x, a)', 'y = Div(m, two)']],
];
/** All end in `t = Tanh(..)`, `a = Add(t, one)`. */
const tanhs: [string, string[]][] = [
  ['Pow', ['p = Pow(x, three)', 'c = Mul(cubic, p)', 's = Add(x, c)', 'u = Mul(s, slope)']],
  ['products', ['q = Mul(x, x)', 'p = Mul(q, x)', 'c = Mul(p, cubic)', 's = Add(c, x)', 'u = Mul(slope, s)']],
  ['x * (1 + c x^2)', ['q = Mul(x, x)', 'c = Mul(q, cubic)', 'o = Add(c, one)', 's = Mul(x, o)', 'u = Mul(s, slope)']],
  [
    '(x * slope) * (1 + c x x)',
    ['l = Mul(x, slope)', 'q = Mul(cubic, x)', 'c = Mul(q, x)', 'o = Add(one, c)', 'u = Mul(l, o)'],
  ],
];

describe('fuse-gelu: what fuses', () => {
  for (const [name, tail] of products) it(`erf, ${name}`, () => fuses(gelu([...erf, ...tail]), ['com.microsoft.Gelu']));
  for (const [name, head] of tanhs)
    it(`tanh, ${name}`, () =>
      fuses(gelu([...head, 't = Tanh(u)', 'a = Add(t, one)', 'h = Mul(x, half)', 'y = Mul(h, a)']), [
        'com.microsoft.FastGelu',
      ]));
  it('erf of x * sqrt(1/2), 1 + f', () =>
    fuses(gelu(['d = Mul(rootHalf, x)', 'e = Erf(d)', 'a = Add(one, e)', ...products[0]![1]]), ['com.microsoft.Gelu']));
  it('the standard operator from opset 20 on, both forms', async () => {
    await fuses(gelu([...erf, ...products[0]![1]], { opset: 20 }), ['Gelu']);
    await fuses(
      gelu([...tanhs[0]![1], 't = Tanh(u)', 'a = Add(t, one)', 'h = Mul(x, half)', 'y = Mul(h, a)'], { opset: 20 }),
      ['Gelu'],
    );
  });
  it('float16', () => {
    const half = Object.fromEntries(
      Object.entries(weights).map(([name, { data }]) => [
        name,
        scalar(new Float32Array((data as { bytes: Uint8Array }).bytes.slice().buffer)[0]!, 'float16'),
      ]),
    );
    return fuses(
      gelu([...erf, ...products[0]![1]], { inputs: { x: { dtype: 'float16', shape: [9] } }, weights: half }),
      ['com.microsoft.Gelu'],
      4e-3,
    );
  });
  it('in a subgraph', () =>
    fuses(
      gelu(
        [
          node('y = If(k)', {
            then_branch: graph({ outputs: ['r'], nodes: [...erf, 'm = Mul(x, a)', 'r = Mul(m, half)'] }),
            else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }),
          }),
        ],
        { inputs: { x: [4], k: { dtype: 'bool', shape: [] } } },
      ),
      ['If'],
    ));
});

describe('fuse-gelu: what stays', () => {
  const tail = products[0]![1];
  const cases: [string, Model][] = [
    ['another scale inside', gelu([...erf, ...tail], { weights: { ...weights, root2: scalar(1.5) } })],
    ['another summand', gelu([...erf, ...tail], { weights: { ...weights, one: scalar(1.5) } })],
    ['another factor', gelu([...erf, ...tail], { weights: { ...weights, half: scalar(0.25) } })],
    ['no factor', gelu([...erf, 'y = Mul(x, a)'])],
    ['another value', gelu([...erf, 'm = Mul(z, a)', 'y = Mul(m, half)'], { inputs: { x: [6], z: [6] } })],
    ['erf read twice', gelu([...erf, ...tail, 'z = Exp(e)'], { outputs: ['y', 'z'] })],
    ['the argument read elsewhere', gelu([...erf, ...tail, 'z = Exp(d)'], { outputs: ['y', 'z'] })],
    ['the sum returned', gelu([...erf, ...tail], { outputs: ['y', 'a'] })],
    ['the product returned', gelu([...erf, ...tail], { outputs: ['y', 'm'] })],
    ['a factor that callers may override', gelu([...erf, ...tail], { inputs: { x: [6], half: [] } })],
    ['sqrt(2) / x', gelu(['d = Div(root2, x)', 'e = Erf(d)', 'a = Add(e, one)', ...tail])],
    [
      'another cubic',
      gelu([...tanhs[0]![1], 't = Tanh(u)', 'a = Add(t, one)', 'h = Mul(x, half)', 'y = Mul(h, a)'], {
        weights: { ...weights, cubic: scalar(0.05) },
      }),
    ],
    [
      'x^3 of another value',
      gelu(
        [
          'p = Pow(z, three)',
          'c = Mul(cubic, p)',
          's = Add(x, c)',
          'u = Mul(s, slope)',
          't = Tanh(u)',
          'a = Add(t, one)',
          'h = Mul(x, half)',
          'y = Mul(h, a)',
        ],
        { inputs: { x: [6], z: [6] } },
      ),
    ],
  ];
  for (const [name, before] of cases) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));

  it('an older model when only standard operators are wanted', async () => {
    const after = await apply(gelu([...erf, ...tail]), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });
});
