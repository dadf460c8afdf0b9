import { describe, expect, it } from 'vitest';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, model, node, noise, opsOf } from './helpers.ts';

const id = 'fuse-skip-norm';
type Parts = Parameters<typeof model>[0];

const norms = {
  layer: 'LayerNormalization(s, gamma, beta)',
  'layer without beta': 'LayerNormalization(s, gamma)',
  rms: 'SimplifiedLayerNormalization(s, gamma)',
} as const;
const fusedName = (kind: keyof typeof norms) =>
  `com.microsoft.${kind === 'rms' ? 'SkipSimplifiedLayerNormalization' : 'SkipLayerNormalization'}`;

function block(kind: keyof typeof norms, parts: Partial<Parts> = {}, before: (string | Node)[] = ['s = Add(x, z)']) {
  return model({
    inputs: { x: ['b', 't', 8], z: ['b', 't', 8] },
    outputs: ['y'],
    weights: weightsFor('float32'),
    nodes: [...before, node(`y = ${norms[kind]}`, { axis: -1, epsilon: float(1e-3) })],
    ...parts,
  });
}
const weightsFor = (dtype: DType) => ({
  gamma: noise('gamma', [8], dtype),
  beta: noise('beta', [8], dtype),
  bias: noise('bias', [8], dtype),
  wide: noise('wide', [1, 8], dtype),
});

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

