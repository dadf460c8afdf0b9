import { describe, expect, it } from 'vitest';
import {
  apply,
  expectSameOutputs,
  feedsFor,
  fired,
  graph,
  ints,
  model,
  node,
  numbersOf,
  opsOf,
  runOrt,
  scalar,
} from './helpers.ts';

const id = 'inline-constant-if';

describe('inline-constant-if', () => {
  const branches = () => ({
    then_branch: graph({ outputs: ['r'], weights: { k: scalar(2) }, nodes: ['t = Mul(x, k)', 'r = Exp(t)'] }),
    else_branch: graph({ outputs: ['r'], weights: { k: scalar(3) }, nodes: ['t = Mul(x, k)', 'r = Neg(t)'] }),
  });

  for (const [value, ops] of [
    [1, ['Mul', 'Exp', 'Relu']],
    [0, ['Mul', 'Neg', 'Relu']],
  ] as const) {
    it(`takes the ${value ? 'then' : 'else'} branch of a constant`, async () => {
      const before = model({
        inputs: { x: [2] },
        outputs: ['y'],
        weights: { c: scalar(value, 'bool') },
        nodes: [node('i = If(c)', branches()), 'y = Relu(i)'],
      });
      const after = await apply(before, [id, 'eliminate-dead']);
      expect(fired(after, id)).toBe(1);
      expect(opsOf(after.model)).toEqual(ops);
      await expectSameOutputs(before, after.model);
    });
  }

  it('a condition on the rank, proven by shape inference', async () => {
    const before = model({
      inputs: { x: ['n', 4] },
      outputs: ['y'],
      weights: { two: ints(2) },
      nodes: ['s = Shape(x)', 'size = Size(s)', 'c = Equal(size, two)', node('y = If(c)', branches())],
    });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['Mul', 'Exp']);
    await expectSameOutputs(before, after.model);
  });

  it('two at once, whose branches use the same names, and one inside the other', async () => {
    const inner = graph({ outputs: ['w'], nodes: ['u = Abs(x)', node('v = If(c)', branches()), 'w = Add(u, v)'] });
    const before = model({
      inputs: { x: [2] },
      outputs: ['y', 'z'],
      weights: { c: scalar(1, 'bool') },
      nodes: [
        node('i = If(c)', branches()),
        node('z = If(c)', branches()),
        node('j = If(c)', { then_branch: inner, else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }) }),
        'y = Add(i, j)',
      ],
    });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).not.toContain('If');
    await expectSameOutputs(before, after.model);
  });

  it('a branch that returns an outer value, a weight, or one value twice', async () => {
    const then = graph({ outputs: ['x', 'k', 'r', 'r'], weights: { k: scalar(5) }, nodes: ['r = Relu(x)'] });
    const other = graph({ outputs: ['r', 'r', 'r', 'r'], nodes: ['r = Relu(x)'] });
    const before = model({
      inputs: { x: [2] },
      outputs: ['s', 'p', 'u'],
      weights: { c: scalar(1, 'bool') },
      nodes: [node('p, q, u, v = If(c)', { then_branch: then, else_branch: other }), 's = Sum(p, q, u, v)'],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    const feeds = await feedsFor(before);
    const got = await runOrt(after.model, feeds);
    const [a, b] = numbersOf(feeds.get('x')!) as [number, number];
    const relu = (value: number) => Math.max(0, value);
    const sums = numbersOf(got.get('s')!);
    for (const [at, value] of [a, b].entries()) expect(sums[at]).toBeCloseTo(value + 5 + 2 * relu(value), 4);
    expect(numbersOf(got.get('p')!)).toEqual([a, b]);
  });

  it('captured names stay right when a branch is moved out past a subgraph', async () => {
    const deep = graph({
      outputs: ['r'],
      nodes: [
        't = Exp(x)',
        node('r = If(d)', {
          then_branch: graph({ outputs: ['q'], nodes: ['q = Add(t, x)'] }),
          else_branch: graph({ outputs: ['q'], nodes: ['q = Mul(t, x)'] }),
        }),
      ],
    });
    const before = model({
      inputs: { x: [2], d: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: { c: scalar(1, 'bool') },
      nodes: [
        't = Relu(x)',
        node('i = If(c)', { then_branch: deep, else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }) }),
        'y = Add(i, t)',
      ],
    });
    // ONNX wants names unique across scopes; exporters break that, so the inner `t` here hides the outer one.
    const unique = model({
      inputs: { x: [2], d: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [
        't = Relu(x)',
        't2 = Exp(x)',
        node('i = If(d)', {
          then_branch: graph({ outputs: ['q'], nodes: ['q = Add(t2, x)'] }),
          else_branch: graph({ outputs: ['q'], nodes: ['q = Mul(t2, x)'] }),
        }),
        'y = Add(i, t)',
      ],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(unique, after.model, { seeds: 4 });
  });

  it('leaves an If on an input, and on a weight that callers may override', async () => {
    const free = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [node('y = If(c)', branches())],
    });
    const shadowed = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: { c: scalar(1, 'bool') },
      nodes: [node('y = If(c)', branches())],
    });
    expect(fired(await apply(free, [id]), id)).toBe(0);
    expect(fired(await apply(shadowed, [id]), id)).toBe(0);
  });
});
