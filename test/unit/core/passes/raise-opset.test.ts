import { describe, expect, it } from 'vitest';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, model, node, noise, opsOf, tensor } from './helpers.ts';

const id = 'raise-opset';
type Parts = Parameters<typeof model>[0];
const subject = (opset: number, nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: [1, 3, 4] }, outputs: ['y'], opset, nodes, ...parts });

async function raises(before: Model, target?: number, check: (nodes: Node[]) => void = () => {}): Promise<void> {
  const after = await apply(before, [id], { params: { [id]: target === undefined ? {} : { target } } });
  expect(after.advisories).toEqual([]);
  expect(fired(after, id)).toBe(1);
  expect(after.model.opsetImports.get('')).toBe(target ?? 17);
  expect(after.model.irVersion).toBeGreaterThanOrEqual(target === 21 ? 10 : 8);
  await expectSameOutputs(before, after.model);
  check(after.model.graph.nodes);
}

describe('raise-opset', () => {
  const rewritten: [string, number, Parts['nodes'], Partial<Parts>?][] = [
    ['Clip', 9, [node('y = Clip(x)', { min: float(-0.5), max: float(0.25) })]],
    ['Clip without a maximum', 9, [node('y = Clip(x)', { min: float(-0.5) })]],
    ['Slice', 9, [node('y = Slice(x)', { starts: [1, 0], ends: [3, 9000], axes: [1, 2] })]],
    ['Slice to the end', 9, [node('y = Slice(x)', { starts: [-2], ends: [2 ** 62], axes: [2] })]],
    ['Slice without axes', 9, [node('y = Slice(x)', { starts: [0, 1], ends: [1, 2] })]],
    ['Pad', 10, [node('y = Pad(x)', { pads: [0, 1, 0, 0, 2, 0], value: float(1.5) })]],
    ['Pad by reflection', 10, [node('y = Pad(x)', { pads: [0, 1, 0, 0, 1, 0], mode: 'reflect' })]],
    ['Squeeze', 11, [node('y = Squeeze(x)', { axes: [0] })]],
    ['Squeeze of all', 11, ['y = Squeeze(x)']],
    ['Unsqueeze', 11, [node('y = Unsqueeze(x)', { axes: [1] })]],
    ['ReduceSum', 11, [node('y = ReduceSum(x)', { axes: [1], keepdims: 0 })]],
    ['Split', 11, [node('y, z = Split(x)', { axis: 2, split: [1, 3] })]],
    ['Split into halves', 11, [node('y, z = Split(x)', { axis: 2 })]],
    ['Softmax on the last axis', 11, [node('y = Softmax(x)', { axis: 2 })]],
    ['LogSoftmax of a matrix by default', 11, ['y = LogSoftmax(x)'], { inputs: { x: [2, 5] } }],
    ['Dropout', 9, [node('y = Dropout(x)', { ratio: float(0.4) })]],
    ['Upsample', 9, ['y = Upsample(x, s)'], { weights: { s: tensor([3], [1, 2, 2.5]) } }],
    ['Upsample of opset 7', 7, [node('y = Upsample(x)', { scales: [float(1), float(3), float(2)] })]],
    ['Resize-10', 10, ['y = Resize(x, s)'], { weights: { s: tensor([3], [1, 2, 1.75]) } }],
    [
      'Scatter',
      9,
      [node('y = Scatter(x, i, u)', { axis: 1 })],
      { weights: { i: tensor([1, 1, 4], [0, 2, 1, 0], 'int64'), u: noise('u', [1, 1, 4]) } },
    ],
    [
      'BatchNormalization',
      9,
      ['y = BatchNormalization(x, a, b, a, c)'],
      { weights: { a: noise('a', [3]), b: noise('b', [3]), c: tensor([3], [1, 2, 3]) } },
    ],
    [
      'Conv, Gemm, pools and arithmetic as they are',
      9,
      [
        'c = Conv(x, w)',
        node('p = MaxPool(c)', { kernel_shape: [2] }),
        'f = Flatten(p)',
        'g = Gemm(f, v, b)',
        'y = Relu(g)',
      ],
      { weights: { w: noise('w', [2, 3, 1]), v: noise('v', [6, 2]), b: noise('b', [2]) } },
    ],
  ];
  for (const [name, opset, nodes, parts] of rewritten) it(name, () => raises(subject(opset, nodes, parts)));
  for (const [name, opset, nodes, parts] of rewritten)
    it(`${name}, to 21`, () => raises(subject(opset, nodes, parts), 21));

  const rewrittenTo21: [string, number, Parts['nodes'], Partial<Parts>?][] = [
    ['Split into halves', 13, [node('y, z = Split(x)', { axis: 2 })]],
    ['Split by sizes', 13, [node('y, z = Split(x, s)', { axis: 2 })], { weights: { s: tensor([2], [1, 3], 'int64') } }],
    ['ReduceMean', 17, [node('y = ReduceMean(x)', { axes: [-1], keepdims: 0 })]],
    ['ReduceMax of all', 17, ['y = ReduceMax(x)']],
    ['ReduceL2 since long', 9, [node('y = ReduceL2(x)', { axes: [1, 2] })]],
    ...['bilinear', 'bicubic', 'nearest'].map((mode): [string, number, Parts['nodes'], Partial<Parts>?] => [
      `GridSample ${mode}`,
      16,
      [node('y = GridSample(x, g)', { mode })],
      { inputs: { x: [1, 2, 4, 5] }, weights: { g: noise('g', [1, 3, 3, 2]) } },
    ]),
    [
      'GridSample by default',
      16,
      ['y = GridSample(x, g)'],
      { inputs: { x: [1, 2, 4, 5] }, weights: { g: noise('g', [1, 3, 3, 2]) } },
    ],
    ['DFT by default', 17, ['y = DFT(x)'], { inputs: { x: [1, 6, 5, 1] } }],
    ['DFT along an axis', 17, [node('y = DFT(x)', { axis: 2 })], { inputs: { x: [1, 6, 5, 1] } }],
    [
      'Pad, Resize and LayerNormalization as they are',
      17,
      ['p = Pad(x, n)', 'r = Resize(p, , s)', 'y = LayerNormalization(r, w, b)'],
      {
        weights: {
          n: tensor([6], [0, 0, 1, 0, 0, 1], 'int64'),
          s: tensor([3], [1, 1, 2]),
          w: noise('w', [12]),
          b: noise('b', [12]),
        },
      },
    ],
  ];
  for (const [name, opset, nodes, parts] of rewrittenTo21)
    it(`${name}, what changed up to 21`, () => raises(subject(opset, nodes, parts), 21));

  describe('from opset 6, which the runtime does not run: beside what it means written for 17', () => {
    const weights = { c: noise('c', [3]), w: noise('w', [4, 3]), b: noise('b', [4]), v: tensor([3], [1, 2, 3]) };
    const aligned = { ...weights, c: tensor([3, 1], [0.5, -1, 2]) };
    const old = { ...weights, c: tensor([3], [0.5, -1, 2]) };
    const cases: [string, Parts['nodes'], Parts['nodes'], Partial<Parts>?, Parts['weights']?][] = [
      ['of equal shapes', ['y = Add(x, x)'], ['y = Add(x, x)']],
      ['along the last axis', [node('y = Mul(x, b)', { broadcast: 1 })], ['y = Mul(x, b)']],
      [
        'along an axis',
        [node('y = Sub(x, c)', { broadcast: 1, axis: 1 })],
        ['y = Sub(x, c)'],
        { weights: old },
        aligned,
      ],
      ['along the last axis by its number', [node('y = Div(x, b)', { broadcast: 1, axis: -1 })], ['y = Div(x, b)']],
      ['Gemm', [node('y = Gemm(x, w, c)', { broadcast: 1 })], ['y = Gemm(x, w, c)'], { inputs: { x: [2, 4] } }],
      [
        'BatchNormalization',
        [node('y = BatchNormalization(x, c, c, c, v)', { is_test: 1 })],
        ['y = BatchNormalization(x, c, c, c, v)'],
      ],
      ['Dropout', [node('y = Dropout(x)', { is_test: 1, ratio: float(0.4) })], ['y = Identity(x)']],
    ];
    for (const [name, nodes, meant, parts, meantWeights] of cases)
      it(name, async () => {
        const after = await apply(subject(6, nodes, { weights, ...parts }), [id]);
        expect(after.advisories).toEqual([]);
        const expected = subject(17, meant, { weights, ...parts, ...(meantWeights && { weights: meantWeights }) });
        await expectSameOutputs(expected, after.model);
      });

    it('refuses a computed value along an axis, and training', async () => {
      for (const nodes of [
        ['r = Relu(c)', node('y = Add(x, r)', { broadcast: 1, axis: 1 })],
        ['y = BatchNormalization(x, c, c, c, v)'],
        ['y = Dropout(x)'],
      ]) {
        const after = await apply(subject(6, nodes, { weights }), [id]);
        expect(after.advisories.map(({ code }) => code)).toEqual(['raise-opset/refused']);
        expect(fired(after, id)).toBe(0);
      }
    });
  });

  it('refuses GroupNormalization of 18, whose scale had another shape', async () => {
    const before = subject(18, [node('y = GroupNormalization(x, a, a)', { num_groups: 3 })], {
      weights: { a: noise('a', [3]) },
    });
    const after = await apply(before, [id], { params: { [id]: { target: 21 } } });
    expect(after.advisories.map(({ code }) => code)).toEqual(['raise-opset/refused']);
    expect(after.model.opsetImports.get('')).toBe(18);
  });

  const image = { inputs: { x: [1, 3, 6, 6] } };
  const to23: [string, number, Parts['nodes'], Partial<Parts>?][] = [
    [
      'pools and a convolution',
      17,
      ['c = Conv(x, w)', node('q = MaxPool(c)', { kernel_shape: [2, 2] }), 'h = Neg(q)', 'y = Relu(h)'],
      { ...image, weights: { w: noise('w', [2, 3, 3, 3]) } },
    ],
    [
      'shapes, a cast and a quantization there and back',
      13,
      [
        's = Shape(x)',
        'r = Reshape(x, s)',
        node('k = Cast(r)', { to: 11 }),
        node('f = Cast(k)', { to: 1 }),
        'q = QuantizeLinear(f, scale, zero)',
        'd = DequantizeLinear(q, scale, zero)',
        't = Transpose(d)',
        'y = Identity(t)',
      ],
      { weights: { scale: tensor([], [0.05]), zero: tensor([], [3], 'uint8') } },
    ],
    ['LSTM', 14, ['y = LSTM(x, w, r)'], { weights: { w: noise('w', [1, 8, 4]), r: noise('r', [1, 8, 2]) } }],
  ];
  for (const [name, opset, nodes, parts] of to23)
    it(`${name}, to 23`, () => {
      const before = subject(opset, nodes, parts);
      for (const lstm of before.graph.nodes)
        if (lstm.opType === 'LSTM') lstm.attributes.set('hidden_size', { type: 'int', value: 2n });
      return raises(before, 23);
    });

  const notTo23: [string, Parts['nodes'], RegExp, Partial<Parts>?][] = [
    [
      'a pool that rounds up, whose last window may count otherwise from 22 on',
      [node('y = AveragePool(x)', { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1 })],
      /AveragePool rounds its size up/,
      image,
    ],
    [
      'an operator that loses its kernel',
      [node('y = RoiAlign(x, r, i)', { output_height: 2, output_width: 2 })],
      /no kernel for RoiAlign of opset 22/,
      { ...image, weights: { r: tensor([1, 4], [0, 0, 3, 3]), i: tensor([1], [0], 'int64') } },
    ],
  ];
  for (const [name, nodes, reason, parts] of notTo23)
    it(`refuses ${name}`, async () => {
      const after = await apply(subject(17, nodes, parts), [id], { params: { [id]: { target: 23 } } });
      expect(after.advisories[0]!.message).toMatch(reason);
      expect(after.model.opsetImports.get('')).toBe(17);
      const lower = await apply(subject(17, nodes, parts), [id], { params: { [id]: { target: 21 } } });
      expect(lower.model.opsetImports.get('')).toBe(21);
    });

  const refused: [string, number, Parts['nodes'], Partial<Parts>?][] = [
    ['Softmax over several axes', 11, [node('y = Softmax(x)', { axis: 1 })]],
    ['an operator of unknown history', 11, ['y = acme(x)']],
    [
      'linear Upsample',
      9,
      [node('y = Upsample(x, s)', { mode: 'linear' })],
      { weights: { s: tensor([3], [1, 1, 2]) } },
    ],
    ['Upsample that shrinks', 9, ['y = Upsample(x, s)'], { weights: { s: tensor([3], [1, 1, 0.5]) } }],
    [
      'BatchNormalization in training',
      9,
      ['y, m, v, p, q = BatchNormalization(x, a, b, a, c)'],
      { weights: { a: noise('a', [3]), b: noise('b', [3]), c: tensor([3], [1, 2, 3]) } },
    ],
    [
      'weights that are inputs of IR version 3',
      9,
      ['y = Add(x, w)'],
      { irVersion: 3, inputs: { x: [1, 3, 4], w: [4] }, weights: { w: noise('w', [4]) } },
    ],
  ];
  for (const [name, opset, nodes, parts] of refused) {
    it(`refuses ${name} and changes nothing`, async () => {
      const before = subject(opset, nodes, parts);
      const after = await apply(before, [id]);
      expect(fired(after, id)).toBe(0);
      expect(after.advisories.map(({ code }) => code)).toEqual(['raise-opset/refused']);
      expect(after.model.opsetImports.get('')).toBe(opset);
      expect(opsOf(after.model)).toEqual(opsOf(before));
    });
  }

  it('leaves a model that is there already, and takes a lower target', async () => {
    expect(fired(await apply(subject(18, ['y = Relu(x)']), [id]), id)).toBe(0);
    const after = await apply(subject(9, ['y = Relu(x)']), [id], { params: { [id]: { target: 13 } } });
    expect(after.model.opsetImports.get('')).toBe(13);
  });
});
