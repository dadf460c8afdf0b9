import { describe, expect, it } from 'vitest';
import { valueInfo } from '../../../../src/core/ir/build.ts';
import type { Graph, Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, ints, model, node, noise, opsOf, scalar } from './helpers.ts';

const id = 'unroll-loops';
type Parts = Parameters<typeof model>[0];

/** `outputs`: the condition, states, collected values. */
function body(states: string[], outputs: string[], nodes: (string | Node)[], weights: Parts['weights'] = {}): Graph {
  const made = graph({ outputs, nodes, weights });
  made.inputs = [
    valueInfo('turn', 'int64', []),
    valueInfo('on', 'bool', []),
    ...states.map((name) => valueInfo(name, 'float32', [2, 3])),
  ];
  return made;
}

const looped = (text: string, inner: Graph, parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: [2, 3] },
    outputs: ['y'],
    weights: {
      zero: scalar(0, 'int64'),
      one: scalar(1, 'int64'),
      three: scalar(3, 'int64'),
      many: scalar(1000, 'int64'),
      yes: scalar(1, 'bool'),
      no: scalar(0, 'bool'),
      k: noise('k', [3]),
    },
    nodes: [node(text, { body: inner })],
    ...parts,
  });

/** s := tanh(s * k + w) */
const simple = () =>
  body(['s'], ['again', 'next'], ['again = Identity(on)', 'p = Mul(s, k)', 'q = Add(p, w)', 'next = Tanh(q)'], {
    w: noise('w', [3]),
  });

async function unrolls(before: Model, left: string[], steps = [id]): Promise<Model> {
  const after = await apply(before, steps);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model);
  return after.model;
}
const turn = ['Mul', 'Add', 'Tanh'];
const cleanup = ['lift-constants', 'eliminate-identity', 'fold-constants', 'dedupe-initializers', id, 'eliminate-dead'];

describe('unroll-loops: what goes', () => {
  it('a state through three turns; the weight of the body is there once', async () => {
    const after = await unrolls(looped('y = Loop(three, yes, x)', simple()), [...turn, ...turn, ...turn], cleanup);
    expect([...after.graph.initializers.values()].filter(({ dims }) => dims.length === 1)).toHaveLength(2);
  });
  it('without a condition', () => unrolls(looped('y = Loop(one, , x)', simple()), turn, cleanup).then(() => {}));
  it('a condition that the body makes constant', () => {
    const inner = body(['s'], ['again', 'next'], ['next = Exp(s)'], { again: scalar(1, 'bool') });
    return unrolls(looped('y = Loop(three, yes, x)', inner), ['Exp', 'Exp', 'Exp'], cleanup).then(() => {});
  });
  it('what the turns collect, and the number of the turn', async () => {
    const inner = body(
      ['s'],
      ['again', 'next', 'seen', 'count'],
      ['again = Identity(on)', 'next = Neg(s)', 'seen = Add(s, s)', 'count = Add(turn, one)'],
    );
    const after = await apply(
      looped('y, rows, counts = Loop(three, yes, x)', inner, { outputs: ['y', 'rows', 'counts'] }),
      [id],
    );
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(
      looped('y, rows, counts = Loop(three, yes, x)', inner, { outputs: ['y', 'rows', 'counts'] }),
      after.model,
    );
    const old = looped('y, rows, counts = Loop(three, yes, x)', inner, { outputs: ['y', 'rows', 'counts'], opset: 11 });
    await expectSameOutputs(old, (await apply(old, [id])).model);
  });
  it('states that change places', async () => {
    const inner = body(['a', 'b'], ['again', 'b', 'next'], ['again = Identity(on)', 'next = Sub(a, b)']);
    const before = looped('y, z = Loop(three, yes, x, x)', inner, { outputs: ['y', 'z'] });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model);
  });
  it('no turns: by the trip count, by the condition', async () => {
    const withoutTurns = (loop: string) =>
      looped(loop, simple(), { nodes: [node(loop, { body: simple() }), 'y = Neg(h)'] });
    await unrolls(withoutTurns('h = Loop(zero, yes, x)'), ['Neg'], cleanup);
    await unrolls(withoutTurns('h = Loop(many, no, x)'), ['Neg'], cleanup);
  });
  it('a loop in a loop', async () => {
    const inner = body(['t'], ['more', 'u'], ['more = Identity(on)', 'u = Add(t, s)']);
    inner.inputs[0]!.name = 'inner_turn';
    inner.inputs[1]!.name = 'inner_on';
    inner.nodes[0]!.inputs = ['inner_on'];
    const outer = body(
      ['s'],
      ['again', 'next'],
      ['again = Identity(on)', node('next = Loop(three, yes, s)', { body: inner })],
    );
    await unrolls(looped('y = Loop(three, yes, x)', outer), new Array(9).fill('Add'), cleanup);
  });
  it('a body with a branch that captures', async () => {
    const branch = (nodes: string[]) => graph({ outputs: ['r'], nodes });
    const inner = body(
      ['s'],
      ['again', 'next'],
      [
        'again = Identity(on)',
        'h = Neg(s)',
        node('next = If(c)', { then_branch: branch(['r = Add(h, s)']), else_branch: branch(['r = Exp(h)']) }),
      ],
    );
    const before = looped('y = Loop(three, yes, x)', inner, { inputs: { x: [2, 3], c: { dtype: 'bool', shape: [] } } });
    await unrolls(before, ['Neg', 'If', 'Neg', 'If', 'Neg', 'If'], cleanup);
  });
});

