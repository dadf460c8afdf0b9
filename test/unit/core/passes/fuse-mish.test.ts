import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, model, node, opsOf, scalar, tensor } from './helpers.ts';

const id = 'fuse-mish';
type Parts = Parameters<typeof model>[0];

const mish = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: ['n', 6] },
    outputs: ['y'],
    weights: { one: scalar(1), two: scalar(2), ones: tensor([1, 1, 1], [1]) },
    nodes,
    opset: 18,
    ...parts,
  });
const short = ['s = Softplus(x)', 't = Tanh(s)', 'y = Mul(x, t)'];
const long = ['e = Exp(x)', 'a = Add(e, one)', 's = Log(a)', 't = Tanh(s)', 'y = Mul(t, x)'];

async function fuses(before: Model, left: string[] = ['Mish'], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id]);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

describe('fuse-mish', () => {
  it('Softplus, and log(1 + exp(x))', async () => {
    await fuses(mish(short));
    await fuses(mish(long));
    await fuses(mish(long.map((text) => text.replace('Add(e, one)', 'Add(one, e)'))));
  });
  it('raises an older model, unless told not to', async () => {
    const after = await fuses(mish(short, { opset: 13 }));
    expect(after.opsetImports.get('')).toBe(18);
    const left = await apply(mish(short, { opset: 13 }), [id], { params: { [id]: { raiseOpset: false } } });
    expect(fired(left, id)).toBe(0);
    expect(left.advisories.map(({ code }) => code)).toEqual(['fuse-mish/opset']);
  });
  it('half and double precision', async () => {
    const inputs = (dtype: 'float16' | 'float64') => ({ x: { dtype, shape: [4, 6] } });
    await fuses(mish(short, { inputs: inputs('float16') }), ['Mish'], 5e-3);
    await fuses(mish(short, { inputs: inputs('float64') }));
  });
  it('inside a subgraph, of a value from outside', async () => {
    const branch = (nodes: string[]) => graph({ outputs: ['out'], nodes });
    const before = mish(
      [
        node('y = If(c)', {
          then_branch: branch(short.map((text) => text.replace('y =', 'out ='))),
          else_branch: branch(['out = Neg(x)']),
        }),
      ],
      { inputs: { x: [3, 6], c: { dtype: 'bool', shape: [] } } },
    );
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });

  const stays: [string, Model][] = [
    ['the product with another value', mish([...short.slice(0, 2), 'y = Mul(z, t)'], { inputs: { x: [6], z: [6] } })],
    ['tanh of something else', mish(['s = Softsign(x)', 't = Tanh(s)', 'y = Mul(x, t)'])],
    ['log(2 + exp(x))', mish(long.map((text) => text.replace('one', 'two')))],
    ['a one that adds dims', mish(long.map((text) => text.replace('one', 'ones')))],
    ['a softplus that is read elsewhere', mish([...short, 'z = Exp(s)'], { outputs: ['y', 'z'] })],
    ['a tanh that the graph returns', mish(short, { outputs: ['y', 't'] })],
    ['a one that callers may override', mish(long, { inputs: { x: [6], one: [] } })],
  ];
  for (const [name, before] of stays)
    it(`leaves ${name}`, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
});
