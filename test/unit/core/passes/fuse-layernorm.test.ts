import { describe, expect, it } from 'vitest';
import type { DType } from '../../../../src/core/ir/dtype.ts';
import type { Model, Node } from '../../../../src/core/ir/types.ts';
import {
  type Attributes,
  apply,
  expectSameOutputs,
  fired,
  graph,
  ints,
  model,
  node,
  noise,
  opsOf,
  scalar,
  tensor,
} from './helpers.ts';

const id = 'fuse-layernorm';
type Parts = Parameters<typeof model>[0];

interface Spelling {
  readonly square?: 'Pow' | 'Mul';
  readonly quotient?: 'Div' | 'Reciprocal' | 'one over' | 'Pow';
  readonly axes?: number[];
  readonly keepdims?: number;
  readonly epsilon?: number;
  readonly gamma?: boolean;
  readonly beta?: boolean;
  readonly swapped?: boolean;
  readonly opset?: number;
}

/** Layer normalization of `x` to `y`, written out. */
function decomposed(spelling: Spelling = {}, x = 'x', y = 'y'): (string | Node)[] {
  const {
    square = 'Pow',
    quotient = 'Div',
    axes = [-1],
    keepdims = 1,
    gamma = true,
    beta = true,
    swapped,
    opset = 17,
  } = spelling;
  const reduce = (text: string) => {
    const attributes: Attributes = opset < 18 ? { axes, keepdims } : { keepdims };
    return node(opset < 18 ? text : text.replace(')', ', axes)'), attributes);
  };
  const names = ['n', gamma ? 'g' : '', beta ? 'h' : ''].filter(Boolean);
  const named = (name: string) => (name === names.at(-1) ? y : name);
  const quotients: Record<string, string[]> = {
    Div: [`${named('n')} = Div(d, s)`],
    Reciprocal: ['q = Reciprocal(s)', `${named('n')} = Mul(d, q)`],
    'one over': ['q = Div(one, s)', `${named('n')} = Mul(q, d)`],
    Pow: [`${named('n')} = Mul(d, s)`],
  };
  const pair = (a: string, b: string) => (swapped ? `${b}, ${a}` : `${a}, ${b}`);
  return [
    reduce(`m = ReduceMean(${x})`),
    `d = Sub(${x}, m)`,
    square === 'Pow' ? 'p = Pow(d, two)' : 'p = Mul(d, d)',
    reduce('v = ReduceMean(p)'),
    `e = Add(${pair('v', 'eps')})`,
    quotient === 'Pow' ? 's = Pow(e, minusHalf)' : 's = Sqrt(e)',
    ...quotients[quotient]!,
    ...(gamma ? [`${named('g')} = Mul(${pair('n', 'gamma')})`] : []),
    ...(beta ? [`${named('h')} = Add(${pair(gamma ? 'g' : 'n', 'beta')})`] : []),
  ];
}

const weightsFor = (dims: readonly number[], { epsilon = 1e-5 }: Spelling = {}, dtype: DType = 'float32') => ({
  gamma: noise('gamma', dims, dtype),
  beta: noise('beta', dims, dtype),
  two: scalar(2, dtype),
  one: scalar(1, dtype),
  minusHalf: scalar(-0.5, dtype),
  eps: scalar(epsilon, dtype),
  axes: ints(-1),
});

const layerNorm = (spelling: Spelling = {}, parts: Partial<Parts> = {}) =>
  model({
    inputs: { x: ['batch', 5, 8] },
    outputs: ['y'],
    weights: weightsFor([8], spelling),
    nodes: decomposed(spelling),
    opset: spelling.opset ?? 17,
    ...parts,
  });

async function fuses(before: Model, left: string[] = ['LayerNormalization'], relative = 1e-5): Promise<Model> {
  const after = await apply(before, [id, 'eliminate-dead']);
  expect(opsOf(after.model)).toEqual(left);
  await expectSameOutputs(before, after.model, { relative });
  return after.model;
}

async function leaves(before: Model): Promise<void> {
  expect(fired(await apply(before, [id]), id)).toBe(0);
}

