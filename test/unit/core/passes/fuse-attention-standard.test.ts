import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import type { HostTensor } from '../../../../src/core/step/define.ts';
import {
  apply,
  expectSameOutputs,
  feedsFor,
  fired,
  float,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  scalar,
  tensor,
} from './helpers.ts';

const MHA = 'com.microsoft.MultiHeadAttention';
const GQA = 'com.microsoft.GroupQueryAttention';
const fusions = ['fuse-grouped-attention', 'fuse-attention'];
const [heads, kvHeads, size] = [4, 2, 8];
const width = heads * size;
const narrow = kvHeads * size;
type Nodes = Parts['nodes'];

const weights = {
  heads: ints(0, 0, heads, size),
  kvHeads: ints(0, 0, kvHeads, size),
  flat: ints(0, 0, width),
  half: scalar(0.5),
  zero: scalar(0),
  inf: scalar(Number.NEGATIVE_INFINITY),
  lowest: scalar(-3.4e38),
  bq: noise('bq', [width]),
};
const split = (name: string, target = 'heads'): Nodes => [
  `${name}4 = Reshape(${name}, ${target})`,
  node(`${name}t = Transpose(${name}4)`, { perm: [0, 2, 1, 3] }),
];
const heading: Nodes = [...split('q'), ...split('k'), ...split('v')];
const grouped: Nodes = [...split('q'), ...split('k', 'kvHeads'), ...split('v', 'kvHeads')];
const tail: Nodes = [node('ot = Transpose(o)', { perm: [0, 2, 1, 3] }), 'y = Reshape(ot, flat)'];
const inputs = { q: ['b', 's', width], k: ['b', 't', width], v: ['b', 't', width] } as const;
const bool = (...shape: (string | number)[]) => ({ dtype: 'bool', shape }) as const;
const written = (attention: Nodes, parts: Partial<Parts> = {}): Model =>
  model({ opset: 23, inputs, outputs: ['y'], weights, nodes: [...heading, ...attention, ...tail], ...parts });
const masked = (shape: (string | number)[]): Model =>
  written(['o = Attention(qt, kt, vt, m)'], { inputs: { ...inputs, m: bool(...shape) } });

async function expectFused(before: Model, opType: string, feeds?: Map<string, HostTensor>) {
  const after = await apply(before, [...fusions, 'eliminate-dead']);
  expect(fusions.reduce((total, id) => total + fired(after, id), 0)).toBe(1);
  expect(opsOf(after.model)).toContain(opType);
  expect(opsOf(after.model)).not.toContain('Attention');
  await expectSameOutputs(before, after.model, { relative: 1e-5, ...(feeds && { feeds }) });
  return after.model;
}
async function expectKept(before: Model) {
  const after = await apply(before, fusions);
  expect(opsOf(after.model)).toEqual(opsOf(before));
}

