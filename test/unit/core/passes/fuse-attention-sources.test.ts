import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { fuses, heads, id, inputs, ints1, MHA, size, softmax, split, tail, weights, width } from './attention-parts.ts';
import { apply, expectSameOutputs, feedsFor, ints, model, node, noise, opsOf, type Parts } from './helpers.ts';

const joined = (...more: Parts['nodes']): Parts['nodes'] => [
  ...split('q'),
  ...split('k'),
  ...split('v', 'v').map((item) =>
    typeof item === 'string' ? item : node('vn = Transpose(v4)', { perm: [0, 2, 1, 3] }),
  ),
  node('ka = Concat(pk, kt)', { axis: 2 }),
  node('vt = Concat(pv, vn)', { axis: -2 }),
  node('kb = Transpose(ka)', { perm: [0, 1, 3, 2] }),
  's = MatMul(qt, kb)',
  ...more,
  ...tail(),
];
const past = ['b', heads, 'p', size] as const;
const own = { q: ['b', 's', width], k: ['b', 's', width], v: ['b', 's', width], pk: past, pv: past } as const;

it('a cache of earlier keys and values becomes part of it, with biases, and outputs of the joins stay', async () => {
  const { k: _, ...withoutKey } = own;
  const before = model({
    inputs: { ...withoutKey, k0: ['b', 's', width], m: ['b', 1, 's', 's + p'] },
    outputs: ['y', 'ka', 'vt'],
    weights,
    nodes: ['k = Add(k0, bq)', ...joined('r = Mul(half, s)', 'z = Add(r, m)', softmax('z'))],
  });
  const feeds = new Map(await feedsFor(before));
  const mask = feeds.get('m')!;
  feeds.set('m', {
    ...mask,
    dims: [3, 1, 3, 6],
    data: new Uint8Array(Float32Array.from({ length: 54 }, Math.sin).buffer),
  });
  const after = await fuses(before, [MHA], { feeds });
  expect(after.graph.nodes[0]!.inputs.slice(-2)).toEqual(['pk', 'pv']);
  expect(after.graph.nodes[0]!.outputs.slice(1)).toEqual(['ka', 'vt']);
});

it('a cache whose keys and values have lengths of two names, as dynamo writes it', async () => {
  const before = model({
    inputs: { ...own, pv: ['b', heads, 'r', size] },
    outputs: ['y', 'ka', 'vt'],
    weights,
    nodes: joined(softmax('s')),
  });
  const after = await fuses(before, [MHA]);
  expect(after.graph.nodes[0]!.inputs.slice(-2)).toEqual(['pk', 'pv']);
});

it('an empty cache, and a scale behind the join', async () => {
  const nodes = joined(softmax('s')).map((item) =>
    item instanceof Object && item.outputs[0] === 'kb'
      ? ['k9 = Mul(ka, half)', node('kb = Transpose(k9)', { perm: [0, 1, 3, 2] })]
      : [item],
  );
  const before = model({ inputs: own, outputs: ['y'], weights, nodes: nodes.flat() });
  const feeds = new Map(await feedsFor(before));
  await fuses(before, [MHA]);
  for (const name of ['pk', 'pv'])
    feeds.set(name, { dtype: 'float32', dims: [3, heads, 0, size], data: new Uint8Array() });
  await fuses(before, [MHA], { feeds });
});

const outside: [string, Model, string[]][] = [
  [
    'one with as many new keys as there are not queries',
    model({
      inputs: { ...inputs, pk: past, pv: past },
      outputs: ['y', 'ka', 'vt'],
      weights,
      nodes: joined(softmax('s')),
    }),
    ['Reshape', 'Transpose', 'Reshape', 'Transpose', 'Concat', 'Concat', MHA],
  ],
  [
    'one whose joined keys something else reads: a mask may depend on them',
    model({ inputs: own, outputs: ['y', 'n'], weights, nodes: [...joined(softmax('s')), 'n = Shape(ka)'] }),
    ['Reshape', 'Transpose', 'Reshape', 'Transpose', 'Concat', 'Concat', 'Shape', MHA],
  ],
  [
    'one with a mask that has to be repeated for all keys',
    model({
      inputs: { ...own, m: ['b', 1, 's', 1] },
      outputs: ['y'],
      weights,
      nodes: joined('z = Add(s, m)', softmax('z')),
    }),
    ['Reshape', 'Transpose', 'Reshape', 'Transpose', 'Concat', 'Concat', 'Shape', 'Concat', 'Expand', MHA],
  ],
];
for (const [name, before, left] of outside)
  it(`a cache stays outside: ${name}`, async () => {
    const after = await fuses(before, expect.arrayContaining([MHA]) as unknown as string[]);
    expect(opsOf(after).sort()).toEqual([...left].sort());
  });

describe('three that one product makes, told apart after their heads', () => {
  const whole = { w: ['b', 's', 3 * width] } as const;
  const more = {
    five: ints(0, 0, 3, heads, size),
    zero0: ints1(0),
    one0: ints1(1),
    last0: ints1(-1),
    axis0: ints(0),
  };
  const packed = (taken: Parts['nodes'], last: Parts['nodes'] = [], outputs = ['y'], shape: Parts['inputs'] = whole) =>
    model({
      inputs: shape,
      outputs,
      weights: { ...weights, ...more },
      nodes: [
        'w5 = Reshape(w, five)',
        node('wt = Transpose(w5)', { perm: [2, 0, 3, 1, 4] }),
        ...taken,
        node('kt = Transpose(k3)', { perm: [0, 1, 3, 2] }),
        'q3 = Mul(qt, half)',
        's = MatMul(q3, kt)',
        softmax('s'),
        ...tail(),
        ...last,
      ],
    });
  const gathered = ['qt = Gather(wt, zero0)', 'k3 = Gather(wt, one0)', 'vt = Gather(wt, last0)'];
  it('by Gather', async () => void (await fuses(packed(gathered), ['Split', MHA])));
  it('by Split and Squeeze', async () => {
    const squeezed = ['qt = Squeeze(a, axis0)', 'k3 = Squeeze(b, axis0)', 'vt = Squeeze(c, axis0)'];
    await fuses(packed([node('a, b, c = Split(wt)', { axis: 0 }), ...squeezed]), ['Split', MHA]);
  });
  it('and then one product of its own makes it an Attention', async () => {
    const before = packed(gathered, [], ['y'], { x: ['b', 's', 6] });
    before.graph.nodes.unshift(node('w0 = MatMul(x, w3)'), node('w = Add(b3, w0)'));
    before.graph.initializers.set('w3', { ...noise('w3', [6, 3 * width]), name: 'w3' });
    before.graph.initializers.set('b3', { ...noise('b3', [3 * width]), name: 'b3' });
    const after = await apply(before, [id, 'pack-qkv', 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['com.microsoft.Attention']);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });
  const rest = ['Reshape', 'Transpose', 'Gather', 'Gather', 'Gather', 'Transpose', 'Reshape'];
  it('key and value the other way round are taken as they are', async () => {
    const turned = ['qt = Gather(wt, zero0)', 'k3 = Gather(wt, last0)', 'vt = Gather(wt, one0)'];
    await fuses(packed(turned), [...rest, MHA]);
  });
  it('keys that are also the values are taken as they are', async () => {
    await fuses(
      packed(['qt = Gather(wt, zero0)', 'k3 = Gather(wt, one0)', 'vt = Identity(k3)']),
      expect.arrayContaining([MHA, 'Gather']) as unknown as string[],
    );
  });
});
