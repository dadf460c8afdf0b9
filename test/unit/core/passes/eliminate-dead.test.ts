import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, ints, model, node, noise, opsOf, scalar, tensor } from './helpers.ts';

const id = 'eliminate-dead';
const branchOf = (subject: { attributes: Map<string, { type: string; value?: unknown }> }, name: string) =>
  subject.attributes.get(name)!.value as Graph;

describe('eliminate-dead', () => {
  it('drops chains of nodes, weights and stale types that no output needs', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y'],
      weights: { k: scalar(2), unused: tensor([3], [1, 2, 3]), w: scalar(3) },
      nodes: ['y = Mul(x, k)', 'd1 = Add(x, w)', 'd2 = Exp(d1)', 'r = RandomUniformLike(d2)'],
    });
    before.graph.valueInfo.set('d1', { name: 'd1' });
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Mul']);
    expect([...after.model.graph.initializers.keys()]).toEqual(['k']);
    expect(after.model.graph.valueInfo.size).toBe(0);
    expect(fired(after, id)).toBe(5);
    await expectSameOutputs(before, after.model);
  });

  it('keeps what a subgraph captures, and drops it when only dead inner nodes did', async () => {
    const then = graph({ outputs: ['r'], nodes: ['r = Add(x, used)', 'dead = Mul(x, onlyDead)'] });
    const other = graph({ outputs: ['r'], weights: { inner: scalar(1) }, nodes: ['r = Neg(x)'] });
    const before = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: { used: scalar(1), onlyDead: scalar(2) },
      nodes: [node('y = If(c)', { then_branch: then, else_branch: other })],
    });
    const after = await apply(before, [id]);
    expect([...after.model.graph.initializers.keys()]).toEqual(['used']);
    expect(branchOf(after.model.graph.nodes[0]!, 'then_branch').nodes).toHaveLength(1);
    expect(branchOf(after.model.graph.nodes[0]!, 'else_branch').initializers.size).toBe(0);
    await expectSameOutputs(before, after.model);
  });

  it('drops outputs of an If that nobody reads, in both branches', async () => {
    const branch = (op: string) => graph({ outputs: ['p', 'q'], nodes: [`p = ${op}(x)`, 'q = Exp(x)'] });
    const before = model({
      inputs: { x: [2], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      nodes: [node('y, z = If(c)', { then_branch: branch('Neg'), else_branch: branch('Abs') })],
    });
    const after = await apply(before, [id]);
    const [owner] = after.model.graph.nodes;
    expect(owner!.outputs).toEqual(['y']);
    expect(branchOf(owner!, 'then_branch').nodes.map(({ opType }) => opType)).toEqual(['Neg']);
    await expectSameOutputs(before, after.model);
  });

  it('leaves out optional outputs that nobody reads', async () => {
    const before = model({
      inputs: { x: [5, 2, 4], i: [1, 1, 6, 6] },
      outputs: ['n', 'h', 'p'],
      weights: { g: noise(1, [4]), w: noise(2, [1, 9, 4]), r: noise(3, [1, 9, 3]) },
      nodes: [
        'n, mean, deviation = LayerNormalization(x, g)',
        node('y, h = GRU(x, w, r)', { hidden_size: 3 }),
        node('p, indices = MaxPool(i)', { kernel_shape: [2, 2] }),
      ],
    });
    const after = await apply(before, [id]);
    expect(after.model.graph.nodes.map(({ outputs }) => outputs)).toEqual([['n'], ['', 'h'], ['p']]);
    expect(fired(after, id)).toBe(3);
    await expectSameOutputs(before, after.model);
    expect(fired(await apply(after.model, [id]), id)).toBe(0);
  });

  it('keeps outputs that are read, or that an operator must have', async () => {
    const before = model({
      inputs: { x: [2, 6], c: { dtype: 'bool', shape: [] } },
      outputs: ['v', 'y'],
      weights: { k: ints(2), g: noise(1, [6]) },
      nodes: [
        'v, indices = TopK(x, k)',
        'n, mean = LayerNormalization(x, g)',
        node('y = If(c)', {
          then_branch: graph({ outputs: ['a'], nodes: ['a = Add(n, mean)'] }),
          else_branch: graph({ outputs: ['a'], nodes: ['a = Neg(x)'] }),
        }),
      ],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(0);
    await expectSameOutputs(before, after.model);
  });

  it('keeps inputs, overridable weights, and nodes of domains it does not know', async () => {
    const before = model({
      inputs: { x: [2], unusedInput: [1], k: [] },
      outputs: ['y'],
      weights: { k: scalar(2) },
      nodes: ['y = Relu(x)', 'side = acme.Log(x)'],
    });
    before.opsetImports.set('acme', 1);
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(0);
    expect(opsOf(after.model)).toEqual(['Relu', 'acme.Log']);
    expect(after.model.graph.inputs.map(({ name }) => name)).toEqual(['x', 'unusedInput', 'k']);
    expect([...after.model.graph.initializers.keys()]).toEqual(['k']);
  });

  it('does nothing to a graph that is all alive', async () => {
    const before = model({ inputs: { x: [2] }, outputs: ['y', 'a'], nodes: ['a = Relu(x)', 'y = Neg(a)'] });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });

  it('drops functions that nothing calls', async () => {
    const body = (name: string) => ({
      name,
      domain: 'local',
      inputs: ['a'],
      outputs: ['b'],
      attributeNames: [],
      attributeDefaults: new Map(),
      nodes: [node('b = Neg(a)'), node('dead = Exp(a)')],
      opsetImports: new Map([['', 17]]),
      valueInfo: new Map(),
    });
    const before = model({ inputs: { x: [2] }, outputs: ['y'], nodes: ['y = local.Used(x)'] });
    before.opsetImports.set('local', 1);
    before.functions.push(body('Used'), body('Unused'));
    const after = await apply(before, [id]);
    expect(after.model.functions.map(({ name }) => name)).toEqual(['Used']);
    expect(after.model.functions[0]!.nodes).toHaveLength(1);
    await expectSameOutputs(before, after.model);
  });

  it('takes 100,000 nodes in a row without a deep stack', async () => {
    const nodes = Array.from({ length: 100_000 }, (_, at) => `v${at + 1} = Relu(v${at})`);
    const before = model({ inputs: { v0: [1] }, outputs: ['v50000'], nodes });
    const after = await apply(before, [id]);
    expect(after.model.graph.nodes).toHaveLength(50_000);
  });
});