describe('fuse-attention: the standard operator', () => {
  it('by head, between the splitting and the merging of heads', async () => {
    const after = await expectFused(written(['o = Attention(qt, kt, vt)']), MHA);
    expect(opsOf(after)).toEqual([MHA]);
  });

  it('with a scale, and constant factors before it', async () => {
    const before = written([
      'qh = Mul(qt, half)',
      'kh = Mul(kt, half)',
      node('o = Attention(qh, kh, vt)', { scale: float(0.3) }),
    ]);
    expect(opsOf(await expectFused(before, MHA))).toEqual([MHA]);
  });

  it('of three axes, with a bias of the projection', async () => {
    const attributes = { q_num_heads: heads, kv_num_heads: heads };
    const nodes = ['q9 = Add(q, bq)', node('y = Attention(q9, k, v)', attributes)];
    const after = await expectFused(model({ opset: 23, inputs, outputs: ['y'], weights, nodes }), MHA);
    expect(opsOf(after)).toEqual([MHA]);
  });

  it('a result that is not merged', async () => {
    const before = model({
      opset: 24,
      inputs,
      outputs: ['ot'],
      weights,
      nodes: [...heading, 'o = Attention(qt, kt, vt)', tail[0]!],
    });
    expect(opsOf(await expectFused(before, MHA))).toEqual([MHA, 'Reshape']);
  });

  it('a mask of bool: a row without any key gives zeros', async () => {
    const before = masked(['b', 1, 's', 't']);
    const feeds = await feedsFor(before);
    const mask = feeds.get('m')!;
    const rows = Array.from(mask.data as Uint8Array, (_, at) => Number(Math.floor(at / 3) % 3 !== 1 && at % 4 !== 0));
    feeds.set('m', { ...mask, data: Uint8Array.from(rows) });
    await expectFused(before, MHA, feeds);
  });

  it('keys and values joined to those of earlier calls, of lengths that only the operator says are equal', async () => {
    const join = (name: string) => node(`${name}9 = Concat(${name}0, ${name}t)`, { axis: 2 });
    const earlier = (length: string) => ['b', heads, length, size];
    const before = written([join('k'), join('v'), 'o = Attention(qt, k9, v9)'], {
      inputs: { ...inputs, k: ['b', 's', width], v: ['b', 's', width], k0: earlier('p'), v0: earlier('r') },
      outputs: ['y', 'k9', 'v9'],
    });
    expect(opsOf(await expectFused(before, MHA))).toEqual([MHA]);
  });

  it('a mask of bool that hides nothing is dropped', async () => {
    const parts = { weights: { ...weights, all: tensor([1, 1, 1, 1], [1], 'bool') } };
    const nodes = ['n = Shape(x)', 'm = Expand(all, n)', 'o = Attention(qt, kt, vt, m)'];
    const before = written(nodes, { ...parts, inputs: { ...inputs, x: ['b', 1, 's', 't'] } });
    expect(opsOf(await expectFused(before, MHA))).toEqual([MHA]);
  });

  it('a mask of numbers that are finite', async () => {
    const nodes = ['m = Where(c, zero, lowest)', 'o = Attention(qt, kt, vt, m)'];
    await expectFused(written(nodes, { inputs: { ...inputs, c: bool('s', 't') } }), MHA);
  });

  it('not with numbers that may hide whole rows', () =>
    expectKept(
      written(['o = Attention(qt, kt, vt, m)'], { inputs: { ...inputs, m: { dtype: 'float32', shape: ['s', 't'] } } }),
    ));
  it('not with a mask that may be shorter than the keys', () => expectKept(masked(['b', 1, 's', 'u'])));
  it('not with a flag for each head and row', () => expectKept(masked(['b', heads, 's', 't'])));
  it('not with capped scores', () => expectKept(written([node('o = Attention(qt, kt, vt)', { softcap: float(20) })])));
  it('not where the scores are a result too', () =>
    expectKept(written(['o, , , scores = Attention(qt, kt, vt)'], { outputs: ['y', 'scores'] })));
  it('not with keys of earlier calls', () =>
    expectKept(
      written(['o, pk, pv = Attention(qt, kt, vt, , k0, v0)'], {
        inputs: { ...inputs, k0: ['b', heads, 'p', size], v0: ['b', heads, 'p', size] },
        outputs: ['y', 'pk', 'pv'],
      }),
    ));
  it('not by the name alone: an Attention of another domain', async () => {
    const before = written(['o = other.Attention(qt, kt, vt)']);
    const after = await apply(before, fusions);
    expect(opsOf(after.model)).toEqual(opsOf(before));
  });
});

describe('fuse-grouped-attention: the standard operator', () => {
  const few = { q: ['b', 's', width], k: ['b', 's', narrow], v: ['b', 's', narrow] } as const;
  const causal = { is_causal: 1 };

  it('fewer heads of keys', async () => {
    const nodes = [...grouped, node('o = Attention(qt, kt, vt)', causal), ...tail];
    await expectFused(model({ opset: 23, inputs: few, outputs: ['y'], weights, nodes }), GQA);
  });

  it('as many heads of keys, of three axes', async () => {
    const same = { q: ['b', 's', width], k: ['b', 's', width], v: ['b', 's', width] } as const;
    const nodes = [node('y = Attention(q, k, v)', { ...causal, q_num_heads: heads, kv_num_heads: heads })];
    await expectFused(model({ opset: 23, inputs: same, outputs: ['y'], nodes }), GQA);
  });

  it('not without the causal mask', () =>
    expectKept(
      model({
        opset: 23,
        inputs: few,
        outputs: ['y'],
        weights,
        nodes: [...grouped, 'o = Attention(qt, kt, vt)', ...tail],
      }),
    ));
  it('not where there may be more keys than queries', () =>
    expectKept(written([node('o = Attention(qt, kt, vt)', causal)])));
  it('not with a mask besides', () => {
    const parts = { inputs: { ...few, m: bool('b', 1, 's', 's') } };
    const nodes = [...grouped, node('o = Attention(qt, kt, vt, m)', causal), ...tail];
    return expectKept(model({ opset: 23, outputs: ['y'], weights, nodes, ...parts }));
  });
});
