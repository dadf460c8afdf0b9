import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  apply,
  expectSameOutputs,
  fired,
  graph,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  tensor,
} from './helpers.ts';

const id = 'fuse-rotary-embedding';
const ROTARY = 'com.microsoft.RotaryEmbedding';
const [heads, size] = [2, 8];
const width = heads * size;

const weights = {
  heads: ints(0, 0, heads, size),
  whole: ints(0, 0, heads, size),
  one: ints(1),
  zero: ints(0),
  two: ints(2),
  four: ints(4),
  eight: ints(8),
  last: ints(-1),
  last3: ints(3),
  end: ints(2 ** 40),
  halves: ints(4, 4),
  uneven: ints(3, 5),
  quarters: ints(2, 2),
  parts: ints(4, 4),
};
type Nodes = Parts['nodes'];

/** [batch, heads, length, size] of the input `x`. */
const byHead: Nodes = ['x4 = Reshape(x, heads)', node('xt = Transpose(x4)', { perm: [0, 2, 1, 3] })];
/** cos and sin of doubled angles `f`, with an axis for the heads. */
const angles: Nodes = [
  node('d = Concat(f, f)', { axis: -1 }),
  'c0 = Cos(d)',
  's0 = Sin(d)',
  'c = Unsqueeze(c0, one)',
  's = Unsqueeze(s0, one)',
];
/** The rotation of `from`, whose halves are `lo` and `hi`. */
const rotation = (from = 'xt', to = 'y', tag = ''): Nodes => [
  `n${tag} = Neg(hi${tag})`,
  node(`t${tag} = Concat(n${tag}, lo${tag})`, { axis: -1 }),
  `a${tag} = Mul(${from}, c)`,
  `b${tag} = Mul(t${tag}, s)`,
  `${to} = Add(a${tag}, b${tag})`,
];
const sliced = (from = 'xt', tag = ''): Nodes => [
  `lo${tag} = Slice(${from}, zero, four, last3)`,
  `hi${tag} = Slice(${from}, four, end, last)`,
];
const split: Nodes = [node('lo, hi = Split(xt, halves)', { axis: 3 })];
const flat = { x: ['b', 's', width] } as const;
const shared = { ...flat, f: [1, 's', size / 2] } as const;
const made = (nodes: Nodes, parts: Partial<Parts> = {}): Model =>
  model({ inputs: shared, outputs: ['y'], weights, nodes, ...parts });

async function fuses(before: Model, left: string[], operators = 'any') {
  const after = await apply(before, [id, 'eliminate-dead'], { params: { [id]: { operators } } });
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative: 1e-5 });
  return after;
}