describe('fuse-skip-norm: what fuses', () => {
  for (const kind of Object.keys(norms) as (keyof typeof norms)[]) {
    it(`${kind}: a residual`, async () => {
      const after = await fuses(block(kind), [fusedName(kind)]);
      expect(after.graph.nodes[0]!.outputs).toEqual(['y']);
      expect(after.opsetImports.get('com.microsoft')).toBe(1);
    });
    it(`${kind}: with a bias on either side`, async () => {
      await fuses(block(kind, {}, ['p = Add(x, bias)', 's = Add(p, z)']), [fusedName(kind)]);
      await fuses(block(kind, {}, ['p = Add(bias, z)', 's = Add(x, p)']), [fusedName(kind)]);
    });
    it(`${kind}: the sum goes on, as an output of the graph too`, async () => {
      const after = await fuses(block(kind, { outputs: ['y', 'n', 's'] }, ['s = Add(x, z)', 'n = Neg(s)']), [
        fusedName(kind),
        'Neg',
      ]);
      expect(after.graph.nodes[0]!.outputs).toEqual(['y', '', '', 's']);
    });
    it(`${kind}: matrices, and half precision`, async () => {
      await fuses(block(kind, { inputs: { x: [5, 8], z: [5, 8] } }), [fusedName(kind)]);
      const half = { dtype: 'float16', shape: [2, 3, 8] } as const;
      const before = block(kind, { inputs: { x: half, z: half }, weights: weightsFor('float16') });
      await fuses(before, [fusedName(kind)], 5e-3);
    });
  }

  it('position embeddings, one matrix for all of a batch, on either side, with the bias on the other', async () => {
    for (const z of [
      [1, 't', 8],
      ['t', 8],
    ]) {
      await fuses(block('layer', { inputs: { x: ['b', 't', 8], z } }), [fusedName('layer')]);
      await fuses(block('rms', { inputs: { x: ['b', 't', 8], z } }, ['s = Add(z, x)']), [fusedName('rms')]);
      const biased = ['p = Add(x, bias)', 's = Add(z, p)'];
      await fuses(block('layer', { inputs: { x: ['b', 't', 8], z } }, biased), [fusedName('layer')]);
      const other = block('rms', { inputs: { x: ['b', 't', 8], z } }, ['p = Add(z, bias)', 's = Add(x, p)']);
      await fuses(other, ['Add', fusedName('rms')]);
    }
  });

  it('RMSNormalization of opset 23', () => {
    const before = block('rms', { opset: 23 });
    before.graph.nodes[1]!.opType = 'RMSNormalization';
    return fuses(before, [fusedName('rms')]).then(() => {});
  });

  it('two blocks in a row: the sum of the first is the skip of the second', async () => {
    const before = block('rms', { outputs: ['v'] });
    before.graph.nodes.push(
      node('f = Tanh(y)'),
      node('t = Add(s, f)'),
      node('v = SimplifiedLayerNormalization(t, gamma)', { axis: 2, epsilon: float(1e-3) }),
    );
    await fuses(before, [fusedName('rms'), 'Tanh', fusedName('rms')]);
  });

  it('of two norms of one sum the first', async () => {
    const before = block('rms', { outputs: ['y', 'v'] });
    before.graph.nodes.push(node('v = LayerNormalization(s, gamma, beta)', { axis: -1 }));
    await fuses(before, [fusedName('rms'), 'LayerNormalization']);
  });

  it('inside a subgraph that captures both operands', async () => {
    const branch = (nodes: Parts['nodes']) => graph({ outputs: ['out'], nodes });
    const before = model({
      inputs: { x: [2, 3, 8], z: [2, 3, 8], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: weightsFor('float32'),
      nodes: [
        node('y = If(c)', {
          then_branch: branch(['s = Add(x, z)', 'out = LayerNormalization(s, gamma, beta)']),
          else_branch: branch(['out = Neg(x)']),
        }),
      ],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });

  it('a sum that a subgraph reads stays readable', async () => {
    const before = block('layer', {
      inputs: { x: [2, 3, 8], z: [2, 3, 8], c: { dtype: 'bool', shape: [] } },
      outputs: ['y', 'o'],
    });
    before.graph.nodes.push(
      node('o = If(c)', {
        then_branch: graph({ outputs: ['out'], nodes: ['out = Exp(s)'] }),
        else_branch: graph({ outputs: ['out'], nodes: ['out = Neg(x)'] }),
      }),
    );
    await fuses(before, [fusedName('layer'), 'If']);
  });
});

describe('fuse-skip-norm: what stays', () => {
  const cases: [string, Model][] = [
    ['a skip that is broadcast over the rows', block('layer', { inputs: { x: [2, 3, 8], z: [2, 1, 8] } })],
    ['a skip that is a vector', block('layer', { inputs: { x: [2, 3, 8], z: [8] } })],
    ['operands that are broadcast both ways', block('layer', { inputs: { x: [2, 1, 8], z: [1, 3, 8] } })],
    ['a matrix beside one row', block('layer', { inputs: { x: [3, 8], z: [1, 8] } })],
    ['shapes that are not known to be equal', block('layer', { inputs: { x: ['b', 't', 8], z: ['c', 't', 8] } })],
    ['four dims', block('layer', { inputs: { x: [2, 2, 3, 8], z: [2, 2, 3, 8] } })],
    [
      'double precision',
      block('layer', {
        inputs: { x: { dtype: 'float64', shape: [2, 3, 8] }, z: { dtype: 'float64', shape: [2, 3, 8] } },
        weights: weightsFor('float64'),
      }),
    ],
    ['a difference', block('layer', {}, ['s = Sub(x, z)'])],
    ['a weight that callers may override', block('rms', { inputs: { x: [2, 3, 8], z: [2, 3, 8], gamma: [8] } })],
    [
      'statistics that are read',
      model({
        inputs: { x: [2, 3, 8], z: [2, 3, 8] },
        outputs: ['y', 'm'],
        weights: weightsFor('float32'),
        nodes: ['s = Add(x, z)', 'y, m = LayerNormalization(s, gamma, beta)'],
      }),
    ],
  ];
  for (const [name, before] of cases) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));

  it('over two axes', async () => {
    const before = block('layer', {
      inputs: { x: [2, 1, 8], z: [2, 1, 8] },
      weights: { ...weightsFor('float32'), gamma: noise(1, [1, 8]), beta: noise(2, [1, 8]) },
    });
    before.graph.nodes[1]!.attributes.set('axis', { type: 'int', value: -2n });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });
  it('a bias of another shape, or one that others read: an Add of its own', async () => {
    const left = ['Add', fusedName('rms')];
    await fuses(block('rms', {}, ['p = Add(x, wide)', 's = Add(p, z)']), left);
    await fuses(block('rms', { outputs: ['y', 'p'] }, ['p = Add(x, bias)', 's = Add(p, z)']), left);
  });
  it('everything, where operators have to be standard', async () => {
    const after = await apply(block('layer'), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });
});
