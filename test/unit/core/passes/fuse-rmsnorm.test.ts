import { describe, expect, it } from 'vitest';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, graph, ints, model, node, noise, opsOf, scalar, tensor } from './helpers.ts';

const id = 'fuse-rmsnorm';
type Parts = Parameters<typeof model>[0];

interface Spelling {
  square?: 'Pow' | 'Mul';
  quotient?: 'Div' | 'Reciprocal' | 'one over' | 'Pow';
  gamma?: 'first' | 'last' | 'none';
  axes?: readonly number[];
  opset?: number;
}

/** As TorchScript (1 / Sqrt), dynamo (Reciprocal) and others write it. */
function decomposed(spelling: Spelling = {}, x = 'x', y = 'y'): (string | Node)[] {
  const { square = 'Pow', quotient = 'one over', gamma = 'first', axes = [-1], opset = 17 } = spelling;
  const n = gamma === 'none' ? y : 'n';
  const quotients: Record<string, string[]> = {
    Div: ['s = Sqrt(e)', `${n} = Div(${x}, s)`],
    Reciprocal: ['s = Sqrt(e)', 'r = Reciprocal(s)', `${n} = Mul(${x}, r)`],
    'one over': ['s = Sqrt(e)', 'r = Div(one, s)', `${n} = Mul(${x}, r)`],
    Pow: ['s = Pow(e, minusHalf)', `${n} = Mul(s, ${x})`],
  };
  return [
    square === 'Pow' ? `q = Pow(${x}, two)` : `q = Mul(${x}, ${x})`,
    opset >= 18 ? 'm = ReduceMean(q, axes)' : node('m = ReduceMean(q)', { axes }),
    'e = Add(m, eps)',
    ...quotients[quotient]!,
    ...(gamma === 'none' ? [] : [`${y} = Mul(${gamma === 'first' ? 'gamma, n' : 'n, gamma'})`]),
  ];
}

const weightsFor = (dims: readonly number[], dtype: DType = 'float32', epsilon = 1e-5) => ({
  gamma: noise('gamma', dims, dtype),
  two: scalar(2, dtype),
  one: scalar(1, dtype),
  minusHalf: scalar(-0.5, dtype),
  eps: scalar(epsilon, dtype),
  axes: ints(-1),
});

const rmsNorm = (spelling: Spelling = {}, parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: ['batch', 5, 8] },
    outputs: ['y'],
    weights: weightsFor([8]),
    nodes: decomposed(spelling),
    opset: spelling.opset ?? 17,
    ...parts,
  });

