import { describe, expect, it } from 'vitest';
import { attrFloat } from '../../../../src/core/ir/attributes.ts';
import type { Attribute, FunctionDef, Model, Node } from '../../../../src/core/ir/types.ts';
import { apply, expectSameOutputs, fired, float, graph, model, node, noise, opsOf, scalar } from './helpers.ts';

const id = 'inline-functions';
type Parts = Parameters<typeof model>[0];

/** `takes('alpha', node(..))`: the attribute is the caller's. */
function takes(subject: Node, attribute: string, from: string, attrType = 1): Node {
  subject.attributes.set(attribute, { type: 'reference', refAttrName: from, attrType } as Attribute);
  return subject;
}

function definition(
  signature: string,
  nodes: (string | Node)[],
  rest: { opset?: number; attributes?: string[]; defaults?: Record<string, number>; imports?: string[] } = {},
): FunctionDef {
  const [, outputs, name, inputs] = /^(.*?)=\s*(\w+)\((.*)\)$/.exec(signature)! as unknown as string[];
  const names = (list: string) =>
    list
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
  return {
    name: name!,
    domain: 'local',
    inputs: names(inputs!),
    outputs: names(outputs!),
    attributeNames: rest.attributes ?? [],
    attributeDefaults: new Map(Object.entries(rest.defaults ?? {}).map(([key, value]) => [key, attrFloat(value)])),
    nodes: nodes.map((item) => (typeof item === 'string' ? node(item) : item)),
    opsetImports: new Map([
      ['', rest.opset ?? 17],
      ...(rest.imports ?? []).map((domain): [string, number] => [domain, 1]),
    ]),
    valueInfo: new Map(),
  };
}

function withFunctions(functions: FunctionDef[], nodes: Parts['nodes'], parts: Partial<Parts> = {}): Model {
  const made = model({ inputs: { x: [3, 4] }, outputs: ['y'], nodes, weights: { w: noise('w', [4]) }, ...parts });
  made.functions = functions;
  made.opsetImports.set('local', 1);
  return made;
}

async function inlines(before: Model, left: string[], relative = 0): Promise<Model> {
  const after = await apply(before, [id], { params: {} });
  expect(opsOf(after.model)).toEqual(left);
  expect(after.model.functions).toEqual([]);
  await expectSameOutputs(before, after.model, relative === 0 ? {} : { relative });
  return after.model;
}

const twice = definition('y = Twice(x)', ['y = Add(x, x)']);

