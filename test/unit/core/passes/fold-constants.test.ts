import { describe, expect, it } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { smallValues } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import type { Executor } from '../../../../src/core/step/define.ts';
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
  ortExecutor,
  runOrt,
  scalar,
  tensor,
} from './helpers.ts';

const id = 'fold-constants';

async function folds(
  before: Model,
  left: string[],
  executor: null | undefined = undefined,
  relative = 0,
): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead'], executor === null ? { executor } : {});
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

describe('fold-constants', () => {
  /** One node on constants, added to the input: whatever is computed here must be what onnxruntime computes. */
  const one = (text: string, weights = {}, attributes = {}, opset = 17, outputType = 'float32' as const) =>
    model({
      inputs: { x: { dtype: outputType, shape: [] } },
      outputs: ['y'],
      opset,
      weights,
      nodes: [node(text, attributes), 'f = Cast(r)', 'y = Add(f, x)'].map((item) =>
        item === 'f = Cast(r)' ? node(item, { to: 1 }) : item,
      ),
    });
  const w = noise(5, [3, 4]);
  const native: [string, Model][] = [
    ['Add with broadcasting', one('r = Add(a, b)', { a: noise(1, [2, 1, 3]), b: noise(2, [4, 1]) })],
    ['Sub', one('r = Sub(a, b)', { a: noise(1, [5]), b: noise(2, [5]) })],
    [
      'Mul of int32 that wraps',
      one('r = Mul(a, b)', { a: tensor([2], [2 ** 30, -7], 'int32'), b: tensor([], [4], 'int32') }),
    ],
    ['Div of negative int64', one('r = Div(a, b)', { a: ints(-7, 7, -8), b: ints(2, -2, 3) })],
    ['Div of float32', one('r = Div(a, b)', { a: noise(1, [9]), b: noise(2, [9]) })],
    ['Min', one('r = Min(a, b)', { a: noise(1, [9]), b: noise(2, [9]) })],
    ['Max of int64', one('r = Max(a, b)', { a: ints(1, -5), b: ints(0, 4) })],
    ['Equal', one('r = Equal(a, b)', { a: ints(1, 2, 3), b: ints(1) })],
    ['Less', one('r = Less(a, b)', { a: noise(1, [9]), b: scalar(0) })],
    ['Greater', one('r = GreaterOrEqual(a, b)', { a: noise(1, [9]), b: scalar(0) })],
    ['And', one('r = And(a, b)', { a: tensor([4], [0, 0, 1, 1], 'bool'), b: tensor([4], [0, 1, 0, 1], 'bool') })],
    ['Xor', one('r = Xor(a, b)', { a: tensor([4], [0, 0, 1, 1], 'bool'), b: tensor([4], [0, 1, 0, 1], 'bool') })],
    ['Not', one('r = Not(a)', { a: tensor([2], [0, 1], 'bool') })],
    ['Neg', one('r = Neg(a)', { a: ints(3, -4) })],
    ['Abs', one('r = Abs(a)', { a: noise(1, [4]) })],
    ['Sqrt', one('r = Sqrt(a)', { a: tensor([3], [2, 3, 0.1]) })],
    ['Floor', one('r = Floor(a)', { a: tensor([3], [-0.5, 2.5, -3]) })],
    ['Ceil', one('r = Ceil(a)', { a: tensor([3], [-0.5, 2.5, -3]) })],
    ['Where', one('r = Where(c, a, b)', { c: tensor([3, 1], [1, 0, 1], 'bool'), a: noise(1, [4]), b: scalar(9) })],
    ['Cast of float to int64', one('r = Cast(a)', { a: tensor([4], [-2.7, 2.7, 0.5, -0.5]) }, { to: 7 })],
    ['Cast of int64 to bool', one('r = Cast(a)', { a: ints(0, 5, -1) }, { to: 9 })],
    ['Cast of int64 to int32', one('r = Cast(a)', { a: ints(2 ** 33 + 5, -1) }, { to: 6 })],
    ['Slice', one('r = Slice(w, s, e, ax)', { w, s: ints(-2), e: ints(2 ** 40), ax: ints(1) })],
    [
      'Slice backwards',
      one('r = Slice(w, s, e, ax, st)', { w, s: ints(-1), e: ints(-100), ax: ints(1), st: ints(-2) }),
    ],
    ['Slice of nothing', one('r0 = Slice(w, s, e)', { w, s: ints(2), e: ints(1) })],
    ['Slice with attributes', one('r = Slice(w)', { w }, { starts: [1], ends: [3], axes: [1] }, 9)],
    ['Concat', one('r = Concat(w, v)', { w, v: noise(6, [3, 2]) }, { axis: -1 })],
    ['Gather', one('r = Gather(w, i)', { w, i: tensor([2, 2], [0, -1, 2, 1], 'int64') }, { axis: 1 })],
    ['Gather of a scalar index', one('r = Gather(w, i)', { w, i: scalar(2, 'int64') })],
    ['Transpose', one('r = Transpose(t)', { t: noise(7, [2, 3, 4]) }, { perm: [2, 0, 1] })],
    ['Transpose by default', one('r = Transpose(t)', { t: noise(7, [2, 3, 4]) })],
    ['Expand', one('r = Expand(w, s)', { w, s: ints(2, 1, 4) })],
    ['Reshape', one('r = Reshape(w, s)', { w, s: ints(0, 2, -1) })],
    ['Squeeze', one('r = Squeeze(v, ax)', { v: noise(7, [1, 3, 1]), ax: ints(-1) })],
    ['Squeeze of all', one('r = Squeeze(v)', { v: noise(7, [1, 3, 1]) })],
    ['Unsqueeze', one('r = Unsqueeze(w, ax)', { w, ax: ints(0, -1) })],
    ['Flatten', one('r = Flatten(v)', { v: noise(7, [2, 3, 2]) }, { axis: 2 })],
    ['Shape', one('r = Shape(w)', { w }, { start: -1 })],
    ['Size', one('r = Size(w)', { w })],
    ['ConstantOfShape', one('r = ConstantOfShape(s)', { s: ints(2, 3) }, { value: tensor([1], [2.5]) })],
    ['ConstantOfShape by default', one('r = ConstantOfShape(s)', { s: ints(2) })],
    ['ConstantOfShape of a scalar', one('r = ConstantOfShape(s)', { s: tensor([0], [], 'int64') })],
    ['Range', one('r = Range(a, b, c)', { a: scalar(7, 'int64'), b: scalar(0, 'int64'), c: scalar(-3, 'int64') })],
    ['ReduceProd', one('r = ReduceProd(a)', { a: ints(2, 3, 4) }, { keepdims: 0 })],
    ['Identity', one('r = Identity(w)', { w })],
  ];
  for (const [name, before] of native) {
    const fixed = name === 'Slice of nothing' ? one('r = Slice(w, s, e)', { w, s: ints(0, 1), e: ints(3, 3) }) : before;
    it(`${name}, without a runtime`, () => folds(fixed, ['Add'], null).then(() => {}));
  }

  it('splits', async () => {
    const before = model({
      inputs: { x: [3, 1] },
      outputs: ['y'],
      weights: { w, s: ints(1, 3) },
      nodes: [node('a, b = Split(w, s)', { axis: 1 }), 'y = Add(x, a)'],
    });
    await folds(before, ['Add'], null);
  });

  it('hands the rest to the runtime in one run', async () => {
    let runs = 0;
    const counting: Executor = {
      run(bytes, feeds) {
        runs += 1;
        return ortExecutor.run(bytes, feeds);
      },
    };
    const then = graph({ outputs: ['r'], weights: { k: noise(3, [4]) }, nodes: ['e = Exp(k)', 'r = Add(x, e)'] });
    const before = model({
      inputs: { x: [4], c: { dtype: 'bool', shape: [] } },
      outputs: ['y'],
      weights: { a: noise(1, [4]), b: noise(2, [4, 4]) },
      nodes: [
        's = Sin(a)',
        't = Transpose(b)',
        'm = MatMul(t, s)',
        'u = Add(m, s)',
        node('i = If(c)', { then_branch: then, else_branch: graph({ outputs: ['r'], nodes: ['r = Sub(x, u)'] }) }),
        'y = Mul(i, m)',
      ],
    });
    const after = await apply(before, [id, 'eliminate-dead'], { executor: counting });
    expect(runs).toBe(1);
    expect(opsOf(after.model)).toEqual(['If', 'Mul']);
    await expectSameOutputs(before, after.model);
  });

  it('folds what the runtime can run when one node of the batch fails', async () => {
    const refusing = {
      async run(bytes: Uint8Array, feeds: Parameters<typeof ortExecutor.run>[1]) {
        if (Buffer.from(bytes).includes('Cosh'))
          throw new StudioError('runtime/missing-kernel', { opType: 'Cosh', target: 'CPU' });
        return ortExecutor.run(bytes, feeds);
      },
    };
    const before = model({
      inputs: { x: [4] },
      outputs: ['y'],
      weights: { a: noise(1, [4]) },
      nodes: ['p = Sin(a)', 'q = Cosh(p)', 'r = Tanh(q)', 's = Exp(p)', 't = Add(r, s)', 'y = Add(x, t)'],
    });
    const after = await apply(before, [id, 'eliminate-dead'], { executor: refusing });
    expect(opsOf(after.model)).toEqual(['Cosh', 'Tanh', 'Add', 'Add']);
    await expectSameOutputs(before, after.model);
  });

  it('says so when there is no runtime', async () => {
    const before = model({
      inputs: { x: [4] },
      outputs: ['y'],
      weights: { a: noise(1, [4]) },
      nodes: ['s = Sin(a)', 'y = Add(x, s)'],
    });
    const after = await apply(before, [id], { executor: null });
    expect(opsOf(after.model)).toEqual(['Sin', 'Add']);
    expect(after.advisories.map(({ code }) => code)).toEqual(['fold-constants/no-runtime']);
  });

  it('folds shape computations over dims that are known, though others are free', async () => {
    const before = model({
      inputs: { x: ['n', 8, 'm'] },
      outputs: ['y'],
      weights: { one: scalar(1, 'int64'), two: scalar(2, 'int64') },
      nodes: ['s = Shape(x)', 'c = Gather(s, one)', 'h = Div(c, two)', node('f = Cast(h)', { to: 1 }), 'y = Mul(x, f)'],
    });
    await folds(before, ['Mul']);
  });

  it('returns a folded graph output from a Constant', async () => {
    const before = model({
      inputs: { x: [2] },
      outputs: ['y', 'k'],
      weights: { a: ints(1), b: ints(2) },
      nodes: ['k = Add(a, b)', 'y = Relu(x)'],
    });
    const after = await folds(before, ['Constant', 'Relu']);
    expect(
      (await runOrt(after, new Map([['x', { dtype: 'float32', dims: [2], data: new Uint8Array(8) }]]))).get('k'),
    ).toBeDefined();
  });

  describe('leaves alone', () => {
    const stays = async (before: Model, options = {}) => {
      const after = await apply(before, [id], options);
      expect(fired(after, id)).toBe(0);
      expect(opsOf(after.model)).toEqual(opsOf(before));
    };
    const plus = (text: string, weights = {}, attributes = {}) =>
      model({ inputs: { x: [] }, outputs: ['y'], weights, nodes: [node(text, attributes), 'y = Add(r, x)'] });
    it('random operators', () => stays(plus('r = RandomNormal()', {}, { shape: [2] })));
    it('random operators on constants', () => stays(plus('r = RandomNormalLike(a)', { a: noise(1, [2]) })));
    it('DequantizeLinear', () =>
      stays(plus('r = DequantizeLinear(q, s)', { q: tensor([2], [1, 2], 'int8'), s: scalar(0.1) })));
    it('results above the limit', () =>
      stays(plus('r = Expand(a, s)', { a: scalar(1), s: ints(1024) }), { params: { [id]: { maxOutputBytes: 4095 } } }));
    it('weights stored narrow and cast wider', () =>
      stays(plus('r = Cast(a)', { a: noise(1, [300, 300], 'float16') }, { to: 1 })));
    it('control flow', () =>
      stays(
        plus(
          'r = If(c)',
          { c: scalar(1, 'bool') },
          {
            then_branch: graph({ outputs: ['t'], nodes: ['t = Relu(x)'] }),
            else_branch: graph({ outputs: ['t'], nodes: ['t = Neg(x)'] }),
          },
        ),
      ));
    it('weights that callers may override', () =>
      stays(
        model({
          inputs: { x: [], a: [2] },
          outputs: ['y'],
          weights: { a: noise(1, [2]) },
          nodes: ['r = Neg(a)', 'y = Add(r, x)'],
        }),
      ));
    it('integer division by zero', () =>
      stays(
        model({
          inputs: { x: { dtype: 'int64', shape: [] } },
          outputs: ['y'],
          weights: { a: ints(1), z: ints(0) },
          nodes: ['r = Div(a, z)', 'y = Add(r, x)'],
        }),
        {
          executor: null,
        },
      ));
  });

  it('allows a large result that replaces constants as large', async () => {
    const before = model({
      inputs: { x: [2, 600] },
      outputs: ['y'],
      weights: { w: noise(1, [500, 600]) },
      nodes: [node('t = Transpose(w)', { perm: [1, 0] }), 'y = MatMul(x, t)'],
    });
    // The runtime packs a constant factor for its kernel, which sums in another order.
    const after = await folds(before, ['MatMul'], undefined, 1e-6);
    expect(after.graph.initializers.get('t')!.dims).toEqual([600, 500]);
  });

  it('keeps half precision constants in half precision', async () => {
    const before = model({
      inputs: { x: { dtype: 'float16', shape: [3] } },
      outputs: ['y'],
      weights: { a: noise(1, [3], 'float16'), b: noise(2, [3], 'float16') },
      nodes: ['r = Mul(a, b)', 'y = Add(r, x)'],
    });
    const after = await folds(before, ['Add']);
    expect(after.graph.initializers.get('r')!.dtype).toBe('float16');
  });

  it('folds a chain of 20,000 small nodes', async () => {
    const nodes = Array.from({ length: 20_000 }, (_, at) => `v${at + 1} = Add(v${at}, one)`);
    const before = model({
      inputs: { x: { dtype: 'int64', shape: [] } },
      outputs: ['y'],
      weights: { v0: scalar(0, 'int64'), one: scalar(1, 'int64') },
      nodes: [...nodes, 'y = Add(x, v20000)'],
    });
    const after = await apply(before, [id, 'eliminate-dead'], { executor: null });
    expect(opsOf(after.model)).toEqual(['Add']);
    expect(smallValues(after.model.graph.initializers.get('v20000')!)).toEqual([20_000]);
  });
});