async function fuses(before: Model, left: string[] = ['SimplifiedLayerNormalization'], relative = 1e-5, steps = [id]) {
  const after = await apply(before, [...steps, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

/** Between casts, in the three places where models of Hugging Face cast back. */
function castChain(back: 'before gamma' | 'after gamma' | 'never'): Model {
  const wide = weightsFor([8], 'float32', 1e-3);
  const tail = {
    'before gamma': [node('h = Cast(n)', { to: 10 }), 'y = Mul(gammaHalf, h)'],
    'after gamma': ['g = Mul(n, gamma)', node('y = Cast(g)', { to: 10 })],
    never: ['y = Mul(gamma, n)'],
  }[back];
  return rmsNorm(
    {},
    {
      inputs: { x: { dtype: 'float16', shape: [2, 5, 8] } },
      weights: { ...wide, gammaHalf: noise('gamma', [8], 'float16') },
      nodes: [node('f = Cast(x)', { to: 1 }), ...decomposed({ gamma: 'none' }, 'f', 'n'), ...tail],
    },
  );
}

describe('fuse-rmsnorm: what fuses', () => {
  const spellings: [string, Spelling][] = [
    ['Llama by TorchScript: Pow, 1 / Sqrt, weight first', {}],
    ['Llama by dynamo: Reciprocal', { quotient: 'Reciprocal', opset: 18 }],
    ['T5: weight last', { gamma: 'last' }],
    ['Div by the root', { quotient: 'Div' }],
    ['Pow(-0.5)', { quotient: 'Pow' }],
    ['Mul(x, x)', { square: 'Mul' }],
    ['axis counted from the front', { axes: [2] }],
    ['no weight', { gamma: 'none' }],
  ];
  for (const [name, spelling] of spellings) it(name, () => fuses(rmsNorm(spelling)).then(() => {}));

  it('the standard operator from opset 23 on', () =>
    fuses(rmsNorm({ opset: 23, quotient: 'Reciprocal' }), ['RMSNormalization']).then(() => {}));

  it('Gemma: 1 + w as the weight', () => {
    const before = rmsNorm(
      {},
      { nodes: [...decomposed({ gamma: 'none' }, 'x', 'n'), 'w = Add(gamma, one)', 'y = Mul(n, w)'] },
    );
    return fuses(before, undefined, 1e-5, ['fold-constants', id]).then(() => {});
  });

  it('over two axes, and a weight with a leading one', async () => {
    await fuses(rmsNorm({ axes: [1, 2] }, { weights: weightsFor([5, 8]) }));
    const after = await fuses(rmsNorm({}, { weights: weightsFor([1, 1, 8]) }));
    expect(after.graph.initializers.get(after.graph.nodes[0]!.inputs[1]!)!.dims).toEqual([8]);
  });

  it('half precision cast back before the weight: both casts go', () =>
    fuses(castChain('before gamma'), undefined, 2e-3).then(() => {}));
  it('half precision cast back after the weight, or never: fused in single precision', async () => {
    await fuses(castChain('after gamma'), ['Cast', 'SimplifiedLayerNormalization', 'Cast'], 1e-3);
    await fuses(castChain('never'), ['Cast', 'SimplifiedLayerNormalization'], 1e-3);
  });
  it('a widened value that others read keeps its cast', () => {
    const before = castChain('before gamma');
    before.graph.nodes.push(node('z = Neg(f)'));
    before.graph.outputs.push({ name: 'z' });
    return fuses(before, ['Cast', 'SimplifiedLayerNormalization', 'Neg'], 2e-3).then(() => {});
  });

  it('inside a subgraph', () => {
    const branch = (nodes: Parts['nodes']) => graph({ outputs: ['out'], nodes });
    const before = rmsNorm(
      {},
      {
        inputs: { x: [2, 8], c: { dtype: 'bool', shape: [] } },
        nodes: [
          node('y = If(c)', { then_branch: branch(decomposed({}, 'x', 'out')), else_branch: branch(['out = Neg(x)']) }),
        ],
      },
    );
    return fuses(before, ['If']).then((after) =>
      expect(
        JSON.stringify([...after.graph.nodes[0]!.attributes.values()], (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
      ).toContain('SimplifiedLayerNormalization'),
    );
  });

  it('may be told to leave models before opset 23 standard', async () => {
    const after = await apply(rmsNorm(), [id], { params: { [id]: { operators: 'standard' } } });
    expect(fired(after, id)).toBe(0);
  });

  it('the raised opset knows the operator', async () => {
    const after = await apply(rmsNorm(), [id, 'raise-opset'], { params: { 'raise-opset': { target: 21 } } });
    expect(after.model.opsetImports.get('')).toBe(21);
  });
});

describe('fuse-rmsnorm: what stays', () => {
  const swap = (from: string, to: string | Node) => decomposed().map((item) => (item === from ? to : item));
  const two = { x: [2, 5, 8], z: [2, 5, 8] };
  const cases: [string, Model][] = [
    ['the first axis', rmsNorm({ axes: [1] }, { weights: weightsFor([5, 1]) })],
    ['a cube', rmsNorm({}, { weights: { ...weightsFor([8]), two: scalar(3) } })],
    ['two over the root', rmsNorm({}, { weights: { ...weightsFor([8]), one: scalar(2) } })],
    ['a negative epsilon', rmsNorm({}, { weights: weightsFor([8], 'float32', -1e-9) })],
    ['an epsilon per row', rmsNorm({}, { weights: { ...weightsFor([8]), eps: tensor([5, 1], [1, 2, 3, 4, 5]) } })],
    ['the mean read elsewhere', rmsNorm({}, { outputs: ['y', 'm'] })],
    ['the root read elsewhere', rmsNorm({}, { outputs: ['y', 'z'], nodes: [...decomposed(), 'z = Exp(s)'] })],
    ['the square of another value', rmsNorm({}, { inputs: two, nodes: swap('q = Pow(x, two)', 'q = Pow(z, two)') })],
    ['another value divided', rmsNorm({}, { inputs: two, nodes: swap('n = Mul(x, r)', 'n = Mul(z, r)') })],
    ['an epsilon that callers may override', rmsNorm({}, { inputs: { x: [2, 5, 8], eps: [] } })],
    ['unknown last dim', rmsNorm({}, { inputs: { x: ['a', 'b', 'c'] } })],
  ];
  for (const [name, before] of cases)
    it(name, async () => {
      const after = await apply(before, [id]);
      expect(fired(after, id)).toBe(0);
    });

  it('a weight of another shape, or one that callers may override: the core fuses, the product stays', async () => {
    const left = ['SimplifiedLayerNormalization', 'Mul'];
    await fuses(rmsNorm({}, { inputs: { x: [2, 5, 8] }, weights: weightsFor([5, 1]) }), left);
    await fuses(rmsNorm({}, { inputs: { x: [2, 5, 8], gamma: [8] } }), left);
  });
});
