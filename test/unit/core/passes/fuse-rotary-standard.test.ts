import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, ints, model, node, noise, opsOf, type Parts } from './helpers.ts';

const id = 'fuse-rotary-embedding';
const ROTARY = 'com.microsoft.RotaryEmbedding';
const [heads, size] = [2, 8];
const width = heads * size;
const weights = { heads: ints(0, 0, heads, size), flat: ints(0, 0, width) };
const byHead: Parts['nodes'] = ['x4 = Reshape(x, heads)', node('xt = Transpose(x4)', { perm: [0, 2, 1, 3] })];
const x = { x: ['b', 's', width] } as const;
const angles = (rows: string | number) => ({ f: [rows, 's', size / 2] }) as const;
const waves = ['c = Cos(f)', 's = Sin(f)'];
const made = (nodes: Parts['nodes'], inputs: Parts['inputs'], outputs = ['y']): Model =>
  model({ opset: 23, inputs: { ...x, ...inputs }, outputs, weights, nodes });
const fuse = async (before: Model, operators = 'any') => {
  const after = await apply(before, [id, 'eliminate-dead'], { params: { [id]: { operators } } });
  expect(fired(after, id)).toBe(1);
  return after.model;
};

describe('fuse-rotary-embedding: the standard operator becomes that of onnxruntime', () => {
  it('angles of each row of the batch', async () => {
    const before = made([...byHead, ...waves, 'y = RotaryEmbedding(xt, c, s)'], angles('b'));
    const after = await fuse(before);
    expect(opsOf(after)).toContain(ROTARY);
    await expectSameOutputs(before, after, { relative: 1e-5 });
  });

  it('one set of angles for the batch, which onnxruntime does not run', async () => {
    const written = (more: Parts['nodes'], cos: string, sin: string) =>
      made([...byHead, ...waves, ...more, `y = RotaryEmbedding(xt, ${cos}, ${sin})`], { ...angles(1), g: ['b', 1, 1] });
    const after = await fuse(written([], 'c', 's'));
    expect(opsOf(after)).toEqual(['Cos', 'Sin', 'Reshape', 'Reshape', ROTARY, 'Reshape', 'Transpose']);
    const runs = written(['shape = Shape(g)', 'c9 = Expand(c, shape)', 's9 = Expand(s, shape)'], 'c9', 's9');
    const standard = await fuse(written([], 'c', 's'), 'standard');
    expect(standard.opsetImports.has('com.microsoft')).toBe(false);
    for (const one of [after, standard]) {
      one.graph.inputs = runs.graph.inputs;
      await expectSameOutputs(runs, one, { relative: 1e-5 });
    }
  });

  it('of three axes, and some columns only', async () => {
    const attributes = { num_heads: heads, rotary_embedding_dim: 4, interleaved: 1 };
    const nodes = [...waves, node('y = RotaryEmbedding(x, c, s)', attributes)];
    const before = made(nodes, { f: ['b', 's', 2] });
    const after = await fuse(before);
    expect(opsOf(after).slice(-1)).toEqual([ROTARY]);
    await expectSameOutputs(before, after, { relative: 1e-5 });
  });

  it('a table and positions', async () => {
    const before = model({
      opset: 23,
      inputs: { ...x, p: { dtype: 'int64', shape: ['b', 's'] } },
      outputs: ['y'],
      weights: { ...weights, c: noise('c', [7, 4]), s: noise('s', [7, 4]), seven: ints(7) },
      nodes: [...byHead, 'at = Mod(p, seven)', 'y = RotaryEmbedding(xt, c, s, at)'],
    });
    const after = await fuse(before);
    expect(opsOf(after)).toEqual(['Mod', ROTARY, 'Reshape', 'Transpose']);
    await expectSameOutputs(before, after, { relative: 1e-5 });
  });
});

const flatRotation = node('y = RotaryEmbedding(x, c, s)', { num_heads: heads });

describe('fuse-rotary-embedding: the standard operator stays', () => {
  const cases: [string, Model, string?][] = [
    ['where operators have to be standard', made([...waves, flatRotation], angles('b')), 'standard'],
    ['where angles may be those of other rows', made([...waves, flatRotation], angles('c'))],
    ['where there may be fewer angles than places', made([...waves, flatRotation], { f: ['b', 't', size / 2] })],
  ];
  for (const [name, before, operators] of cases)
    it(name, async () => {
      const after = await apply(before, [id], operators ? { params: { [id]: { operators } } } : {});
      expect(fired(after, id)).toBe(0);
      expect(opsOf(after.model)).toEqual(opsOf(before));
    });
});
