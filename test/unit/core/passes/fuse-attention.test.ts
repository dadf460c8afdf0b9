import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  attention,
  fuses,
  heading,
  heads,
  id,
  inputs,
  keyT,
  MHA,
  masked,
  scaled,
  size,
  softmax,
  split,
  tail,
  weights,
  width,
} from './attention-parts.ts';
import {
  apply,
  expectSameOutputs,
  type Feeds,
  feedsFor,
  fired,
  ints,
  model,
  node,
  opsOf,
  type Parts,
  scalar,
} from './helpers.ts';

describe('fuse-attention: scale', () => {
  const cases: [string, Parts['nodes']][] = [
    ['multiplied', scaled],
    ['divided', ['r = MatMul(qt, kt)', 's = Div(r, two)']],
    ['on the query and the key', ['q5 = Mul(qt, root)', 'k5 = Mul(root, kt)', 's = MatMul(q5, k5)']],
    ['none, as in T5', ['s = MatMul(qt, kt)']],
  ];
  for (const [name, middle] of cases)
    it(name, async () => {
      await fuses(attention([...middle, softmax('s')]), [MHA]);
    });

  it('before the heads are split, as in Whisper', async () => {
    const nodes = [...heading, 's = MatMul(qt, kt)', softmax('s'), ...tail()];
    nodes[0] = 'q4 = Reshape(q9, heads)';
    const after = await fuses(model({ inputs, outputs: ['y'], weights, nodes: ['q9 = Mul(q, half)', ...nodes] }), [
      MHA,
    ]);
    expect(after.graph.nodes[0]!.inputs.slice(0, 3)).toEqual(['q', 'k', 'v']);
  });
});

describe('fuse-attention: operands', () => {
  it('biases of the projections go into the bias input; the products stay', async () => {
    const nodes = [
      'q0 = MatMul(x, wq)',
      'q = Add(q0, bq)',
      'v = Add(bv, v0)',
      ...heading,
      ...scaled,
      softmax('s'),
      ...tail(),
    ];
    const before = model({
      inputs: { x: ['b', 's', width], k: ['b', 't', width], v0: ['b', 't', width] },
      outputs: ['y'],
      weights,
      nodes,
    });
    await fuses(before, ['MatMul', MHA]);
  });

  it('a key transposed by way of three axes, as torch.onnx writes it', async () => {
    const nodes = [
      ...split('q'),
      ...split('v'),
      ...split('k5', 'k'),
      'shape = Shape(k5t)',
      'length = Gather(shape, two1)',
      'lead = Gather(shape, lead2)',
      node('flat3 = Concat(minus, length, size1)', { axis: 0 }),
      node('back4 = Concat(lead, size1, length)', { axis: 0 }),
      'k6 = Reshape(k5t, flat3)',
      node('k7 = Transpose(k6)', { perm: [0, 2, 1] }),
      'kt = Reshape(k7, back4)',
      'q8 = Mul(qt, root)',
      'k8 = Mul(kt, root)',
      's = MatMul(q8, k8)',
      softmax('s'),
      ...tail(),
    ];
    const more = { two1: ints(2), lead2: ints(0, 1), minus: ints(-1), size1: ints(size) };
    await fuses(model({ inputs, outputs: ['y'], weights: { ...weights, ...more }, nodes }), [MHA]);
  });

  it('a query that exists by head only', async () => {
    const before = model({
      inputs: { ...inputs, qt: ['b', heads, 's', size] },
      outputs: ['y'],
      weights,
      nodes: [...split('k', 'k', keyT), ...split('v'), ...scaled, softmax('s'), ...tail()],
    });
    await fuses(before, ['Transpose', 'Reshape', MHA]);
  });

  it('heads of values of another size, and a result that is not merged', async () => {
    const before = model({
      inputs: { ...inputs, v: ['b', 't', 6] },
      outputs: ['ot'],
      weights: { ...weights, other: ints(0, 0, heads, 3) },
      nodes: [
        ...heading.slice(0, 4),
        'v4 = Reshape(v, other)',
        node('vt = Transpose(v4)', { perm: [0, 2, 1, 3] }),
        ...scaled,
        softmax('s'),
        ...tail().slice(0, 2),
      ],
    });
    await fuses(before, [MHA, 'Reshape']);
  });
});

const bool = (...shape: (string | number)[]) => ({ dtype: 'bool' as const, shape });

/** Feeds with some rows of the mask all false. */
async function withEmptyRows(before: Model, at = 'm'): Promise<Feeds> {
  const feeds = await feedsFor(before);
  const given = feeds.get(at)!;
  const last = given.dims.at(-1)!;
  return feeds.set(at, { ...given, data: given.data.map((value, i) => (i < last ? 0 : value)) });
}

