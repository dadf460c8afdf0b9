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
  noise,
  numbersOf,
  opsOf,
  runOrt,
  scalar,
  tensor,
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

describe('a branch that could only fail', () => {
  const hidden = 3;
  const weights = {
    one: ints(1),
    zero: ints(0),
    w: noise('w', [1, 4 * hidden, 4]),
    r: noise('r', [1, 4 * hidden, hidden]),
  };
  const graphOf = (text: string) => graph({ outputs: ['r0'], nodes: [text] });
  /** As torch writes a recurrent cell that takes inputs with and without a batch. */
  const cell = (parts: Partial<Parameters<typeof model>[0]> = {}, last: readonly string[] = ['y = Relu(h)']) =>
    model({
      inputs: { x: ['b', 4, 'l'] },
      outputs: ['y'],
      weights,
      opset: 17,
      nodes: [
        's = Shape(x)',
        node('l = Gather(s, two)', { axis: 0 }),
        'short = Equal(l, one)',
        node('i = If(short)', {
          then_branch: graphOf('r0 = Squeeze(x, two)'),
          else_branch: graphOf('r0 = Identity(x)'),
        }),
        't = Shape(i)',
        'rank = Size(t)',
        'flat = Equal(rank, two0)',
        'n = Not(flat)',
        node('j = If(n)', {
          then_branch: graphOf('r0 = Unsqueeze(i, zero)'),
          else_branch: graphOf('r0 = Identity(i)'),
        }),
        'k = Unsqueeze(j, zero)',
        node('q, h = LSTM(k, w, r)', { hidden_size: hidden }),
        ...last,
      ],
      ...parts,
    });
  const constants = { ...weights, two: ints(2), two0: tensor([], [2], 'int64') };

  it('goes, with the question that led there', async () => {
    const before = cell({ weights: constants });
    const simplify = [id, 'eliminate-identity', 'fold-reshape-targets', 'fold-constants', 'eliminate-dead'];
    const after = await apply(before, simplify);
    expect(fired(after, id)).toBe(2);
    expect(opsOf(after.model)).toEqual(['Squeeze', 'Unsqueeze', 'LSTM', 'Relu']);
    const feeds = new Map(await feedsFor(before));
    const x = feeds.get('x')!;
    feeds.set('x', { ...x, dims: [2, 4, 1], data: new Uint8Array(Float32Array.from({ length: 8 }, Math.sin).buffer) });
    await expectSameOutputs(before, after.model, { feeds, relative: 1e-6 });
  });

  it('stays where the reader takes either', async () => {
    const nodes = [
      'i0 = Equal(l, one)',
      node('i = If(i0)', { then_branch: graphOf('r0 = Squeeze(x, two)'), else_branch: graphOf('r0 = Identity(x)') }),
      'y = Relu(i)',
    ];
    const before = model({
      inputs: { x: ['b', 4, 'l'], l: { dtype: 'int64', shape: [1] } },
      outputs: ['y'],
      weights: constants,
      opset: 17,
      nodes,
    });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('stays where nobody knows the rank that a branch gives', async () => {
    const nodes = [
      'f = Equal(l, one)',
      node('i = If(f)', { then_branch: graphOf('r0 = Squeeze(x)'), else_branch: graphOf('r0 = Reshape(x, t)') }),
      node('q, h = LSTM(i, w, r)', { hidden_size: hidden }),
      'y = Relu(h)',
    ];
    const before = model({
      inputs: { x: ['b', 's', 4], l: { dtype: 'int64', shape: [1] }, t: { dtype: 'int64', shape: ['k'] } },
      outputs: ['y'],
      weights: constants,
      opset: 17,
      nodes,
    });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });
});
