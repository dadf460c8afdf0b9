/** Attention in half precision, as hubs serve models for WebGPU. */
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import type { HostTensor } from '../../../../src/core/step/define.ts';
import {
  apply,
  expectSameOutputs,
  feedsFor,
  fired,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  scalar,
} from './helpers.ts';

const MHA = 'com.microsoft.MultiHeadAttention';
const [heads, size] = [2, 8];
const width = heads * size;
const float16 = (...shape: (string | number)[]) => ({ dtype: 'float16', shape }) as const;
const weights = {
  heads: ints(0, 0, heads, size),
  flat: ints(0, 0, width),
  half: scalar(0.5, 'float16'),
  zero: scalar(0, 'float16'),
  inf: scalar(Number.NEGATIVE_INFINITY, 'float16'),
  lowest: scalar(-65504, 'float16'),
  wq: noise('wq', [width, width], 'float16', 0.3),
  wk: noise('wk', [width, width], 'float16', 0.3),
  wv: noise('wv', [width, width], 'float16', 0.3),
  bq: noise('bq', [width], 'float16'),
};
const split = (name: string): Parts['nodes'] => [
  `${name}4 = Reshape(${name}, heads)`,
  node(`${name}t = Transpose(${name}4)`, { perm: [0, 2, 1, 3] }),
];
const heading = [...split('q'), ...split('k'), ...split('v'), node('kk = Transpose(kt)', { perm: [0, 1, 3, 2] })];
const scaled = ['r = MatMul(qt, kk)', 's = Mul(r, half)'];
const softmax = (scores: string) => node(`p = Softmax(${scores})`, { axis: -1 });
const tail = (p = 'p') => [
  `o = MatMul(${p}, vt)`,
  node('ot = Transpose(o)', { perm: [0, 2, 1, 3] }),
  'y = Reshape(ot, flat)',
];
const inputs = { q: float16('b', 's', width), k: float16('b', 't', width), v: float16('b', 't', width) };
const mask = { m: { dtype: 'bool', shape: ['b', 1, 's', 't'] } } as const;
const made = (nodes: Parts['nodes'], more: Parts['inputs'] = {}): Model =>
  model({ opset: 23, inputs: { ...inputs, ...more }, outputs: ['y'], weights, nodes });

async function fuses(before: Model, ids: string[], left: string[], feeds?: Map<string, HostTensor>) {
  const after = await apply(before, [...ids, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative: 4e-3, ...(feeds && { feeds }) });
}

/** The middle row has no key. */
async function feedsWithEmptyRow(before: Model) {
  const feeds = await feedsFor(before);
  const given = feeds.get('m')!;
  feeds.set('m', { ...given, data: Uint8Array.from(given.data, (_, at) => Number(Math.floor(at / 3) % 3 !== 1)) });
  return feeds;
}

describe('fuse-attention: half precision', () => {
  it('written out, with a bias of a projection', async () => {
    const before = made(['q = Add(q0, bq)', ...heading, ...scaled, softmax('s'), ...tail()], { q0: inputs.q });
    before.graph.inputs = before.graph.inputs.filter(({ name }) => name !== 'q');
    await fuses(before, ['fuse-attention'], [MHA]);
  });

  it('rows without any key give zeros, not NaN', async () => {
    const guarded = ['n = IsNaN(p)', 'g = Where(n, zero, p)', ...tail('g')];
    const before = made([...heading, ...scaled, 'w = Where(m, s, inf)', softmax('w'), ...guarded], mask);
    const left = ['Where', MHA, 'Cast', 'ReduceMax', 'Squeeze', 'Mul'];
    await fuses(before, ['fuse-attention'], left, await feedsWithEmptyRow(before));
  });

  it('the standard operator', async () => {
    const before = made([...heading.slice(0, -1), 'o = Attention(qt, kt, vt, m)', ...tail().slice(1)], mask);
    const left = ['Where', MHA, 'Cast', 'ReduceMax', 'Squeeze', 'Mul'];
    await fuses(before, ['fuse-attention'], left, await feedsWithEmptyRow(before));
  });

  it('grouped, where the standard operator is causal', async () => {
    const causal = node('o = Attention(qt, kt, vt)', { is_causal: 1 });
    const same = float16('b', 's', width);
    const nodes = [...heading.slice(0, -1), causal, ...tail().slice(1)];
    const before = model({ opset: 23, inputs: { q: same, k: same, v: same }, outputs: ['y'], weights, nodes });
    const after = await apply(before, ['fuse-grouped-attention', 'eliminate-dead']);
    expect(fired(after, 'fuse-grouped-attention')).toBe(1);
    await expectSameOutputs(before, after.model, { relative: 4e-3 });
  });

  it('a fill that a sum could make infinite stays as it is', async () => {
    const before = made([...heading, ...scaled, 'w = Where(m, s, lowest)', softmax('w'), ...tail()], mask);
    expect(fired(await apply(before, ['fuse-attention']), 'fuse-attention')).toBe(0);
  });
});

it('pack-qkv: half precision', async () => {
  const products = ['q = MatMul(x, wq)', 'k = MatMul(x, wk)', 'v = MatMul(x, wv)'];
  const before = model({
    opset: 17,
    inputs: { x: float16('b', 's', width) },
    outputs: ['y'],
    weights,
    nodes: [...products, ...heading, ...scaled, softmax('s'), ...tail()],
  });
  await fuses(before, ['fuse-attention', 'pack-qkv'], ['com.microsoft.Attention']);
});
