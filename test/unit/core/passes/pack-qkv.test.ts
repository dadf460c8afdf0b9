import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, ints, model, node, noise, opsOf, type Parts } from './helpers.ts';

const id = 'pack-qkv';
const [heads, size, wide] = [2, 4, 6];
const hidden = heads * size;
const ATTENTION = 'com.microsoft.Attention';

const weights = {
  wq: noise('wq', [wide, hidden]),
  wk: noise('wk', [wide, hidden]),
  wv: noise('wv', [wide, hidden]),
  w3: noise('w3', [wide, 3 * hidden]),
  b3: noise('b3', [3 * hidden]),
  thirds: ints(hidden, hidden, hidden),
  others: ints(hidden, 4, hidden + 4),
};
const products = ['q = MatMul(x, wq)', 'k = MatMul(x, wk)', 'v = MatMul(x, wv)'];
const attend = (inputs: string, attributes: Parameters<typeof node>[1] = {}, output = 'y') =>
  node(`${output} = com.microsoft.MultiHeadAttention(${inputs})`, { num_heads: heads, ...attributes });
const made = (nodes: Parts['nodes'], parts: Partial<Parts> = {}): Model =>
  model({ inputs: { x: ['b', 's', wide] }, outputs: ['y'], weights, nodes, contrib: true, ...parts });
const cut = (from: string, sizes = 'thirds') => node(`q,k,v = Split(${from}, ${sizes})`, { axis: 2 });
const masked = { inputs: { x: ['b', 's', wide], m: ['b', 1, 's', 's'] } } as const;

async function packs(before: Model, times = 1, left: string[] = [ATTENTION]) {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(times);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative: 1e-5 });
  return after.model;
}