describe('fuse-rotary-embedding: halves', () => {
  const left = ['Reshape', 'Cos', 'Sin', ROTARY, 'Reshape', 'Transpose'];
  it('cut by Slice, one set of angles for the batch: before the heads are split off', async () => {
    const after = await fuses(made([...byHead, ...angles, ...sliced(), ...rotation()]), left);
    const rotary = after.model.graph.nodes.find(({ opType }) => opType === 'RotaryEmbedding')!;
    expect(rotary.inputs[0]).toBe('x');
    expect(fired(after, id)).toBe(1);
  });
  it('cut by Split', async () => void (await fuses(made([...byHead, ...angles, ...split, ...rotation()]), left)));
  it('angles of each row of the batch get positions of their own', async () => {
    const own = { ...flat, f: ['b', 's', size / 2] };
    const before = made([...byHead, ...angles, ...sliced(), ...rotation()], { inputs: own });
    const rows = ['Reshape', 'Cos', 'Sin'];
    await fuses(before, [...rows, 'Shape', 'ReduceProd', 'Range', 'Reshape', ...left.slice(3)]);
    before.opsetImports.set('', 14);
    await fuses(before, [...rows, 'Shape', 'Gather', 'ReduceProd', 'Range', 'Reshape', ...left.slice(3)]);
  });
  it('scaled cosines stay scaled', async () => {
    const scaled = angles.map((item) => (item === 'c = Unsqueeze(c0, one)' ? 'c = Unsqueeze(c9, one)' : item));
    scaled.push('c9 = Mul(c0, half)');
    const more = { ...weights, half: tensor([], [0.5]) };
    await fuses(made([...byHead, ...scaled, ...sliced(), ...rotation()], { weights: more }), [
      ...['Reshape', 'Cos', 'Mul', 'Sin', ROTARY, 'Reshape', 'Transpose'],
    ]);
  });
  const half = { x: { dtype: 'float16', shape: ['b', 's', width] } } as const;
  it('half precision, angles in single precision', async () => {
    const cast = angles.map((item) =>
      typeof item === 'string' ? item.replace(/([cs]) = Unsqueeze\(\1(0)/, '$1 = Unsqueeze($1h') : item,
    );
    cast.push(node('ch = Cast(c0)', { to: 10 }), node('sh = Cast(s0)', { to: 10 }));
    const before = made([...byHead, ...cast, ...sliced(), ...rotation()], { inputs: { ...shared, ...half } });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['Reshape', 'Cos', 'Cast', 'Sin', 'Cast', ROTARY, 'Reshape', 'Transpose']);
    await expectSameOutputs(before, after.model, { relative: 2e-3 });
  });
  it('half precision, constant angles', async () => {
    const table = (seed: string) => {
      const rows = Array.from({ length: 3 }, (_, row) => [0, 1, 2, 3].map((at) => Math.sin(row + at + seed.length)));
      return tensor(
        [3, size],
        rows.flatMap((row) => [...row, ...row]),
        'float16',
      );
    };
    const before = made([...sliced(), ...rotation()], {
      inputs: { xt: { dtype: 'float16', shape: ['b', heads, 3, size] } },
      weights: { ...weights, c: table('c'), s: table('si') },
    });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual([ROTARY]);
    await expectSameOutputs(before, after.model, { relative: 2e-3 });
  });
  it('heads that were not split off just before: as they are, a query flattened', async () => {
    const inputs = { xt: ['b', heads, 's', size], f: [1, 's', size / 2], k: ['b', heads, size, 't'] } as const;
    await fuses(made([...angles, ...sliced(), ...rotation()], { inputs }), ['Reshape', 'Cos', 'Sin', ROTARY]);
    const turned = { x4: ['b', 's', heads, size], f: [1, 's', size / 2], k: ['b', heads, size, 't'] } as const;
    const query = [byHead[1]!, ...angles, ...sliced(), ...rotation('xt', 'q'), 'y = MatMul(q, k)'];
    await fuses(made(query, { inputs: turned }), ['Reshape', ...left, 'MatMul']);
    const key = [byHead[1]!, ...angles, ...sliced(), ...rotation('xt', 'q'), 'y = MatMul(k, q)'];
    const sizes = { ...turned, k: ['b', heads, 't', 's'] } as const;
    await fuses(made(key, { inputs: sizes }), ['Transpose', 'Reshape', 'Cos', 'Sin', ROTARY, 'MatMul']);
  });
  it('some columns only: the rest stays behind them', async () => {
    const inputs = { ...flat, f: [1, 's', 2] } as const;
    const nodes = [
      ...[...byHead, ...angles, node('p, r = Split(xt, parts)', { axis: -1 })],
      ...[node('lo, hi = Split(p, quarters)', { axis: -1 }), ...rotation('p', 'z')],
    ];
    const partial = await fuses(made([...nodes, node('y = Concat(z, r)', { axis: -1 })], { inputs }), left);
    const rotary = partial.model.graph.nodes.find(({ opType }) => opType === 'RotaryEmbedding')!;
    expect(rotary.attributes.get('rotary_embedding_dim')).toMatchObject({ value: 4n });
    // Put back in front of them, the rotated columns are a value of their own.
    const front = node('y = Concat(r, z)', { axis: -1 });
    const after = await fuses(made([...nodes, front], { inputs }), expect.arrayContaining([ROTARY, 'Split', 'Concat']));
    expect(fired(after, id)).toBe(1);
  });
  it('angles are made once for all layers', async () => {
    const again = [...sliced('yt', '2'), ...rotation('yt', 'z', '2')];
    const next = [...byHead, ...angles, ...sliced(), ...rotation('xt', 'w'), 'yt = Tanh(w)', ...again];
    const after = await fuses(made(next, { outputs: ['z'] }), [...left, 'Tanh', ROTARY]);
    expect(fired(after, id)).toBe(2);
  });
  it('inside a branch', async () => {
    const branch = graph({ outputs: ['y'], nodes: [...byHead, ...angles, ...sliced(), ...rotation()] });
    const other = graph({
      outputs: ['e'],
      nodes: ['e4 = Reshape(x, heads)', node('e = Transpose(e4)', { perm: [0, 2, 1, 3] })],
    });
    const before = made([node('w = If(flag)', { then_branch: branch, else_branch: other })], {
      inputs: { ...shared, flag: { dtype: 'bool', shape: [] } },
      outputs: ['w'],
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });
});

describe('fuse-rotary-embedding: pairs', () => {
  const pairs = (from: string, to = 'y'): Nodes => [
    `even = Slice(${from}, zero, end, last, two)`,
    `odd = Slice(${from}, one, end, last3, two)`,
    'n = Neg(odd)',
    'n1 = Unsqueeze(n, last)',
    'e1 = Unsqueeze(even, four)',
    node('st = Concat(n1, e1)', { axis: -1 }),
    't = Reshape(st, whole)',
    `a = Mul(${from}, c)`,
    'b = Mul(t, s)',
    `${to} = Add(a, b)`,
  ];
  const more = { twice: ints(1, 1, 1, 1, 2), columns: ints(0, 0, 1, size), axes: ints(2, 4) };
  const repeated: Nodes = ['c0 = Cos(f)', 's0 = Sin(f)'].concat(
    ...['c', 's'].map((at) => [
      `${at}1 = Unsqueeze(${at}0, axes)`,
      `${at}2 = Tile(${at}1, twice)`,
      `${at} = Reshape(${at}2, columns)`,
    ]),
  );
  it('by sequence, as GPT-J has them', async () => {
    const before = made(['x4 = Reshape(x, heads)', ...repeated, ...pairs('x4')], { weights: { ...weights, ...more } });
    const after = await fuses(before, expect.arrayContaining([ROTARY]));
    expect(opsOf(after.model)).not.toContain('Tile');
    const rotary = after.model.graph.nodes.find(({ opType }) => opType === 'RotaryEmbedding')!;
    expect(rotary.inputs[0]).toBe('x');
    expect(rotary.attributes.get('interleaved')).toMatchObject({ value: 1n });
  });
  const table = (name: string, at: (column: number) => number) => {
    const base = noise(name, [3, 4]).data as { bytes: Uint8Array };
    const values = new Float32Array(base.bytes.slice().buffer);
    return tensor(
      [3, 8],
      Array.from({ length: 24 }, (_, i) => values[4 * Math.floor(i / 8) + at(i % 8)]!),
    );
  };
  const fixed = { inputs: { xt: ['b', heads, 3, size] } } as const;
  it('constant angles, as EVA has them', async () => {
    const constants = { whole: ints(0, 0, 3, size), c: table('c', (i) => i >> 1), s: table('s', (i) => i >> 1) };
    await fuses(made(pairs('xt'), { ...fixed, weights: { ...weights, ...constants } }), [ROTARY]);
  });
  it('stay where the angles belong to halves', async () => {
    const constants = { whole: ints(0, 0, 3, size), c: table('c', (i) => i % 4), s: table('s', (i) => i % 4) };
    const before = made(pairs('xt'), { ...fixed, weights: { ...weights, ...constants } });
    expect(fired(await apply(before, [id]), id)).toBe(0);
  });
});

describe('fuse-rotary-embedding: the standard operator', () => {
  const nodes = [...byHead, ...angles, ...sliced(), ...rotation()];
  for (const rows of [1, 'b'])
    it(`of opset 23, angles of ${rows === 1 ? 'all rows' : 'each row'}`, async () => {
      const before = made(nodes, { opset: 23, inputs: { ...flat, f: [rows, 's', size / 2] } });
      const after = await fuses(before, expect.arrayContaining(['RotaryEmbedding']), 'standard');
      expect(fired(after, id)).toBe(1);
      expect(after.model.opsetImports.has('com.microsoft')).toBe(false);
    });
  it('not below', async () => {
    const after = await apply(made(nodes), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });
});

describe('fuse-rotary-embedding: what stays', () => {
  const swap = (nodes: Nodes, from: string, to: string | Nodes[number]): Nodes =>
    nodes.map((item) => ((typeof item === 'string' ? item : item.outputs[0]) === from ? to : item));
  const all = [...byHead, ...angles, ...sliced(), ...rotation()];
  const cases: [string, Model][] = [
    [
      'the other half negated',
      made(swap(swap(all, 'n = Neg(hi)', 'n = Neg(lo)'), 't', node('t = Concat(hi, n)', { axis: -1 }))),
    ],
    ['the negated half behind', made(swap(all, 't', node('t = Concat(lo, n)', { axis: -1 })))],
    ['a product that is an output', made(all, { outputs: ['y', 'a'] })],
    [
      'halves of another value',
      made([...swap(all, 'hi = Slice(xt, four, end, last)', 'hi = Slice(g, four, end, last)')], {
        inputs: { ...shared, g: ['b', heads, 's', size] },
      }),
    ],
    [
      'parts that are not halves',
      made([...byHead, ...angles, node('lo, hi = Split(xt, uneven)', { axis: 3 }), ...rotation()]),
    ],
    [
      'angles that are not doubled',
      made(swap(all, 'd', node('d = Concat(f, g)', { axis: -1 })), { inputs: { ...shared, g: [1, 's', size / 2] } }),
    ],
    [
      'angles of as many positions as are not known to be those of the values',
      made(all, { inputs: { ...flat, f: [1, 't', size / 2] } }),
    ],
    ['angles of another batch', made(all, { inputs: { ...flat, f: ['c', 's', size / 2] } })],
    ['a difference', made(swap(all, 'y = Add(a, b)', 'y = Sub(a, b)'))],
    [
      'double precision, which onnxruntime has no kernel for',
      made(all, {
        inputs: {
          x: { dtype: 'float64', shape: ['b', 's', width] },
          f: { dtype: 'float64', shape: [1, 's', size / 2] },
        },
      }),
    ],
  ];
  for (const [name, before] of cases)
    it(name, async () => {
      expect(fired(await apply(before, [id]), id)).toBe(0);
    });
});
