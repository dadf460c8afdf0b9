import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, graph, model, node, noise, scalar, tensor } from './helpers.ts';

const id = 'dedupe-initializers';

describe('dedupe-initializers', () => {
  it('keeps one of equal weights, small and large', async () => {
    const large = () => noise('w', [64, 64]);
    const before = model({
      inputs: { x: [2, 64] },
      outputs: ['y'],
      weights: { w1: large(), w2: large(), b1: scalar(0.5), b2: scalar(0.5) },
      nodes: ['a = MatMul(x, w1)', 'b = Add(a, b1)', 'c = MatMul(b, w2)', 'y = Add(c, b2)'],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    expect([...after.model.graph.initializers.keys()]).toEqual(['w1', 'b1']);
    await expectSameOutputs(before, after.model);
  });

  it('tells apart dtype, dims, and one differing byte', async () => {
    const changed = noise('w', [64, 64]);
    if (changed.data.kind === 'bytes') changed.data.bytes[8001]! ^= 1;
    const before = model({
      inputs: { x: [64, 64] },
      outputs: ['y', 'z'],
      weights: { w1: noise('w', [64, 64]), w2: changed, s: scalar(1), v: tensor([1], [1]), i: scalar(1, 'int32') },
      nodes: ['a = MatMul(x, w1)', 'b = Mul(a, s)', 'c = Add(b, v)', 'y = MatMul(c, w2)', 'z = Add(i, i)'],
    });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('leaves what callers may override or the graph returns', async () => {
    const before = model({
      inputs: { x: [2], k1: [] },
      outputs: ['y', 'k2'],
      weights: { k1: scalar(3), k2: scalar(3), k3: scalar(3) },
      nodes: ['a = Mul(x, k1)', 'b = Add(a, k2)', 'y = Sub(b, k3)'],
    });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  const inSubgraphs = (localName: string) =>
    model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: { outer: scalar(7) },
      nodes: [
        's = Add(x, outer)',
        node('t = If(c)', {
          then_branch: graph({ outputs: ['r'], weights: { inner: scalar(7) }, nodes: ['r = Mul(x, inner)'] }),
          else_branch: graph({
            outputs: ['r'],
            weights: { [localName]: scalar(1), inner: scalar(7) },
            nodes: [`t = Add(x, ${localName})`, 'r = Mul(t, inner)'],
          }),
        }),
        'y = Add(s, t)',
      ],
    });

  it('lets a subgraph use the equal weight around it', async () => {
    const before = inSubgraphs('another');
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    await expectSameOutputs(before, after.model, { seeds: 3 });
  });

  it('but not where some graph hides that name', async () => {
    const before = inSubgraphs('outer');
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(0);
    await expectSameOutputs(before, after.model);
  });
});
