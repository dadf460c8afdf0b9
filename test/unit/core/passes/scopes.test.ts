/** All steps at once where scopes make it hard: loops, scans, functions, and values captured across them. */
import { describe, expect, it } from 'vitest';
import { valueInfo } from '../../../../src/core/ir/build.ts';
import { constantNodeTensor } from '../../../../src/core/ir/constant.ts';
import type { FunctionDef, Graph, Model } from '../../../../src/core/ir/types.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { apply, expectSameOutputs, float, graph, ints, model, node, noise, opsOf, scalar, tensor } from './helpers.ts';

/** Those that take the scopes away would leave nothing to look at; they have tests of their own. */
const dissolving = ['raise-opset', 'inline-functions', 'unroll-loops'];
const steps = [...stepRegistry.values()]
  .filter(({ section, id }) => section !== 'quantization' && !dissolving.includes(id))
  .map(({ id }) => id);

async function simplify(before: Model, relative = 1e-5): Promise<Model> {
  const after = await apply(before, steps);
  expect(after.settled).toBe(true);
  await expectSameOutputs(before, after.model, { relative, seeds: 3 });
  return after.model;
}

const bodyOf = (subject: Model, op: string): Graph => {
  const attribute = subject.graph.nodes.find(({ opType }) => opType === op)!.attributes.get('body')!;
  if (attribute.type !== 'graph') throw new Error('no body');
  return attribute.value;
};

describe('steps in loops', () => {
  /** Adds 2 * w and a Swish of the state in each of four rounds; the condition passes straight through. */
  const loop = (): Model => {
    const body = graph({
      inputs: {
        i: { dtype: 'int64', shape: [] },
        going: { dtype: 'bool', shape: [] },
        state: [3],
      },
      outputs: ['still', 'next', 'seen'],
      nodes: [
        'still = Identity(going)',
        node('two = Constant()', { value: scalar(2) }),
        'shift = Mul(w, two)',
        's = Sigmoid(state)',
        'm = Mul(state, s)',
        'sum = Add(m, shift)',
        'copy = Identity(sum)',
        'next = Identity(copy)',
        'unused = Exp(sum)',
        'seen = Identity(state)',
      ],
    });
    return model({
      inputs: { x: [3] },
      outputs: ['last', 'all'],
      weights: { rounds: scalar(4, 'int64'), yes: scalar(1, 'bool'), w: tensor([3], [0.1, -0.2, 0.3]) },
      nodes: ['start = Identity(x)', node('last, all = Loop(rounds, yes, start)', { body })],
    });
  };

  it('simplifies the body and keeps what the loop carries', async () => {
    const after = await simplify(loop());
    const body = bodyOf(after, 'Loop');
    // `seen` returns what the loop hands in, so that copy must stay; `still` is true wherever the body runs at all.
    expect(body.nodes.map(({ opType }) => opType).sort()).toEqual(['Add', 'Constant', 'Identity', 'QuickGelu']);
    expect(body.outputs.map(({ name }) => name)).toEqual(['still', 'next', 'seen']);
  });

  it('a Scan', async () => {
    const body = graph({
      inputs: { acc: [2], item: [2] },
      outputs: ['out', 'copy'],
      nodes: ['i = Identity(item)', 'a = Add(acc, i)', 'b = Add(acc, i)', 'out = Max(a, b)', 'copy = Identity(a)'],
    });
    const before = model({
      inputs: { x: [5, 2], init: [2] },
      outputs: ['last', 'all'],
      nodes: [node('last, all = Scan(init, x)', { body, num_scan_inputs: 1 })],
    });
    const after = await simplify(before, 0);
    expect(bodyOf(after, 'Scan').nodes.map(({ opType }) => opType)).toContain('Max');
  });

  it('a state that grows from round to round', async () => {
    const body = graph({
      inputs: { i: { dtype: 'int64', shape: [] }, going: { dtype: 'bool', shape: [] }, state: ['any'] },
      outputs: ['still', 'next', 'size'],
      nodes: ['still = Identity(going)', node('next = Concat(state, piece)', { axis: 0 }), 'size = Size(state)'],
    });
    const before = model({
      inputs: { x: [3] },
      outputs: ['last', 'sizes'],
      weights: { rounds: scalar(3, 'int64'), yes: scalar(1, 'bool'), piece: tensor([2], [8, 9]) },
      nodes: [node('last, sizes = Loop(rounds, yes, x)', { body })],
    });
    await simplify(before, 0);
  });

  it('an If inside a Loop whose condition depends on the loop', async () => {
    const branch = (op: string) => graph({ outputs: ['r'], nodes: ['z = Add(state, zero)', `r = ${op}(z)`] });
    const body = graph({
      inputs: { i: { dtype: 'int64', shape: [] }, going: { dtype: 'bool', shape: [] }, state: [3] },
      outputs: ['still', 'next'],
      nodes: [
        'still = Identity(going)',
        'odd = Mod(i, two)',
        node('flag = Cast(odd)', { to: 9 }),
        node('next = If(flag)', { then_branch: branch('Neg'), else_branch: branch('Tanh') }),
      ],
    });
    const before = model({
      inputs: { x: [3] },
      outputs: ['last'],
      weights: { rounds: scalar(3, 'int64'), yes: scalar(1, 'bool'), two: scalar(2, 'int64'), zero: scalar(0) },
      nodes: [node('last = Loop(rounds, yes, x)', { body })],
    });
    await simplify(before);
  });
});

