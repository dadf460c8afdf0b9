import { describe, expect, it } from 'vitest';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  apply,
  expectSameOutputs,
  type Feeds,
  fired,
  float,
  ints,
  model,
  node,
  noise,
  opsOf,
  tensor,
} from './helpers.ts';

const id = 'fuse-embed-norm';
type Parts = Parameters<typeof model>[0];

const int64 = (shape: (number | string)[]) => ({ dtype: 'int64' as const, shape });
const inputs = { ids: int64(['b', 's']), types: int64(['b', 's']), at: int64([1, 's']) };
const weightsFor = (dtype: DType) => ({
  words: noise(1, [11, 8], dtype),
  positions: noise(2, [7, 8], dtype),
  segments: noise(3, [2, 8], dtype),
  gamma: noise(4, [8], dtype),
  beta: noise(5, [8], dtype),
  start: ints(0),
});
const bert = [
  'w = Gather(words, ids)',
  't = Gather(segments, types)',
  'u = Add(w, t)',
  'p = Gather(positions, at)',
  's = Add(u, p)',
];

const embeddings = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({
    inputs,
    outputs: ['y'],
    weights: weightsFor('float32'),
    nodes: [...nodes, node('y = LayerNormalization(s, gamma, beta)', { axis: -1, epsilon: float(1e-3) })],
    ...parts,
  });

/** Indices within the tables, two items of three tokens. */
async function feedsOf(subject: Model): Promise<Feeds> {
  const values: Record<string, [number[], number[]]> = {
    ids: [
      [2, 3],
      [0, 10, 3, 4, 4, 1],
    ],
    types: [
      [2, 3],
      [0, 0, 1, 0, 1, 1],
    ],
    at: [
      [1, 3],
      [0, 1, 2],
    ],
    all: [
      [2, 3],
      [6, 1, 2, 0, 0, 3],
    ],
  };
  const feeds = new Map();
  for (const { name, type } of subject.graph.inputs) {
    const [dims, numbers] = values[name]!;
    const dtype = type?.kind === 'tensor' ? type.dtype : 'int64';
    const { data } = tensor(dims, numbers, dtype);
    feeds.set(name, { dtype, dims, data: (data as { bytes: Uint8Array }).bytes });
  }
  return feeds;
}

async function fuses(before: Model, left: string[], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id]);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative, feeds: await feedsOf(before), seeds: 1 });
  return after.model;
}
const fused = 'com.microsoft.EmbedLayerNormalization';

describe('fuse-embed-norm: what fuses', () => {
  it('BERT: words, segments, positions of a whole batch', () =>
    fuses(embeddings(bert), ['Cast', 'Cast', 'Cast', fused]).then(() => {}));
  it('indices that are int32 already', () => {
    const int32 = (shape: (number | string)[]) => ({ dtype: 'int32' as const, shape });
    const given = { ids: int32(['b', 's']), types: int32(['b', 's']), at: int32([1, 's']) };
    return fuses(embeddings(bert, { inputs: given }), [fused]).then(() => {});
  });
  it('DistilBERT, GPT-2: words and positions, in either order; the sum goes on', async () => {
    const two = { ids: inputs.ids, at: inputs.at };
    const plain = ['w = Gather(words, ids)', 'p = Gather(positions, at)', 's = Add(p, w)'];
    await fuses(embeddings(plain, { inputs: two }), ['Cast', 'Cast', fused]);
    const after = await fuses(embeddings(plain, { inputs: two, outputs: ['y', 's'] }), ['Cast', 'Cast', fused]);
    expect(after.graph.nodes.at(-1)!.outputs[2]).toBe('s');
  });
  it('RoBERTa: positions for each item', () => {
    const nodes = bert.map((text) => text.replace('at)', 'all)'));
    return fuses(embeddings(nodes, { inputs: { ids: inputs.ids, types: inputs.types, all: int64(['b', 's']) } }), [
      'Cast',
      'Cast',
      'Cast',
      fused,
    ]).then(() => {});
  });
  it('half precision', () =>
    fuses(embeddings(bert, { weights: weightsFor('float16') }), ['Cast', 'Cast', 'Cast', fused], 5e-3).then(() => {}));
  it('a row that is read elsewhere keeps its Gather', async () => {
    const after = await apply(embeddings([...bert, 'z = Neg(w)'], { outputs: ['y', 'z'] }), [id]);
    expect(opsOf(after.model).sort()).toEqual(['Cast', 'Cast', 'Cast', 'Gather', 'Neg', fused]);
  });
});

describe('fuse-embed-norm: what stays', () => {
  const stays: [string, Model][] = [
    ['a table that is computed', embeddings(['c = Exp(words)', ...bert.map((text) => text.replace('(words', '(c'))])],
    [
      'one lookup and something else',
      embeddings(['w = Gather(words, ids)', 's = Add(w, gamma)'], { inputs: { ids: inputs.ids } }),
    ],
    [
      'columns instead of rows',
      embeddings([node('w = Gather(positions, ids)', { axis: 1 }), 's = Add(w, w)'], { inputs: { ids: int64([7]) } }),
    ],
    ['an inner sum that is read elsewhere', embeddings(bert, { outputs: ['y', 'u'] })],
    [
      'a norm without a shift',
      model({
        inputs,
        outputs: ['y'],
        weights: weightsFor('float32'),
        nodes: [...bert, 'y = LayerNormalization(s, gamma)'],
      }),
    ],
    ['a table that callers may override', embeddings(bert, { inputs: { ...inputs, words: [11, 8] } })],
  ];
  for (const [name, before] of stays) it(name, async () => expect(fired(await apply(before, [id]), id)).toBe(0));
  it('everything, where operators have to be standard', async () => {
    const after = await apply(embeddings(bert), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });
});
