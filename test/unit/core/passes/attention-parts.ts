/** An attention written out, in parts that tests put together. */
import { expect } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  apply,
  expectSameOutputs,
  type Feeds,
  fired,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  scalar,
  tensor,
} from './helpers.ts';

export const id = 'fuse-attention';
export const MHA = 'com.microsoft.MultiHeadAttention';
export const [heads, size] = [2, 4];
export const width = heads * size;

export const weights = {
  heads: ints(0, 0, heads, size),
  flat: ints(0, 0, width),
  root: scalar(Math.sqrt(0.5)),
  half: scalar(0.5),
  two: scalar(2),
  zero: scalar(0),
  inf: scalar(Number.NEGATIVE_INFINITY),
  lowest: scalar(-3.4028234663852886e38),
  little: scalar(-1e4),
  bq: noise('bq', [width]),
  bv: noise('bv', [width]),
  wq: noise('wq', [width, width]),
};

/** One index, without an axis. */
export const ints1 = (value: number) => tensor([], [value], 'int64');
export const split = (name: string, from = name, perm = [0, 2, 1, 3]) => [
  `${name}4 = Reshape(${from}, heads)`,
  node(`${name}t = Transpose(${name}4)`, { perm }),
];
export const keyT = [0, 2, 3, 1];
export const softmax = (scores: string) => node(`p = Softmax(${scores})`, { axis: -1 });
export const tail = (p = 'p') => [
  `o = MatMul(${p}, vt)`,
  node('ot = Transpose(o)', { perm: [0, 2, 1, 3] }),
  'y = Reshape(ot, flat)',
];
export const heading = [...split('q'), ...split('k', 'k', keyT), ...split('v')];
export const inputs = { q: ['b', 's', width], k: ['b', 't', width], v: ['b', 't', width] } as const;
/** The middle goes from `qt`, `kt` to `p`. */
export const attention = (middle: Parts['nodes'], parts: Partial<Parts> = {}, last: Parts['nodes'] = tail()) =>
  model({ inputs, outputs: ['y'], weights, nodes: [...heading, ...middle, ...last], ...parts });
export const scaled = ['r = MatMul(qt, kt)', 's = Mul(r, half)'];
export const masked = (mask: Parts['inputs'], middle: Parts['nodes'], last?: Parts['nodes']) =>
  attention(middle, { inputs: { ...inputs, ...mask } }, last);

export async function fuses(before: Model, left: string[], options: { feeds?: Feeds; operators?: string } = {}) {
  const { feeds } = options;
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  expect(fired(after, id)).toBe(1);
  await expectSameOutputs(before, after.model, { relative: 1e-5, ...(feeds && { feeds }) });
  return after.model;
}