describe('steps and functions', () => {
  const definition = (nodes: Parameters<typeof node>[0][], extra: ReturnType<typeof node>[] = []): FunctionDef => ({
    name: 'Block',
    domain: 'local',
    inputs: ['a'],
    outputs: ['r'],
    attributeNames: ['alpha'],
    attributeDefaults: new Map(),
    nodes: [...extra, ...nodes.map((text) => node(text))],
    opsetImports: new Map([['', 17]]),
    valueInfo: new Map(),
  });

  it('cleans bodies up, and takes nothing for known that a caller supplies', async () => {
    const before = model({
      inputs: { x: [4] },
      outputs: ['y'],
      nodes: [node('y = local.Block(x)', { alpha: float(0.3) })],
    });
    before.opsetImports.set('local', 1);
    const leaky = node('l = LeakyRelu(i)');
    leaky.attributes.set('alpha', { type: 'reference', refAttrName: 'alpha', attrType: 1 });
    const other = node('l2 = LeakyRelu(i)', { alpha: float(0.01) });
    before.functions.push(
      definition(
        ['e = Exp(l)', 'e2 = Exp(l)', 'u = Neg(e)', 's = Add(e, e2)', 'r = Add(s, l2)'],
        [node('i = Identity(a)'), leaky, other],
      ),
    );
    const after = await simplify(before);
    const body = after.functions[0]!.nodes;
    expect(body.map(({ opType }) => opType)).toEqual(['LeakyRelu', 'LeakyRelu', 'Exp', 'Add', 'Add']);
  });

  it('keeps Constants of function bodies, which have no initializers', async () => {
    const before = model({ inputs: { x: [4] }, outputs: ['y'], nodes: ['y = local.Block(x)'] });
    before.opsetImports.set('local', 1);
    before.functions.push(definition(['r = Mul(a, k)'], [node('k = Constant()', { value: scalar(3) })]));
    const after = await simplify(before);
    expect(after.functions[0]!.nodes.filter((inner) => constantNodeTensor(inner))).toHaveLength(1);
  });
});

describe('steps on a whole', () => {
  it('graph inputs and outputs keep their names, types and order', async () => {
    const before = model({
      inputs: { x: ['n', 4, 5, 5], unused: [2] },
      outputs: ['probabilities', 'features'],
      weights: {
        w: noise('w', [6, 4, 3, 3]),
        k: scalar(2),
        shape: ints(0, -1),
        v: noise('v', [54, 3]),
        b: noise('b', [3]),
      },
      nodes: [
        'c = Conv(x, w)',
        'features = Mul(c, k)',
        'f = Reshape(features, shape)',
        'm = MatMul(f, v)',
        'a = Add(m, b)',
        'probabilities = Identity(a)',
      ],
    });
    before.graph.outputs = [
      valueInfo('probabilities', 'float32', ['n', 3]),
      valueInfo('features', 'float32', ['n', 6, 3, 3]),
    ];
    const after = await simplify(before);
    expect(opsOf(after)).toEqual(['Conv', 'Reshape', 'Gemm']);
    expect(after.graph.inputs).toEqual(before.graph.inputs);
    expect(after.graph.outputs).toEqual(before.graph.outputs);
  });

  it('a model with nothing to do is left byte for byte', async () => {
    const before = model({ inputs: { x: [2] }, outputs: ['y'], nodes: ['y = Relu(x)'] });
    const after = await apply(before, steps);
    expect(after.ledger.every((row) => row.fired === 0)).toBe(true);
    expect(after.model).toEqual(before);
  });
});
