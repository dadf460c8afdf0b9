import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, ints, model, node, opsOf, scalar, tensor } from './helpers.ts';

const id = 'eliminate-identity';

/** Fires and keeps the outputs bit by bit; returns what is left. */
async function removes(before: Model, left: string[]): Promise<Model> {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBeGreaterThan(0);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model);
  return after.model;
}

async function keeps(before: Model): Promise<void> {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(0);
  expect(opsOf(after.model)).toEqual(opsOf(before));
}

describe('eliminate-identity: done twice', () => {
  const twice = (op: string, parts = {}) =>
    model({
      inputs: { x: [2, 3] },
      outputs: ['y'],
      nodes: [`a = ${op}(x)`, `b = ${op}(a)`, 'y = Identity(b)'],
      ...parts,
    });
  for (const op of ['Relu', 'Abs', 'Ceil', 'Floor', 'Round', 'Sign'])
    it(`${op} of ${op}`, () => removes(twice(op), [op]).then(() => {}));
  it('Round of Floor', () =>
    removes(model({ inputs: { x: [2, 3] }, outputs: ['y'], nodes: ['a = Floor(x)', 'y = Round(a)'] }), ['Floor']).then(
      () => {},
    ));
  it('Neg of Neg, Not of Not', async () => {
    const nodes = (op: string) => [`a = ${op}(x)`, `b = ${op}(a)`, `y = ${op}(b)`];
    const bool = { x: { dtype: 'bool', shape: [2, 3] } } as const;
    await removes(model({ inputs: { x: [2, 3] }, outputs: ['y'], nodes: nodes('Neg') }), ['Neg', 'Neg']);
    await removes(model({ inputs: bool, outputs: ['y'], nodes: nodes('Not') }), ['Not', 'Not']);
  });
  it('not Floor of Sigmoid, nor Relu of Neg', async () => {
    await keeps(model({ inputs: { x: [2, 3] }, outputs: ['y'], nodes: ['a = Sigmoid(x)', 'y = Floor(a)'] }));
    await keeps(model({ inputs: { x: [2, 3] }, outputs: ['y'], nodes: ['a = Neg(x)', 'y = Relu(a)'] }));
  });
});

describe('eliminate-identity: what goes', () => {
  const one = (text: string, attributes = {}, weights = {}, opset = 17) =>
    model({
      inputs: { x: [2, 3] },
      outputs: ['y'],
      opset,
      weights,
      nodes: ['a = Relu(x)', node(text, attributes), 'y = Neg(b)'],
    });
  const cases: [string, Model][] = [
    ['Identity', one('b = Identity(a)')],
    ['Dropout at inference', one('b, m = Dropout(a)')],
    ['Dropout of opset 7', one('b = Dropout(a)', { ratio: float(0.3) }, {}, 9)],
    ['Dropout that drops nothing', one('b = Dropout(a, r, t)', {}, { r: scalar(0), t: scalar(1, 'bool') })],
    ['Dropout with training off', one('b = Dropout(a, r, t)', {}, { r: scalar(0.5), t: scalar(0, 'bool') })],
    ['Cast to the same dtype', one('b = Cast(a)', { to: 1 })],
    ['CastLike', one('b = CastLike(a, x)')],
    ['Transpose in order', one('b = Transpose(a)', { perm: [0, 1] })],
    ['Pad by nothing', one('b = Pad(a, p)', {}, { p: ints(0, 0, 0, 0) })],
    ['Pad by nothing, old form', one('b = Pad(a)', { pads: [0, 0, 0, 0] }, {}, 9)],
    ['Slice of everything', one('b = Slice(a, s, e, ax)', {}, { s: ints(0), e: ints(2 ** 31), ax: ints(1) })],
    ['Slice to the known end', one('b = Slice(a, s, e)', {}, { s: ints(0, 0), e: ints(2, 3) })],
    ['Expand to itself', one('b = Expand(a, s)', {}, { s: ints(2, 3) })],
    ['Expand by ones', one('b = Expand(a, s)', {}, { s: ints(1) })],
    ['Concat of one', one('b = Concat(a)', { axis: 0 })],
    ['Sum of one', one('b = Sum(a)')],
    ['Max of one', one('b = Max(a)')],
    ['Tile by one', one('b = Tile(a, r)', {}, { r: ints(1, 1) })],
    ['Clip without bounds', one('b = Clip(a)')],
    ['Split into one', one('b = Split(a)', { axis: 1 })],
    ['Mul by 1', one('b = Mul(a, k)', {}, { k: scalar(1) })],
    ['1 times', one('b = Mul(k, a)', {}, { k: tensor([1, 1], [1]) })],
    ['Mul by a row of ones', one('b = Mul(a, k)', {}, { k: tensor([3], [1, 1, 1]) })],
    ['Div by 1', one('b = Div(a, k)', {}, { k: scalar(1) })],
    ['Add of 0', one('b = Add(a, k)', {}, { k: scalar(0) })],
    ['Sub of 0', one('b = Sub(a, k)', {}, { k: scalar(0) })],
    ['Pow of 1', one('b = Pow(a, k)', {}, { k: scalar(1) })],
    ['Relu of Relu', one('b = Relu(a)')],
    ['Abs of what is not negative', one('b = Abs(a)')],
    ['Reshape to the same shape', one('b = Reshape(a, s)', {}, { s: ints(2, -1) })],
    ['Flatten of a matrix', one('b = Flatten(a)', { axis: 1 })],
  ];
  for (const [name, before] of cases) it(name, () => removes(before, ['Relu', 'Neg']).then(() => {}));

  it('a Reshape proven equal through symbolic dims', () =>
    removes(
      model({
        inputs: { x: ['batch', 'time', 8] },
        outputs: ['y'],
        weights: { s: ints(0, -1, 8) },
        nodes: ['a = Relu(x)', 'b = Reshape(a, s)', 'y = Neg(b)'],
      }),
      ['Relu', 'Neg'],
    ).then(() => {}));

  it('a chain of reshapes that ends where it began', async () => {
    const before = model({
      inputs: { x: ['n', 4] },
      outputs: ['y'],
      weights: { ax: ints(1), s: ints(-1, 4) },
      nodes: ['a = Relu(x)', 'b = Unsqueeze(a, ax)', 'c = Reshape(b, s)', 'y = Neg(c)'],
    });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['Relu', 'Neg']);
    await expectSameOutputs(before, after.model);
  });

  it('a graph output keeps its name', async () => {
    const before = model({ inputs: { x: [2] }, outputs: ['y'], nodes: ['a = Relu(x)', 'y = Identity(a)'] });
    const after = await removes(before, ['Relu']);
    expect(after.graph.nodes[0]!.outputs).toEqual(['y']);
  });

  it('inside subgraphs and where subgraphs capture the value', () => {
    const branch = (op: string) => graph({ outputs: ['r'], nodes: ['i = Identity(b)', `r = ${op}(i)`] });
    return removes(
      model({
        inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
        outputs: ['y'],
        nodes: [
          'a = Relu(x)',
          'b = Identity(a)',
          node('y = If(c)', { then_branch: branch('Neg'), else_branch: branch('Exp') }),
        ],
      }),
      ['Relu', 'If'],
    ).then((after) => {
      for (const attribute of after.graph.nodes[1]!.attributes.values())
        expect(attribute.type === 'graph' && attribute.value.nodes.length).toBe(1);
    });
  });

  it('float16', () =>
    removes(
      model({
        inputs: { x: { dtype: 'float16', shape: [4] } },
        outputs: ['y'],
        weights: { k: scalar(1, 'float16') },
        nodes: ['a = Relu(x)', 'b = Mul(a, k)', 'y = Neg(b)'],
      }),
      ['Relu', 'Neg'],
    ).then(() => {}));
});