describe('fuse-layernorm: what fuses', () => {
  const spellings: [string, Spelling][] = [
    ['Pow, Div', {}],
    ['Mul(d, d)', { square: 'Mul' }],
    ['Reciprocal', { quotient: 'Reciprocal' }],
    ['1 / Sqrt', { quotient: 'one over' }],
    ['Pow(-0.5)', { quotient: 'Pow' }],
    ['operands swapped', { swapped: true }],
    ['axis counted from the front', { axes: [2] }],
    ['no beta', { beta: false }],
    ['no gamma', { gamma: false }],
    ['neither', { gamma: false, beta: false }],
    ['another epsilon', { epsilon: 0.5 }],
    ['axes as an input', { opset: 18 }],
  ];
  for (const [name, spelling] of spellings) it(name, () => fuses(layerNorm(spelling)).then(() => {}));

  it('over two axes', () =>
    fuses(layerNorm({ axes: [-2, -1] }, { weights: weightsFor([5, 8], {}) })).then((after) =>
      expect(after.graph.nodes[0]!.attributes.get('axis')).toMatchObject({ value: -2n }),
    ));
  it('gamma and beta with leading ones', async () => {
    const after = await fuses(layerNorm({}, { weights: weightsFor([1, 1, 8]) }));
    for (const name of after.graph.nodes[0]!.inputs.slice(1))
      expect(after.graph.initializers.get(name)!.dims).toEqual([8]);
  });
  it('raises the opset of an older model, everything else included', async () => {
    const before = layerNorm(
      { opset: 9 },
      {
        outputs: ['z'],
        nodes: [
          ...decomposed({ opset: 9 }),
          node('c = Clip(y)', { min: 0 as never, max: 6 as never }),
          node('z = Squeeze(c)', { axes: [0] }),
        ],
        inputs: { x: [1, 5, 8] },
      },
    );
    for (const name of ['min', 'max'] as const)
      before.graph.nodes.at(-2)!.attributes.set(name, { type: 'float', value: name === 'min' ? 0 : 6 });
    const after = await fuses(before, ['LayerNormalization', 'Clip', 'Squeeze']);
    expect(after.opsetImports.get('')).toBe(17);
  });
  it('float16, in single precision inside', () =>
    fuses(
      layerNorm(
        {},
        { inputs: { x: { dtype: 'float16', shape: [2, 8] } }, weights: weightsFor([8], { epsilon: 1e-3 }, 'float16') },
      ),
      ['LayerNormalization'],
      5e-3,
    ).then(() => {}));
  it('inside a subgraph', () =>
    fuses(
      layerNorm(
        {},
        {
          inputs: { x: [2, 8], c: { dtype: 'bool', shape: [] } },
          nodes: [
            node('y = If(c)', {
              then_branch: graph({ outputs: ['r'], nodes: decomposed({}, 'x', 'r') }),
              else_branch: graph({ outputs: ['r'], nodes: ['r = Neg(x)'] }),
            }),
          ],
        },
      ),
      ['If'],
    ).then(() => {}));
});

describe('fuse-layernorm: what stays', () => {
  const swap = (from: string, to: string | Node) => decomposed().map((item) => (item === from ? to : item));
  const cases: [string, Model][] = [
    ['the first axis', layerNorm({ axes: [1] }, { weights: weightsFor([5, 1]) })],
    ['axes with a gap', layerNorm({ axes: [0, 2] }, { inputs: { x: [3, 5, 8] } })],
    ['a cube', layerNorm({}, { weights: { ...weightsFor([8]), two: scalar(3) } })],
    ['a negative epsilon', layerNorm({ epsilon: -1 })],
    [
      'an epsilon per element',
      layerNorm({}, { weights: { ...weightsFor([8]), eps: tensor([5, 1], [1, 2, 3, 4, 5]) } }),
    ],
    ['the mean read elsewhere', layerNorm({}, { outputs: ['y', 'm'] })],
    ['the difference read elsewhere', layerNorm({}, { outputs: ['y', 'z'], nodes: [...decomposed(), 'z = Exp(d)'] })],
    ['the variance read elsewhere', layerNorm({}, { outputs: ['y', 'z'], nodes: [...decomposed(), 'z = Exp(v)'] })],
    [
      'the mean of another value',
      layerNorm({}, { inputs: { x: [2, 5, 8], z: [2, 5, 8] }, nodes: swap('d = Sub(x, m)', 'd = Sub(z, m)') }),
    ],
    ['the mean minus the value', layerNorm({}, { nodes: swap('d = Sub(x, m)', 'd = Sub(m, x)') })],
    ['an epsilon that callers may override', layerNorm({}, { inputs: { x: [2, 5, 8], eps: [] } })],
    ['unknown last dim', layerNorm({}, { inputs: { x: ['a', 'b', 'c'] } })],
  ];
  for (const [name, before] of cases) it(name, () => leaves(before));

  it('a gamma of another shape: the core fuses, the product stays', () =>
    fuses(layerNorm({ beta: false }, { inputs: { x: [2, 5, 8] }, weights: weightsFor([5, 1]) }), [
      'LayerNormalization',
      'Mul',
    ]).then(() => {}));

  it('an older model when raising is switched off, and says why', async () => {
    const after = await apply(layerNorm({ opset: 13 }), [id], { params: { [id]: { raiseOpset: false } } });
    expect(fired(after, id)).toBe(0);
    expect(after.advisories.map(({ code }) => code)).toEqual(['fuse-layernorm/opset']);
  });

  it('an older model with an operator that would change its meaning', async () => {
    const before = layerNorm(
      { opset: 11 },
      { opset: 11, outputs: ['z'], nodes: [...decomposed({ opset: 11 }), node('z = Softmax(y)', { axis: 1 })] },
    );
    const after = await apply(before, [id]);
    expect(fired(after, id)).toBe(0);
    expect(after.advisories[0]!.message).toContain('Softmax');
    expect(after.model.opsetImports.get('')).toBe(11);
  });
});
