import { describe, expect, it } from 'vitest';
import { apply, expectSameOutputs, fired, graph, ints, model, node, opsOf, scalar } from './helpers.ts';

const id = 'common-sizes';
type Parts = Parameters<typeof model>[0];
const free = ['batch', 'sequence', 4] as const;
const weights = { i0: scalar(0, 'int64'), i1: scalar(1, 'int64'), axis: ints(0), four: ints(4), cut: ints(-1, 4) };
const subject = (nodes: Parts['nodes'], parts: Partial<Parts> = {}) =>
  model({ inputs: { x: free }, outputs: ['y'], nodes, weights, ...parts });

/** What TorchScript writes for `view(*x.size()[:-1], n)` around a layer. */
const sizesAgain = (from: string, at: string): string[] => [
  `${at}s = Shape(${from})`,
  `${at}b = Gather(${at}s, i0)`,
  `${at}q = Gather(${at}s, i1)`,
  `${at}bu = Unsqueeze(${at}b, axis)`,
  `${at}qu = Unsqueeze(${at}q, axis)`,
  `${at}t = Concat(${at}bu, ${at}qu, four)`,
];
const withAxis = (text: string) => (text.includes('Concat') ? node(text, { axis: 0 }) : text);

describe('common-sizes: what merges', () => {
  it('the sizes that two layers ask of their own inputs', async () => {
    const before = subject(
      [
        ...sizesAgain('x', 'a'),
        'f = Reshape(x, cut)',
        'g = Relu(f)',
        'h = Reshape(g, at)',
        ...sizesAgain('h', 'c'),
        'k = Reshape(h, cut)',
        'l = Neg(k)',
        'y = Reshape(l, ct)',
      ].map(withAxis),
    );
    const { model: after, ledger } = await apply(before, [id, 'eliminate-dead']);
    expect(fired({ ledger }, id)).toBeGreaterThan(0);
    expect(opsOf(after)).toEqual(['Shape', 'Reshape', 'Relu', 'Reshape', 'Reshape', 'Neg', 'Reshape']);
    await expectSameOutputs(before, after);
  });
  it('one size of an input, as a vector', async () => {
    const before = subject(['s = Shape(x)', 'b = Gather(s, i1)', 'u = Unsqueeze(b, axis)', 'y = Cast(u)'].map(cast));
    const { model: after } = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after)).toEqual(['Shape', 'Cast']);
    await expectSameOutputs(before, after);
  });
  it('sizes of two inputs that share a named dimension', async () => {
    const before = subject(
      ['s = Shape(x)', 'r = Shape(z)', 'a = Gather(s, i1)', 'b = Gather(r, i0)', 'y = Add(a, b)'],
      {
        inputs: { x: free, z: ['sequence'] },
      },
    );
    const { model: after } = await apply(before, [id, 'eliminate-dead']);
    expect(opsOf(after)).toEqual(['Shape', 'Gather', 'Add']);
    await expectSameOutputs(before, after);
  });
  it('a value that is returned keeps its name', async () => {
    const before = subject(['r = Exp(x)', 's = Shape(x)', 'y = Shape(r)', 'z = Neg(s)'], { outputs: ['y', 'z', 'r'] });
    const { model: after, ledger } = await apply(before, [id]);
    expect(fired({ ledger }, id)).toBe(1);
    expect(opsOf(after)).toEqual(['Exp', 'Shape', 'Neg']);
    await expectSameOutputs(before, after);
  });
  it('in a subgraph', async () => {
    const branch = (op: string) =>
      graph({
        outputs: [`${op}y`],
        nodes: [`${op}s = Shape(x)`, `${op}e = ${op}(x)`, `${op}r = Shape(${op}e)`, `${op}y = Add(${op}s, ${op}r)`],
      });
    const before = subject([node('y = If(c)', { then_branch: branch('Exp'), else_branch: branch('Neg') })], {
      inputs: { x: free, c: { dtype: 'bool', shape: [] } },
    });
    const { model: after, ledger } = await apply(before, [id]);
    expect(fired({ ledger }, id)).toBe(2);
    await expectSameOutputs(before, after);
  });
});

const cast = (text: string) => (text.includes('Cast') ? node(text, { to: 1 }) : text);

describe('common-sizes: what stays', () => {
  const cases: [string, Parameters<typeof model>[0]['nodes'], Partial<Parts>?][] = [
    [
      'sizes of different names',
      ['s = Shape(x)', 'r = Shape(z)', 'y = Add(s, r)'],
      { inputs: { x: free, z: ['batch', 'other', 4] } },
    ],
    [
      'sizes without names',
      ['s = Shape(x)', 'r = Shape(z)', 'y = Add(s, r)'],
      { inputs: { x: [null, 4], z: [null, 4] } },
    ],
    ['a scalar and a vector', ['s = Shape(x)', 'a = Gather(s, i0)', 'y = Unsqueeze(a, axis)'], { opset: 13 }],
    ['two outputs with one value', ['s = Shape(x)', 'n = Exp(x)', 'r = Shape(n)'], { outputs: ['s', 'r', 'n'] }],
    ['the type is another', ['s = Shape(x)', node('y = Cast(s)', { to: 6 })]],
    [
      'the index may be overridden',
      ['s = Shape(x)', 'a = Gather(s, i)', 'b = Gather(s, j)', 'y = Add(a, b)'],
      {
        inputs: { x: free, i: { dtype: 'int64', shape: [] } },
        weights: { i: scalar(0, 'int64'), j: scalar(0, 'int64') },
      },
    ],
  ];
  for (const [name, nodes, parts] of cases) {
    it(name, async () => expect(fired(await apply(subject(nodes, parts), [id]), id)).toBe(0));
  }
});