describe('eliminate-identity: what stays', () => {
  const one = (text: string, attributes = {}, weights = {}) =>
    model({ inputs: { x: [2, 3] }, outputs: ['y'], weights, nodes: [node(text, attributes), 'y = Neg(b)'] });
  const cases: [string, Model][] = [
    [
      'Cast to another dtype',
      model({ inputs: { x: [2] }, outputs: ['y'], nodes: [node('b = Cast(x)', { to: 11 }), 'y = Neg(b)'] }),
    ],
    ['Transpose out of order', one('b = Transpose(x)', { perm: [1, 0] })],
    ['Pad by something', one('b = Pad(x, p)', {}, { p: ints(0, 1, 0, 0) })],
    ['Slice of a part', one('b = Slice(x, s, e)', {}, { s: ints(0), e: ints(1) })],
    ['Slice backwards', one('b = Slice(x, s, e, ax, st)', {}, { s: ints(-1), e: ints(-9), ax: ints(0), st: ints(-1) })],
    ['Mul by almost 1', one('b = Mul(x, k)', {}, { k: scalar(1.0000001) })],
    ['1 divided', one('b = Div(k, x)', {}, { k: scalar(1) })],
    ['0 minus', one('b = Sub(k, x)', {}, { k: scalar(0) })],
    ['Add of a 0 that broadcasts', one('b = Add(x, k)', {}, { k: tensor([4, 1, 1], [0, 0, 0, 0]) })],
    ['Mul by a 1 of higher rank', one('b = Mul(x, k)', {}, { k: tensor([1, 1, 1], [1]) })],
    ['Expand to more', one('b = Expand(x, s)', {}, { s: ints(4, 1, 1) })],
    ['Reshape to another shape', one('b = Reshape(x, s)', {}, { s: ints(3, 2) })],
    ['Tile', one('b = Tile(x, r)', {}, { r: ints(1, 2) })],
  ];
  for (const [name, before] of cases) it(name, () => keeps(before));

  it('a Dropout whose mask is read', () =>
    keeps(model({ inputs: { x: [2] }, outputs: ['y', 'm'], nodes: ['b, m = Dropout(x)', 'y = Neg(b)'] })));
  it('an Identity between input and output', () =>
    keeps(model({ inputs: { x: [2] }, outputs: ['y'], nodes: ['y = Identity(x)'] })));
  it('an Identity between two outputs', () =>
    keeps(model({ inputs: { x: [2] }, outputs: ['a', 'y'], nodes: ['a = Relu(x)', 'y = Identity(a)'] })));
  it('a factor that the caller may override', () =>
    keeps(
      model({
        inputs: { x: [2], k: [] },
        outputs: ['y'],
        weights: { k: scalar(1) },
        nodes: ['b = Mul(x, k)', 'y = Neg(b)'],
      }),
    ));
  it('a Mul by 1 of unknown rank', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y'],
      weights: { k: tensor([1], [1]) },
      nodes: ['b = Mul(x, k)', 'y = Neg(b)'],
    });
    before.graph.inputs[0] = { name: 'x', type: { kind: 'tensor', dtype: 'float32' } };
    await keeps(before);
  });
  it('an Identity of an outer value that a branch returns', () => {
    const branch = graph({ outputs: ['r'], nodes: ['r = Identity(x)'] });
    return keeps(
      model({
        inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
        outputs: ['y'],
        nodes: [
          node('y = If(c)', { then_branch: branch, else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }) }),
        ],
      }),
    );
  });
});