describe('fuse-attention: masks', () => {
  const add = [...scaled, 'z = Add(s, m)', softmax('z')];
  for (const shape of [
    ['b', 1, 's', 't'],
    [1, heads, 's', 't'],
    ['b', heads, 's', 't'],
  ])
    it(`added as it is: ${shape.join()}`, async () => {
      await fuses(masked({ m: shape }, add), [MHA]);
    });
  it('added with fewer axes', async () => {
    await fuses(masked({ m: ['s', 't'] }, add), ['Unsqueeze', MHA]);
  });
  it('one row for all queries', async () => {
    await fuses(masked({ m: ['b', 1, 1, 't'] }, add), ['Shape', 'Concat', 'Expand', MHA]);
  });
  it('two, as position bias and mask', async () => {
    await fuses(
      masked({ m: ['b', 1, 's', 't'], n: [1, heads, 's', 't'] }, [
        ...scaled,
        'z0 = Add(n, s)',
        'z = Add(z0, m)',
        softmax('z'),
      ]),
      ['Add', MHA],
    );
  });
  it('by a condition, either way round', async () => {
    await fuses(masked({ m: bool(1, 1, 's', 't') }, [...scaled, 'z = Where(m, s, lowest)', softmax('z')]), [
      'Where',
      MHA,
    ]);
    await fuses(masked({ m: bool('s', 't') }, [...scaled, 'z = Where(m, inf, s)', softmax('z')]), [
      'Where',
      'Unsqueeze',
      MHA,
    ]);
  });
  it('rows without any key: not a number in both', async () => {
    const before = masked({ m: bool('b', 1, 's', 't') }, [
      ...scaled,
      'w = Where(m, zero, inf)',
      'z = Add(s, w)',
      softmax('z'),
    ]);
    await fuses(before, ['Where', MHA], { feeds: await withEmptyRows(before) });
  });
  for (const shape of [
    ['b', 1, 's', 't'],
    ['s', 't'],
    ['b', 1, 1, 't'],
  ])
    it(`rows without any key that count as zeros: ${shape.join()}`, async () => {
      const guard = ['n = IsNaN(p)', 'g = Where(n, zero, p)'];
      const middle = [...scaled, 'w = Where(m, zero, inf)', 'z = Add(s, w)', softmax('z'), ...guard];
      const before = masked({ m: bool(...shape) }, middle, tail('g'));
      const after = await apply(before, [id, 'eliminate-dead']);
      expect(opsOf(after.model)).toContain(MHA);
      expect(opsOf(after.model)).not.toContain('IsNaN');
      await expectSameOutputs(before, after.model, { relative: 1e-5, feeds: await withEmptyRows(before) });
      await expectSameOutputs(before, after.model, { relative: 1e-5 });
    });
  it('a guard without mask goes', async () => {
    await fuses(attention([...scaled, softmax('s'), 'n = IsNaN(p)', 'g = Where(n, zero, p)'], {}, tail('g')), [MHA]);
  });
  it('what is made for a mask is made once for two layers', async () => {
    const again = [...heading, ...scaled, 'z = Add(s, m)', softmax('z'), ...tail()].map((item) => {
      const copy = typeof item === 'string' ? node(item) : node('a = Neg(b)');
      if (typeof item !== 'string') Object.assign(copy, item, { attributes: new Map(item.attributes) });
      const rename = (name: string) =>
        ['heads', 'flat', 'half', 'm', 'k', 'v'].includes(name) ? name : name === 'q' ? 'y' : `${name}_2`;
      copy.inputs = copy.inputs.map(rename);
      copy.outputs = copy.outputs.map(rename);
      return copy;
    });
    const before = masked({ m: ['b', 1, 1, 't'] }, add);
    before.graph.nodes.push(...again);
    before.graph.outputs = [{ name: 'y_2' }];
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after.model)).toEqual(['Shape', 'Concat', 'Expand', MHA, MHA]);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });
});

describe('fuse-attention: what stays', () => {
  const plain = [...scaled, softmax('s')];
  const double = { dtype: 'float64', shape: [1, 3, width] } as const;
  const cases: [string, Model][] = [
    ['probabilities that are an output', attention(plain, { outputs: ['y', 'p'] })],
    ['scores that others read', attention(plain, { outputs: ['y', 's'] })],
    ['a scale that callers may override', attention(plain, { inputs: { ...inputs, half: [] } })],
    ['softmax over another axis', attention([...scaled, node('p = Softmax(s)', { axis: 1 })])],
    [
      'a mask that is scaled as well',
      masked({ m: ['s', 't'] }, ['r = MatMul(qt, kt)', 'a = Add(r, m)', 's = Mul(a, half)', softmax('s')]),
    ],
    [
      'a fill that is not far below the scores',
      masked({ m: bool('s', 't') }, [...scaled, 'z = Where(m, s, little)', softmax('z')]),
    ],
    ['a mask for a part of the heads', masked({ m: ['b', 'h', 's', 't'] }, [...scaled, 'z = Add(s, m)', softmax('z')])],
    [
      'a guard where the mask is not known to be one of 0 and -inf',
      masked(
        { m: ['s', 't'] },
        [...scaled, 'z = Add(s, m)', softmax('z'), 'n = IsNaN(p)', 'g = Where(n, zero, p)'],
        tail('g'),
      ),
    ],
    [
      'a guard with another number',
      attention([...scaled, softmax('s'), 'n = IsNaN(p)', 'g = Where(n, half, p)'], {}, tail('g')),
    ],
    [
      'keys of a batch of their own',
      attention(plain, { inputs: { ...inputs, k: [1, 't', width], v: [1, 't', width] } }),
    ],
    [
      'one head of keys for all queries',
      model({
        inputs: { ...inputs, kt: ['b', 1, size, 't'], vt: ['b', 1, 't', size] },
        outputs: ['y'],
        weights,
        nodes: [...split('q'), ...plain, ...tail()],
      }),
    ],
    [
      'double precision, which the operator has no type for',
      attention(plain, {
        inputs: { q: double, k: double, v: double },
        weights: { ...weights, half: scalar(0.5, 'float64') },
      }),
    ],
    [
      'a number of heads that is not known',
      attention(plain, {
        weights: { ...weights, heads: ints(0, 0, -1, size) },
        inputs: { ...inputs, q: ['b', 's', 'c'] },
      }),
    ],
  ];
  for (const [name, before] of cases)
    it(name, async () => {
      expect(fired(await apply(before, [id]), id)).toBe(0);
    });
  it('everything, where operators have to be standard', async () => {
    const after = await apply(attention(plain), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });
});