describe('inline-functions: what goes', () => {
  it('calls in a row, whose inner values do not meet', async () => {
    const chain = definition('out = Chain(a, b)', ['t = Mul(a, b)', 'u = Tanh(t)', 'out = Add(u, a)']);
    const nodes = ['t = local.Chain(x, w)', 'y = local.Chain(t, w)'];
    await inlines(withFunctions([chain], nodes), ['Mul', 'Tanh', 'Add', 'Mul', 'Tanh', 'Add']);
  });

  it('functions in functions', async () => {
    const four = definition('y = Four(x)', ['h = local.Twice(x)', 'y = local.Twice(h)'], { imports: ['local'] });
    const eight = definition('y = Eight(x)', ['h = local.Four(x)', 'y = local.Twice(h)'], { imports: ['local'] });
    await inlines(withFunctions([eight, four, twice], ['y = local.Eight(x)']), ['Add', 'Add', 'Add']);
  });

  it('attributes: given, by default, handed on to an inner call', async () => {
    const leaky = definition('y = Leaky(x)', [takes(node('y = LeakyRelu(x)'), 'alpha', 'slope')], {
      attributes: [],
      defaults: { slope: 0.25 },
    });
    const outer = definition('y = Outer(x)', [takes(node('y = local.Leaky(x)'), 'slope', 'amount')], {
      attributes: ['amount'],
      imports: ['local'],
    });
    const before = withFunctions(
      [outer, leaky],
      [
        'a = local.Leaky(x)',
        node('b = local.Leaky(a)', { slope: float(0.5) }),
        node('y = local.Outer(b)', { amount: float(0.75) }),
      ],
    );
    const after = await inlines(before, ['LeakyRelu', 'LeakyRelu', 'LeakyRelu']);
    const slopes = after.graph.nodes.map((item) => (item.attributes.get('alpha') as { value: number }).value);
    expect(slopes).toEqual([0.25, 0.5, 0.75]);
  });

  it('inputs and outputs that a call leaves out', async () => {
    const clip = definition('y, z = ClipTwo(x, low, high)', ['y = Clip(x, low, high)', 'z = Neg(y)']);
    const before = withFunctions([clip], ['y = local.ClipTwo(x, , one)'], { weights: { one: scalar(0.5) } });
    const after = await apply(before, [id, 'eliminate-dead']);
    expect(after.model.graph.nodes[0]!.inputs).toEqual(['x', '', 'one']);
    // onnxruntime refuses calls with fewer outputs than the function has.
    const weights = { one: scalar(0.5) };
    const plain = model({ inputs: { x: [3, 4] }, outputs: ['y'], nodes: ['y = Clip(x, , one)'], weights });
    await expectSameOutputs(plain, after.model);
  });

  it('an input that is returned, and a value that is returned twice', async () => {
    const odd = definition('a, b, c = Odd(x)', ['b = Neg(x)', 'a = Identity(x)', 'c = Identity(b)']);
    odd.outputs = ['x', 'b', 'b'];
    odd.nodes.splice(1);
    const before = withFunctions([odd], ['p, q, r = local.Odd(x)', 's = Add(p, q)', 'y = Add(s, r)']);
    const after = await apply(before, [id]);
    expect(opsOf(after.model)).toEqual(['Neg', 'Identity', 'Identity', 'Add', 'Add']);
    const plain = model({
      inputs: { x: [3, 4] },
      outputs: ['y'],
      nodes: ['q = Neg(x)', 's = Add(x, q)', 'y = Add(s, q)'],
    });
    await expectSameOutputs(plain, after.model);
  });

  it('a body with a branch that captures, with an attribute of the caller inside', async () => {
    const branch = (nodes: (string | Node)[]) => graph({ outputs: ['r'], nodes });
    const body = [
      'h = Neg(x)',
      node('y = If(c)', {
        then_branch: branch([takes(node('r = LeakyRelu(h)'), 'alpha', 'slope')]),
        else_branch: branch(['k = Exp(h)', 'r = Add(k, x)']),
      }),
    ];
    const choose = definition('y = Choose(x, c)', body, { attributes: ['slope'] });
    const nodes = [
      node('h = local.Choose(x, c)', { slope: float(0.1) }),
      node('y = local.Choose(h, c)', { slope: float(0.2) }),
    ];
    const before = withFunctions([choose], nodes, { inputs: { x: [3, 4], c: { dtype: 'bool', shape: [] } } });
    await inlines(before, ['Neg', 'If', 'Neg', 'If']);
  });

  it('calls in a subgraph', async () => {
    const branch = (nodes: string[]) => graph({ outputs: ['r'], nodes });
    const nodes = [
      node('y = If(c)', {
        then_branch: branch(['r = local.Twice(x)']),
        else_branch: branch(['h = Neg(x)', 'r = local.Twice(h)']),
      }),
    ];
    await inlines(withFunctions([twice], nodes, { inputs: { x: [3, 4], c: { dtype: 'bool', shape: [] } } }), ['If']);
  });

  it('a body written for another opset whose operators did not change, and a domain that only it uses', async () => {
    const older = definition('y = Older(x)', ['h = Relu(x)', 'y = com.microsoft.FastGelu(h)'], {
      opset: 14,
      imports: ['com.microsoft'],
    });
    const after = await inlines(withFunctions([older], ['y = local.Older(x)']), ['Relu', 'com.microsoft.FastGelu']);
    expect(after.opsetImports.get('com.microsoft')).toBe(1);
    expect(after.opsetImports.get('')).toBe(17);
  });

  it('the GELU that the dynamo exporter writes as a function is then fused', async () => {
    const gelu = definition('y = aten_gelu(x)', [
      node('half = Constant()', { value_float: float(0.5) }),
      node('one = Constant()', { value_float: float(1) }),
      node('root = Constant()', { value_float: float(Math.SQRT1_2) }),
      'd = Mul(x, root)',
      'e = Erf(d)',
      'a = Add(e, one)',
      'h = Mul(half, a)',
      'y = Mul(x, h)',
    ]);
    const before = withFunctions([gelu], ['s = Add(x, w)', 'y = local.aten_gelu(s)']);
    const steps = ['lift-constants', id, 'eliminate-dead', 'fuse-gelu', 'fuse-bias-gelu'];
    const after = await apply(before, steps);
    expect(opsOf(after.model)).toEqual(['com.microsoft.BiasGelu']);
    await expectSameOutputs(before, after.model, { relative: 1e-5 });
  });
});

describe('inline-functions: what stays', () => {
  it('a function for another opset whose operators may differ, and says so', async () => {
    const old = definition('y = Old(x)', [node('y = Softmax(x)', { axis: 0 })], { opset: 11 });
    const after = await apply(withFunctions([old, twice], ['h = local.Old(x)', 'y = local.Twice(h)']), [id]);
    expect(opsOf(after.model)).toEqual(['local.Old', 'Add']);
    expect(after.model.functions.map(({ name }) => name)).toEqual(['Old']);
    expect(after.advisories.map(({ code }) => code)).toEqual(['inline-functions/kept']);
    expect(after.advisories[0]!.message).toContain('opset 11');
  });

  it('functions that call themselves, which no runtime takes', async () => {
    const loop = definition('y = Ping(x)', ['y = local.Pong(x)'], { imports: ['local'] });
    const back = definition('y = Pong(x)', ['y = local.Ping(x)'], { imports: ['local'] });
    const after = await apply(withFunctions([loop, back], ['y = local.Ping(x)']), [id]);
    expect(fired(after, id)).toBe(0);
    expect(after.advisories[0]!.message).toContain('calls itself');
  });

  it('what would make more nodes than allowed: 40 functions that double each other end in time', async () => {
    const tower = Array.from({ length: 40 }, (_, at) =>
      definition(
        `y = F${at}(x)`,
        at === 0 ? ['h = Neg(x)', 'y = Neg(h)'] : [`h = local.F${at - 1}(x)`, `y = local.F${at - 1}(h)`],
        { imports: ['local'] },
      ),
    );
    const start = performance.now();
    const after = await apply(withFunctions(tower, ['y = local.F39(x)']), [id]);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(fired(after, id)).toBe(0);
    const small = await apply(withFunctions(tower, ['y = local.F3(x)']), [id]);
    expect(opsOf(small.model)).toEqual(new Array(16).fill('Neg'));
    const limited = await apply(withFunctions([twice], ['y = local.Twice(x)']), [id], {
      params: { [id]: { maxNodes: 0 } },
    });
    expect(limited.advisories[0]!.message).toContain('limit');
  });

  it('a model without functions', async () => {
    const after = await apply(model({ inputs: { x: [2] }, outputs: ['y'], nodes: ['y = Neg(x)'] }), [id]);
    expect(fired(after, id)).toBe(0);
  });
});
