import { describe, expect, it } from 'vitest';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, model, node, noise, opsOf, tensor } from './helpers.ts';

const id = 'raise-opset';
type Parts = Parameters<typeof model>[0];
const subject = (opset: number, nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: [1, 3, 4] }, outputs: ['y'], opset, nodes, ...parts });

async function raises(before: Model, check: (nodes: Node[]) => void = () => {}): Promise<void> {
  const after = await apply(before, [id]);
  expect(after.advisories).toEqual([]);
  expect(fired(after, id)).toBe(1);
  expect(after.model.opsetImports.get('')).toBe(17);
  expect(after.model.irVersion).toBeGreaterThanOrEqual(8);
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