describe('unroll-loops: what stays', () => {
  const counting = ['again = Less(turn, one)', 'next = Neg(s)'];
  const stays: [string, Model][] = [
    ['too many turns', looped('y = Loop(many, yes, x)', simple())],
    [
      'a condition that depends on the turn',
      looped('y = Loop(three, yes, x)', body(['s'], ['again', 'next'], counting)),
    ],
    [
      'a trip count that is an input',
      looped('y = Loop(n, yes, x)', simple(), { inputs: { x: [2, 3], n: { dtype: 'int64', shape: [] } } }),
    ],
    [
      'a trip count that callers may override',
      looped('y = Loop(three, yes, x)', simple(), { inputs: { x: [2, 3], three: { dtype: 'int64', shape: [] } } }),
    ],
    [
      'a condition that is an input',
      looped('y = Loop(three, c, x)', simple(), { inputs: { x: [2, 3], c: { dtype: 'bool', shape: [] } } }),
    ],
    ['no trip count', looped('y = Loop(, yes, x)', body(['s'], ['again', 'next'], counting))],
    [
      'no turns, but what they would have collected is returned',
      looped(
        'y, rows = Loop(zero, yes, x)',
        body(['s'], ['again', 's', 'seen'], ['again = Identity(on)', 'seen = Neg(s)']),
        { outputs: ['y', 'rows'] },
      ),
    ],
  ];
  for (const [name, before] of stays) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));

  it('more nodes than allowed, counted with those of inner graphs', async () => {
    const limited = (maxNodes: number) =>
      apply(looped('y = Loop(three, yes, x)', simple()), [id], { params: { [id]: { maxNodes } } });
    expect(fired(await limited(11), id)).toBe(0);
    expect(fired(await limited(12), id)).toBe(1);
  });
  it('a Scan', async () => {
    const inner = graph({ outputs: ['next', 'row'], nodes: ['next = Add(s, v)', 'row = Identity(next)'] });
    inner.inputs = [valueInfo('s', 'float32', [3]), valueInfo('v', 'float32', [3])];
    const before = model({
      inputs: { x: [2, 3] },
      outputs: ['y', 'z'],
      weights: { start: noise(1, [3]), axes: ints(0) },
      nodes: [node('y, z = Scan(start, x)', { body: inner, num_scan_inputs: 1 })],
    });
    const after = await apply(before, cleanup);
    expect(opsOf(after.model)).toEqual(['Scan']);
    await expectSameOutputs(before, after.model);
  });
});
