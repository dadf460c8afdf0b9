import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import {
  apply,
  expectSameOutputs,
  fired,
  float,
  graph,
  ints,
  model,
  node,
  noise,
  opsOf,
  type Parts,
  tensor,
} from './helpers.ts';

const id = 'fuse-groupnorm';
const [channels, groups] = [6, 3];

const vectors = (count: number) => ({ scale: noise('scale', [count]), bias: noise('bias', [count]) });
const weights = {
  ...vectors(groups),
  to: ints(0, groups, -1),
  gamma: noise('gamma', [channels, 1, 1]),
  beta: noise('beta', [channels, 1, 1]),
};
/** As torch.onnx writes nn.GroupNorm. */
const nodes: Parts['nodes'] = [
  'g = Reshape(x, to)',
  node('n = InstanceNormalization(g, scale, bias)', { epsilon: float(1e-5) }),
  'sh = Shape(x)',
  'u = Reshape(n, sh)',
  'm = Mul(u, gamma)',
  'y = Add(m, beta)',
];
const inputs = { x: ['b', channels, 'h', 'w'] } as const;
const made = (more: Parts['weights'] = {}, parts: Partial<Parts> = {}): Model =>
  model({ inputs, outputs: ['y'], weights: { ...weights, ...more }, nodes, ...parts });

async function fuses(before: Model, left: string[]) {
  const after = await apply(before, [id]);
  expect(fired(after, id)).toBe(1);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative: 1e-5 });
}
const grouped = ['Reshape', 'InstanceNormalization', 'Shape', 'Reshape'];
const inDtype = (dtype: 'float16' | 'float64'): NonNullable<Parts['weights']> => ({
  ...Object.fromEntries(['scale', 'bias'].map((name) => [name, noise(name, [groups], dtype)])),
  ...Object.fromEntries(['gamma', 'beta'].map((name) => [name, noise(name, [channels, 1, 1], dtype)])),
});
const twice = (name: string) => {
  const values = new Float32Array((noise(name, [groups]).data as { bytes: Uint8Array }).bytes.slice().buffer);
  return tensor(
    [channels, 1, 1],
    [...values].flatMap((value) => [value, value]),
  );
};

describe('fuse-groupnorm', () => {
  it('factor and summand of each channel are one operator', () => fuses(made(), [...grouped, 'BatchNormalization']));
  it('with operands the other way round and a leading axis', () => {
    const turned = [...nodes.slice(0, 4), 'm = Mul(gamma, u)', 'y = Add(beta, m)'];
    const gamma = noise('gamma', [1, channels, 1, 1]);
    return fuses(made({ gamma }, { nodes: turned }), [...grouped, 'BatchNormalization']);
  });
  it('of three axes, of five', async () => {
    const thin = { gamma: noise('g', [channels, 1]), beta: noise('b', [channels, 1]) };
    await fuses(made(thin, { inputs: { x: ['b', channels, 'w'] } }), [...grouped, 'BatchNormalization']);
    const deep = { gamma: noise('g', [channels, 1, 1, 1]), beta: noise('b', [channels, 1, 1, 1]) };
    await fuses(made(deep, { inputs: { x: ['b', channels, 'd', 'h', 'w'] } }), [...grouped, 'BatchNormalization']);
  });
  it('the same for all channels of a group: the normalization takes them', () =>
    fuses(made({ gamma: twice('gamma'), beta: twice('beta') }), grouped));
  it('groups of one channel: nothing is grouped', () =>
    fuses(made({ ...vectors(channels), to: ints(0, channels, -1) }), ['InstanceNormalization', 'Shape']));
  it('one summand for all channels', async () => {
    for (const beta of [tensor([1], [0.3]), tensor([], [0.3])])
      await fuses(made({ beta }), [...grouped, 'BatchNormalization']);
  });
  it('in half precision only what the normalization can take, since one operator gains nothing on WebGPU', async () => {
    const half = { inputs: { x: { dtype: 'float16', shape: ['b', channels, 'h', 'w'] } } } as const;
    const same = Object.fromEntries(['gamma', 'beta'].map((name) => [name, tensor([1], [0.5], 'float16')]));
    const before = made({ ...inDtype('float16'), ...same }, half);
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(grouped);
    await expectSameOutputs(before, after.model, { relative: 4e-3 });
    expect(fired(await apply(made(inDtype('float16'), half), [id]), id)).toBe(0);
  });
  it('inside a branch', async () => {
    const branch = graph({ outputs: ['y'], nodes });
    const other = graph({ outputs: ['e'], nodes: ['e = Neg(x)'] });
    const before = made(
      {},
      {
        nodes: [node('z = If(flag)', { then_branch: branch, else_branch: other })],
        inputs: { ...inputs, flag: { dtype: 'bool', shape: [] } },
        outputs: ['z'],
      },
    );
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(1);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });

  it('factor and summand stay two where one is not wanted', async () => {
    const params = { [id]: { merge: false } };
    expect(fired(await apply(made(), [id], { params }), id)).toBe(0);
    expect(fired(await apply(made({ gamma: twice('gamma'), beta: twice('beta') }), [id], { params }), id)).toBe(1);
  });

  const near: [string, Model][] = [
    ['a factor of each column', made({ gamma: noise('g', [4]) }, { inputs: { x: ['b', channels, 4, 4] } })],
    ['a factor that callers may override', made({}, { inputs: { ...inputs, gamma: [channels, 1, 1] } })],
    ['a factor with another reader', made({}, { nodes: [...nodes, 'o = Neg(m)'], outputs: ['y', 'o'] })],
    ['what was normalized is an output', made({}, { outputs: ['y', 'u'] })],
    ['a summand only', made({}, { nodes: [...nodes.slice(0, 4), 'y = Add(u, beta)'] })],
    ['a number of channels that is not known', made({}, { inputs: { x: ['b', 'c', 'h', 'w'] } })],
    [
      'double precision, which onnxruntime has no kernel for',
      made(inDtype('float64'), { inputs: { x: { dtype: 'float64', shape: ['b', channels, 'h', 'w'] } } }),
    ],
  ];
  for (const [name, before] of near)
    it(`stays: ${name}`, async () => {
      expect(fired(await apply(before, [id]), id)).toBe(0);
    });
});
