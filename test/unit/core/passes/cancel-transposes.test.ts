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
  scalar,
} from './helpers.ts';

const id = 'cancel-transposes';
const toLast = { perm: [0, 2, 3, 1] };
const toFirst = { perm: [0, 3, 1, 2] };
const swap = { perm: [0, 2, 1] };
const shape4 = ['b', 3, 4, 5] as const;

const made = (nodes: Parts['nodes'], parts: Partial<Parts> = {}): Model =>
  model({ inputs: { x: shape4 }, outputs: ['y'], nodes, opset: 18, ...parts });

async function becomes(before: Model, left: string[], relative = 1e-6) {
  const after = await apply(before, [id]);
  expect(opsOf(after.model)).toEqual(left);
  expect(fired(after, id)).toBeGreaterThan(0);
  expect(after.model.graph.outputs.map(({ name }) => name)).toEqual(before.graph.outputs.map(({ name }) => name));
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

async function stays(before: Model) {
  const ops = opsOf(before);
  const after = await apply(before, [id]);
  expect(opsOf(after.model)).toEqual(ops);
  expect(fired(after, id)).toBe(0);
}

describe('cancel-transposes', () => {
  it('around operators that work on single elements', async () => {
    await becomes(
      made([node('a = Transpose(x)', toLast), 'b = Relu(a)', 'c = Exp(b)', node('y = Transpose(c)', toFirst)]),
      ['Relu', 'Exp'],
    );
  });

  it('a bias and a scale of the last axis are turned with it, large and small ones', async () => {
    const after = await becomes(
      made(
        [
          node('a = Transpose(x)', toLast),
          'b = Add(a, bias)',
          'c = Mul(scale, b)',
          'd = Sub(c, whole)',
          'e = Div(d, two)',
          node('y = Transpose(e)', toFirst),
        ],
        {
          weights: {
            bias: noise('bias', [3]),
            scale: noise('scale', [5, 3]),
            whole: noise('whole', [1, 4, 5, 3]),
            two: scalar(2),
          },
        },
      ),
      ['Add', 'Mul', 'Sub', 'Div'],
    );
    const dims = [...after.graph.initializers].map(([name, { dims: own }]) => `${name} ${own}`);
    expect(dims.sort()).toEqual(['bias.turned 3,1,1', 'scale.turned 3,1,5', 'two ', 'whole.turned 3,4,5']);
  });

  it('two branches that meet, each from a Transpose of its own', async () => {
    await becomes(
      made(
        [
          node('a = Transpose(x)', toLast),
          node('b = Transpose(z)', toLast),
          'c = Sigmoid(a)',
          'd = Mul(c, b)',
          node('y = Transpose(d)', toFirst),
        ],
        { inputs: { x: shape4, z: shape4 } },
      ),
      ['Sigmoid', 'Mul'],
    );
  });

  it('residual blocks that are turned back and forth', async () => {
    const weights = { w: noise('w', [3, 3, 1, 1]), v: noise('v', [3, 3, 1, 1]) };
    await becomes(
      made(
        [
          node('i = Transpose(x)', toFirst),
          'j = Conv(i, w)',
          node('a = Transpose(j)', toLast),
          'b = Relu(a)',
          node('c = Transpose(b)', toFirst),
          'd = Conv(c, v)',
          node('e = Transpose(d)', toLast),
          'f = Add(b, e)',
          'y = Relu(f)',
        ],
        { inputs: { x: ['b', 4, 5, 3] }, weights },
      ),
      // The last Relu costs nothing on either side.
      ['Transpose', 'Conv', 'Relu', 'Conv', 'Add', 'Transpose', 'Relu'],
    );
  });

  it('axes of Concat, Split, Pad, Slice, reductions and Softmax', async () => {
    await becomes(
      made(
        [
          node('a = Transpose(x)', toLast),
          node('b = Concat(a, extra, a)', { axis: -1 }),
          node('c, d = Split(b, sizes)', { axis: 3 }),
          'e = Pad(c, pads)',
          'f = Slice(e, starts, ends, axes)',
          node('g = ReduceMean(f, last)', { keepdims: 1 }),
          'h = Sub(f, g)',
          node('i = Softmax(h)', { axis: 2 }),
          node('y = Transpose(i)', toFirst),
          node('z = Transpose(d)', toFirst),
        ],
        {
          outputs: ['y', 'z'],
          weights: {
            extra: noise('extra', [2, 4, 5, 2]),
            sizes: ints(5, 3),
            pads: ints(0, 1, 0, 2, 0, 0, 3, 0),
            starts: ints(1, 0),
            ends: ints(6, 4),
            axes: ints(-1, 1),
            last: ints(3),
          },
          inputs: { x: [2, 3, 4, 5] },
        },
      ),
      ['Concat', 'Split', 'Pad', 'Slice', 'ReduceMean', 'Sub', 'Softmax'],
    );
  });

  it('a mean over the places leaves nothing to turn back', async () => {
    const places = { axes: [1, 2], keepdims: 0 };
    await becomes(
      made([node('a = Transpose(x)', toLast), 'b = Relu(a)', node('y = ReduceMean(b)', places)], { opset: 13 }),
      ['Relu', 'ReduceMean'],
    );
    // The axes that are left would come out in another order.
    await stays(
      made([node('a = Transpose(x)', toLast), 'b = Relu(a)', node('y = ReduceMean(b)', { axes: [1], keepdims: 0 })], {
        opset: 13,
      }),
    );
  });

  it('other Transposes behind it start from the order before', async () => {
    await becomes(
      made([node('a = Transpose(x)', toLast), 'b = Neg(a)', node('y = Transpose(b)', { perm: [0, 1, 3, 2] })]),
      ['Neg', 'Transpose'],
    );
  });

  it('an output keeps its name, and a second one of the same value gets a copy', async () => {
    const nodes = [node('a = Transpose(x)', toLast), 'b = Tanh(a)', node('y = Transpose(b)', toFirst)];
    await becomes(made([...nodes, 'c = Exp(y)', 'z = Neg(c)'], { outputs: ['y', 'z'] }), ['Tanh', 'Exp', 'Neg']);
    await becomes(made([...nodes, node('z = Transpose(b)', toFirst)], { outputs: ['y', 'z'] }), ['Tanh', 'Identity']);
  });

  it('layers and normalizations along the last axis, which stays the last', async () => {
    const swapped = { perm: [1, 0, 2] };
    await becomes(
      made(
        [
          node('a = Transpose(x)', swapped),
          node('b = LayerNormalization(a, g)', { axis: -1 }),
          'c = MatMul(b, w)',
          node('y = Transpose(c)', swapped),
        ],
        { inputs: { x: ['b', 7, 4] }, weights: { g: noise('g', [4]), w: noise('w', [4, 5]) } },
      ),
      ['LayerNormalization', 'MatMul'],
      1e-5,
    );
    await stays(
      made(
        [
          node('a = Transpose(x)', swap),
          node('b = LayerNormalization(a, g)', { axis: -1 }),
          node('y = Transpose(b)', swap),
        ],
        {
          inputs: { x: ['b', 7, 4] },
          weights: { g: noise('g', [7]) },
        },
      ),
    );
  });

  it('the default order of a Transpose, of a matrix', async () => {
    await becomes(
      made(['a = Transpose(x)', 'b = Add(a, bias)', 'y = Transpose(b)'], {
        inputs: { x: ['b', 3] },
        weights: { bias: noise('bias', [3, 1]) },
      }),
      ['Add'],
    );
  });

  it('inside a subgraph, where the values around it stay as they are', async () => {
    const branch = (op: string) =>
      graph({
        outputs: ['r'],
        nodes: [node('p = Transpose(x)', toLast), `q = ${op}(p)`, node('r = Transpose(q)', toFirst)],
      });
    const before = made([node('y = If(flag)', { then_branch: branch('Relu'), else_branch: branch('Neg') })], {
      inputs: { x: shape4, flag: { dtype: 'bool', shape: [] } },
    });
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(2);
    await expectSameOutputs(before, after.model, { relative: 1e-6 });
  });

  describe('layers that mix tokens', () => {
    const mixer = (dtype: 'float32' | 'float16' | 'float64', extra: Parts['nodes'] = []) =>
      made(
        [
          node('a = Transpose(x)', swap),
          'b = MatMul(a, w)',
          'c = Add(b, bias)',
          'd = Tanh(c)',
          'e = MatMul(d, v)',
          'f = Add(last, e)',
          node('y = Transpose(f)', swap),
          ...extra,
        ],
        {
          inputs: { x: { dtype, shape: ['b', 7, 4] } },
          weights: {
            w: noise('w', [7, 9], dtype, 0.3),
            bias: noise('bias', [9], dtype),
            v: noise('v', [9, 7], dtype, 0.3),
            last: noise('last', [7], dtype),
          },
        },
      );

    it('become convolutions of width 1', async () => {
      const after = await becomes(mixer('float32'), ['Conv', 'Tanh', 'Conv'], 1e-5);
      expect([...after.graph.initializers.values()].map(({ dims }) => dims)).toEqual([[9, 7, 1], [9], [7, 9, 1], [7]]);
    });

    it('in half precision', async () => {
      await becomes(mixer('float16'), ['Conv', 'Tanh', 'Conv'], 5e-3);
    });

    it('in double precision, for which there is no such convolution, products from the left', async () => {
      await becomes(mixer('float64'), ['MatMul', 'Add', 'Tanh', 'MatMul', 'Add'], 1e-12);
    });

    it('a matrix on the left goes to the right', async () => {
      await becomes(
        made(
          [
            node('a = Transpose(x)', { perm: [0, 1, 3, 2] }),
            'b = MatMul(w, a)',
            node('y = Transpose(b)', { perm: [0, 1, 3, 2] }),
          ],
          {
            weights: { w: noise('w', [6, 5]) },
          },
        ),
        ['MatMul'],
        1e-5,
      );
    });

    it('not where the sum before the activation is needed too, and one more Transpose would come', async () => {
      await stays(
        made(
          [
            node('a = Transpose(x)', swap),
            'b = MatMul(a, w)',
            'y = Softmax(b)',
            node('z = Transpose(b)', { perm: [1, 0, 2] }),
          ],
          { inputs: { x: ['b', 7, 4] }, outputs: ['y', 'z'], weights: { w: noise('w', [7, 9]) } },
        ),
      );
    });
  });

  describe('stays', () => {
    it('where one Transpose would only move', async () => {
      await stays(made([node('a = Transpose(x)', toLast), 'y = Relu(a)']));
    });

    it('where the value in between is an output, or somebody else reads it', async () => {
      const nodes = [node('a = Transpose(x)', toLast), 'b = Relu(a)', node('y = Transpose(b)', toFirst)];
      // One goes and one comes.
      await stays(made(nodes, { outputs: ['y', 'b', 'a'] }));
      await stays(made([...nodes, 'z = Flatten(b)', 'u = Shape(a)'], { outputs: ['y', 'z', 'u'] }));
    });

    it('where the other operand comes in its own order', async () => {
      await stays(
        made([node('a = Transpose(x)', toLast), 'b = Add(a, z)', 'y = Relu(b)'], {
          inputs: { x: shape4, z: ['b', 4, 5, 3] },
        }),
      );
    });

    it('a bias that the caller may give', async () => {
      await stays(
        made([node('a = Transpose(x)', toLast), 'b = Add(a, bias)', node('y = Transpose(b)', toFirst)], {
          inputs: { x: shape4, bias: [3] },
          weights: { bias: noise('bias', [3]) },
        }),
      );
    });

    it('Softmax over the last axis, which would no longer be the last', async () => {
      await stays(
        made([
          node('a = Transpose(x)', toLast),
          node('b = Softmax(a)', { axis: -1 }),
          node('y = Transpose(b)', toFirst),
        ]),
      );
    });

    it('what reads the order of the axes: Shape, Reshape, CumSum', async () => {
      for (const op of ['b = Flatten(a)', 'b = Shape(a)'])
        await stays(made([node('a = Transpose(x)', toLast), op, 'y = Identity(b)']));
    });
  });

  it('a hundred thousand readers of one Transpose', async () => {
    const count = 100_000;
    const nodes = Array.from({ length: count }, (_, at) => `v${at} = Neg(a)`);
    const before = made([node('a = Transpose(x)', toLast), ...nodes], { outputs: ['v0', `v${count - 1}`] });
    const start = performance.now();
    expect(fired(await apply(before, [id]), id)).toBe(0);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
