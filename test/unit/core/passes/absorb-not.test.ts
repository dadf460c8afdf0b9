import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, model, node, noise, opsOf, type Parts, scalar } from './helpers.ts';

const id = 'absorb-not';
const made = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: ['b', 4] },
    outputs: ['y'],
    weights: { zero: scalar(0), row: noise('row', [4]) },
    nodes: ['c = Greater(x, zero)', ...nodes],
    ...parts,
  });

async function absorbs(before: Model, left: string[], times = 1): Promise<Model> {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(times);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model);
  return after.model;
}

describe('absorb-not', () => {
  it('exchanges the values of a Where', async () => {
    const after = await absorbs(made(['n = Not(c)', 'y = Where(n, x, row)']), ['Greater', 'Where']);
    expect(after.graph.nodes[1]!.inputs).toEqual(['c', 'row', 'x']);
  });
  it('exchanges the branches of an If', async () => {
    const branch = (op: string) => graph({ outputs: [`r${op}`], nodes: [`r${op} = ${op}(x)`] });
    const nodes = [
      'm = ReduceMax(x)',
      'c = Squeeze(m)',
      'f = Greater(c, zero)',
      'n = Not(f)',
      node('y = If(n)', { then_branch: branch('Neg'), else_branch: branch('Exp') }),
    ];
    const parts = { inputs: { x: ['b', 4] }, outputs: ['y'], weights: { zero: scalar(0) }, nodes } as const;
    await absorbs(model(parts), ['ReduceMax', 'Squeeze', 'Greater', 'If']);
  });
  it('of every Where that reads it', () =>
    absorbs(made(['n = Not(c)', 'a = Where(n, x, row)', 'y = Where(n, zero, a)']), ['Greater', 'Where', 'Where'], 2));
  it('leaves it to others', () =>
    absorbs(made(['n = Not(c)', 'y = Where(n, x, row)', node('z = Cast(n)', { to: 1 })], { outputs: ['y', 'z'] }), [
      'Greater',
      'Not',
      'Where',
      'Cast',
    ]));
  it('leaves it where it is returned', () =>
    absorbs(made(['n = Not(c)', 'y = Where(n, x, row)'], { outputs: ['y', 'n'] }), ['Greater', 'Not', 'Where']));
  it('twice is nothing', () =>
    absorbs(made(['n = Not(c)', 'm = Not(n)', 'y = Where(m, x, row)']), ['Greater', 'Where']));
  it('twice, and returned', async () => {
    const before = made(['n = Not(c)', 'y = Not(n)', 'z = Where(c, x, row)'], { outputs: ['y', 'z'] });
    const after = await apply(before, [id]);
    await expectSameOutputs(before, after.model);
    expect(after.model.graph.outputs.map(({ name }) => name)).toEqual(['y', 'z']);
  });
  it('in a subgraph', async () => {
    const inner = graph({ outputs: ['w'], nodes: ['n = Not(c)', 'w = Where(n, x, row)'] });
    const other = graph({ outputs: ['v'], nodes: ['v = Neg(x)'] });
    const before = made([node('y = If(on)', { then_branch: inner, else_branch: other })], {
      inputs: { x: ['b', 4], on: { dtype: 'bool', shape: [] } },
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model);
  });
});

describe('absorb-not: what stays', () => {
  const cases: [string, Model][] = [
    ['a Where of a condition as it is', made(['y = Where(c, x, row)'])],
    ['a Not that is a value', made(['n = Not(c)', node('y = Cast(n)', { to: 1 })])],
    ['a Not of the values', made(['n = Not(c)', 'w = Where(c, n, c)', node('y = Cast(w)', { to: 1 })])],
  ];
  for (const [name, before] of cases) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
});
