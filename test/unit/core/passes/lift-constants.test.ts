import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, float, graph, ints, model, node, opsOf, scalar, tensor } from './helpers.ts';

const id = 'lift-constants';

describe('lift-constants', () => {
  it('lifts every form of value to an initializer of the same name', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y', 'z'],
      nodes: [
        node('t = Constant()', { value: tensor([2], [1, 2]) }),
        node('f = Constant()', { value_float: float(0.5) }),
        node('fs = Constant()', { value_floats: [float(3), float(4)] }),
        node('i = Constant()', { value_int: 1 }),
        node('is = Constant()', { value_ints: [1, 2] }),
        'a = Add(x, t)',
        'b = Mul(a, f)',
        'y = Sub(b, fs)',
        'z = Add(i, is)',
      ],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(5);
    expect(opsOf(after.model)).toEqual(['Add', 'Mul', 'Sub', 'Add']);
    expect([...after.model.graph.initializers.keys()]).toEqual(['t', 'f', 'fs', 'i', 'is']);
    await expectSameOutputs(before, after.model);
  });

  it('lifts inside subgraphs, into the subgraph', async () => {
    const branch = (value: number) =>
      graph({ outputs: ['r'], nodes: [node('k = Constant()', { value: scalar(value) }), 'r = Mul(x, k)'] });
    const before = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [node('y = If(c)', { then_branch: branch(2), else_branch: branch(3) })],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    expect(after.model.graph.initializers.size).toBe(0);
    await expectSameOutputs(before, after.model);
  });

  it('leaves a Constant that the graph returns', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y', 'k'],
      nodes: [node('k = Constant()', { value: ints(7) }), 'y = Relu(x)'],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(0);
    expect(opsOf(after.model)).toEqual(['Constant', 'Relu']);
    await expectSameOutputs(before, after.model);
  });
});
