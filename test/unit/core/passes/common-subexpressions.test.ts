import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, float, graph, model, node, opsOf } from './helpers.ts';

const id = 'common-subexpressions';

describe('common-subexpressions', () => {
  it('merges equal chains in one go', async () => {
    const before = model({
      inputs: { x: [2, 3] },
      outputs: ['y'],
      nodes: ['a = Relu(x)', 'b = Exp(a)', 'c = Relu(x)', 'd = Exp(c)', 'y = Add(b, d)'],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    expect(opsOf(after.model)).toEqual(['Relu', 'Exp', 'Add']);
    await expectSameOutputs(before, after.model);
  });

  it('keeps the name of a graph output, whichever of the two it is', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y', 'z'],
      nodes: ['a = Relu(x)', 'z = Neg(a)', 'y = Relu(x)'],
    });
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Relu', 'Neg']);
    await expectSameOutputs(before, after.model);
  });

  it('leaves two that are both returned', async () => {
    const before = model({ inputs: { x: [2] }, outputs: ['y', 'z'], nodes: ['y = Relu(x)', 'z = Relu(x)'] });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('tells attributes, input order and omitted inputs apart', async () => {
    const before = model({
      inputs: { x: [2], z: [2] },
      outputs: ['y'],
      nodes: [
        node('a = LeakyRelu(x)', { alpha: float(0.1) }),
        node('b = LeakyRelu(x)', { alpha: float(0.2) }),
        'c = Sub(x, z)',
        'd = Sub(z, x)',
        'e = Clip(x, z0)',
        'f = Clip(x, , z0)',
        'y = Sum(a, b, c, d, e, f)',
      ],
      weights: {},
    });
    before.graph.inputs.push({ name: 'z0', type: { kind: 'tensor', dtype: 'float32', shape: [] } });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('never merges random nodes or nodes with subgraphs', async () => {
    const branch = graph({ outputs: ['r'], nodes: ['r = Neg(x)'] });
    const before = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [
        'a = RandomUniformLike(x)',
        'b = RandomUniformLike(x)',
        node('d = If(c)', { then_branch: branch, else_branch: branch }),
        node('e = If(c)', { then_branch: branch, else_branch: branch }),
        'y = Sum(a, b, d, e)',
      ],
    });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('merges nodes with several outputs only where all that is read is there', async () => {
    const before = model({
      inputs: { x: [2, 4] },
      outputs: ['y'],
      opset: 13,
      nodes: [
        node('a, b = Split(x)', { axis: 1 }),
        node('c, d = Split(x)', { axis: 1 }),
        'e, f = Dropout(x)',
        'g = Dropout(x)',
        's = Add(a, d)',
        'h = Add(e, g)',
        'm = ReduceSum(h)',
        'y = Add(s, m)',
      ],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    await expectSameOutputs(before, after.model);
  });

  it('merges inside a subgraph', async () => {
    const then = graph({ outputs: ['r'], nodes: ['a = Exp(x)', 'b = Exp(x)', 'r = Add(a, b)'] });
    const before = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [node('y = If(c)', { then_branch: then, else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }) })],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model);
  });
});