describe('pack-qkv', () => {
  const cases: [string, Model][] = [
    ['three products', made([...products, attend('q, k, v')])],
    ['their biases and a scale', made([...products, attend('q, k, v, b3', { scale: float(0.3) })])],
    ['something added to the scores', made([...products, attend('q, k, v, b3, , m')], masked)],
    ['a mask and no bias', made([...products, attend('q, k, v, , , m')], masked)],
    ['one product, cut in three', made(['p = MatMul(x, w3)', cut('p'), attend('q, k, v')])],
    ['one product, its bias, cut in three', made(['p = MatMul(x, w3)', 'a = Add(b3, p)', cut('a'), attend('q, k, v')])],
    ['one product, cut in three, the bias behind', made(['p = MatMul(x, w3)', cut('p'), attend('q, k, v, b3')])],
    [
      'cut in as many parts as there are outputs',
      made(['p = MatMul(x, w3)', node('q,k,v = Split(p)', { axis: -1 }), attend('q, k, v')]),
    ],
  ];
  for (const [name, before] of cases) it(name, async () => void (await packs(before)));

  it('weights that are many slabs long keep their rows', async () => {
    const rows = 2600;
    const tall = { wq: noise(1, [rows, 512]), wk: noise(2, [rows, 512]), wv: noise(3, [rows, 512]) };
    const before = made([...products, attend('q, k, v')], { inputs: { x: [1, 3, rows] }, weights: tall });
    const after = await packs(before);
    expect(after.graph.initializers.get('wq.qkv')?.dims).toEqual([rows, 3 * 512]);
  });

  it('layers with the same weights share the packed ones', async () => {
    const again = ['r = MatMul(z, wq)', 'l = MatMul(z, wk)', 'u = MatMul(z, wv)'];
    const before = made([...products, attend('q, k, v'), ...again, attend('r, l, u', {}, 'o')], {
      inputs: { x: ['b', 's', wide], z: ['b', 't', wide] },
      outputs: ['y', 'o'],
    });
    const after = await packs(before, 2, [ATTENTION, ATTENTION]);
    expect([...after.graph.initializers.keys()].filter((name) => name.includes('qkv'))).toHaveLength(1);
    expect(after.graph.initializers.has('wq')).toBe(false);
  });

  it('the sizes that it was cut by go with the Split', async () => {
    const after = await packs(made(['p = MatMul(x, w3)', cut('p'), attend('q, k, v')]));
    expect(after.graph.initializers.has('thirds')).toBe(false);
  });

  const near: [string, Model][] = [
    [
      'keys of another input',
      made(['q = MatMul(x, wq)', 'k = MatMul(z, wk)', 'v = MatMul(z, wv)', attend('q, k, v')], {
        inputs: { x: ['b', 's', wide], z: ['b', 's', wide] },
      }),
    ],
    ['a product that is an output', made([...products, attend('q, k, v')], { outputs: ['y', 'k'] })],
    ['a product with another reader', made([...products, 'n = Neg(k)', attend('q, k, v')], { outputs: ['y', 'n'] })],
    ['one product for key and value', made([...products.slice(0, 2), attend('q, k, k')])],
    [
      'a weight that something else reads',
      made([...products, 'n = MatMul(x, wq)', attend('q, k, v')], { outputs: ['y', 'n'] }),
    ],
    ['one weight twice', made(['q = MatMul(x, wq)', 'k = MatMul(x, wq)', 'v = MatMul(x, wv)', attend('q, k, v')])],
    [
      'values of another width',
      made([...products, attend('q, k, v')], { weights: { ...weights, wv: noise('wv', [wide, 4]) } }),
    ],
    [
      'a weight that the caller may give',
      made([...products, attend('q, k, v')], { inputs: { x: ['b', 's', wide], wq: [wide, hidden] } }),
    ],
    [
      'present keys as outputs',
      made([...products, node('y,pk,pv = com.microsoft.MultiHeadAttention(q, k, v)', { num_heads: heads })], {
        outputs: ['y', 'pk', 'pv'],
      }),
    ],
    [
      'a mask of keys',
      made([...products, attend('q, k, v, , m')], {
        inputs: { x: [2, 3, wide], m: { dtype: 'int32', shape: [2, 3] } },
      }),
    ],
    [
      'weights in a precision that the operator has no type for',
      made([...products, attend('q, k, v')], {
        inputs: { x: { dtype: 'bfloat16', shape: ['b', 's', wide] } },
        weights: Object.fromEntries(['wq', 'wk', 'wv'].map((name) => [name, noise(name, [wide, hidden], 'bfloat16')])),
      }),
    ],
    ['one product, cut elsewhere', made(['p = MatMul(x, w3)', cut('p', 'others'), attend('q, k, v')])],
    ['one product, cut in another order', made(['p = MatMul(x, w3)', cut('p'), attend('k, q, v')])],
    ['one product with two biases', made(['p = MatMul(x, w3)', 'a = Add(b3, p)', cut('a'), attend('q, k, v, b3')])],
  ];
  for (const [name, before] of near)
    it(`leaves ${name}`, async () => {
      expect(fired(await apply(before, [id]), id)).toBe(0);
    });

  it('leaves everything where operators have to be standard', async () => {
    const after = await apply(made([...products, attend('q, k, v')]), [id], {
      params: { [id]: { operators: 'standard' } },
    });
    expect(fired(after, id)).toBe(0);
  });

  for (const quantizer of ['weight-int8', 'dynamic-int8'])
    it(`runs after ${quantizer}, which finds all three products`, async () => {
      const square = (name: string) => noise(name, [64, 64]);
      const before = made([...products, attend('q, k, v')], {
        inputs: { x: ['b', 's', 64] },
        weights: { wq: square('q'), wk: square('k'), wv: square('v') },
      });
      const after = await apply(before, [quantizer, id]);
      expect(fired(after, quantizer)).toBeGreaterThan(0);
      expect(fired(after, id)).toBe(0);
      const alone = await apply(before, [quantizer]);
      expect(opsOf(after.model)).toEqual(opsOf(alone.model));
    });
});
