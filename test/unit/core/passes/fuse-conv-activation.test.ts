import { describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, model, node, noise, opsOf, scalar } from './helpers.ts';

const id = 'fuse-conv-activation';
type Parts = Parameters<typeof model>[0];

const conv = node('c = Conv(x, w, b)', { pads: [1, 1, 1, 1], strides: [2, 2] });
const followedBy = (activation: Parts['nodes'][number], parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: ['n', 3, 9, 8] },
    outputs: ['y'],
    weights: {
      w: noise('w', [6, 3, 3, 3]),
      b: noise('b', [6]),
      low: scalar(-0.25),
      high: scalar(0.5),
      half: noise('h', [6, 3, 3, 3], 'float16'),
    },
    nodes: [conv, activation],
    ...parts,
  });

describe('fuse-conv-activation', () => {
  const fusing: [string, Model][] = [
    ['Relu', followedBy('y = Relu(c)')],
    ['Sigmoid', followedBy('y = Sigmoid(c)')],
    ['Tanh', followedBy('y = Tanh(c)')],
    ['LeakyRelu', followedBy(node('y = LeakyRelu(c)', { alpha: float(0.3) }))],
    ['LeakyRelu with its default', followedBy('y = LeakyRelu(c)')],
    ['HardSigmoid', followedBy(node('y = HardSigmoid(c)', { alpha: float(0.3), beta: float(0.4) }))],
    ['HardSigmoid with its defaults', followedBy('y = HardSigmoid(c)')],
    ['Clip', followedBy('y = Clip(c, low, high)')],
    ['Clip without a lower bound', followedBy('y = Clip(c, , high)')],
    ['Clip without an upper bound', followedBy('y = Clip(c, low)')],
    ['Clip of opset 10', followedBy(node('y = Clip(c)', { min: float(-0.25), max: float(0.5) }), { opset: 10 })],
    [
      'a grouped Conv of one dimension without bias',
      followedBy('y = Relu(c)', {
        inputs: { x: [2, 4, 11] },
        weights: { w: noise('w', [6, 2, 3]) },
        nodes: [node('c = Conv(x, w)', { group: 2, auto_pad: 'SAME_UPPER' }), 'y = Relu(c)'],
      }),
    ],
  ];
  for (const [name, before] of fusing)
    it(`fuses ${name}`, async () => {
      const done = await apply(before, [id, 'eliminate-dead']);
      expect(opsOf(done.model)).toEqual(['com.microsoft.FusedConv']);
      await expectSameOutputs(before, done.model, { relative: 1e-5 });
    });

  const stays: [string, Model][] = [
    ['an activation without a fused form', followedBy('y = Elu(c)')],
    ['a value that is read elsewhere', followedBy('y = Relu(c)', { outputs: ['y', 'c'] })],
    [
      'a Clip with a bound of the caller',
      followedBy('y = Clip(c, low, high)', { inputs: { x: [1, 3, 9, 8], low: [] } }),
    ],
    ['a Clip whose bounds are crossed', followedBy('y = Clip(c, high, low)')],
    [
      'a Clip that the Conv is a bound of',
      followedBy('y = Clip(high, c)', {
        inputs: { x: [1, 3, 1, 1] },
        nodes: [node('d = Conv(x, w, b)', { pads: [1, 1, 1, 1] }), 'c = ReduceMax(d)', 'y = Clip(high, c)'],
      }),
    ],
    [
      'weights that the caller may override',
      followedBy('y = Relu(c)', { inputs: { x: [1, 3, 9, 8], w: [6, 3, 3, 3] } }),
    ],
    [
      'half precision, which has no kernel on WASM',
      followedBy('y = Relu(c)', {
        inputs: { x: { dtype: 'float16', shape: [1, 3, 9, 8] } },
        nodes: [node('c = Conv(x, half)'), 'y = Relu(c)'],
      }),
    ],
  ];
  for (const [name, before] of stays)
    it(`leaves ${name}`, async () => expect(fired(await apply(before, [id]), id)).toBe(0));

  it('leaves everything where operators have to be standard', async () => {
    const done = await apply(followedBy('y = Relu(c)'), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(done, id)).toBe(0);
  });

  it('comes after quantization, which looks for Conv', async () => {
    const done = await apply(followedBy('y = Relu(c)'), [id, 'weight-int8'], {
      params: { 'weight-int8': { minElements: 1 } },
    });
    expect(opsOf(done.model)).toEqual(['Cast', 'Mul', 'Conv', 'Relu']);
    expect(fired(done, 'weight-int8')).toBe(1);
    expect(fired(done, id)).toBe(0);
  });
});
