import { describe, expect, test } from 'vitest';
import { diffGraphs } from '../../../../src/core/diff/diff.ts';
import type { DiffItem, GraphDiff } from '../../../../src/core/diff/types.ts';
import type { GraphDocument } from '../../../../src/core/graph-view/document.ts';
import { extractGraph } from '../../../../src/core/graph-view/extract.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { apply, model, node, noise, scalar } from '../passes/helpers.ts';

const gelu = () =>
  model({
    inputs: { x: [2, 8] },
    outputs: ['z'],
    weights: { w: noise(1, [8, 8]), r: scalar(Math.SQRT2), one: scalar(1), half: scalar(0.5), u: noise(2, [8, 4]) },
    nodes: [
      'h = MatMul(x, w)',
      'd = Div(h, r)',
      'e = Erf(d)',
      'a = Add(e, one)',
      'm = Mul(h, a)',
      'y = Mul(m, half)',
      'z = MatMul(y, u)',
    ],
  });

const names = (document: GraphDocument, scope: number, list: readonly number[]) =>
  list.map((index) => document.scopes[scope]!.nodes[index]!.outputs[0] ?? document.scopes[scope]!.nodes[index]!.name);

async function byStep(before: Model, steps: readonly string[]) {
  const { model: after, ledger } = await apply(before, steps);
  const documents = [extractGraph(before), extractGraph(after)] as const;
  return { documents, diff: diffGraphs(documents[0], documents[1], ledger) };
}

describe('diff by what steps did', () => {
  test('nine nodes became one, by which pass', async () => {
    const { diff, documents } = await byStep(gelu(), ['fuse-gelu']);
    const [item] = diff.items as [DiffItem];
    expect(diff.items).toHaveLength(1);
    expect(item.kind).toBe('fused');
    expect(names(documents[0], 0, item.before)).toEqual(['d', 'e', 'a', 'm', 'y']);
    expect(names(documents[1], 0, item.after)).toEqual(['y']);
    expect(item.steps).toEqual(['Fuse GELU']);
    expect(item.title).toBe('Div, Erf, Add, Mul ×2 → Gelu');
    expect(diff).toMatchObject({ nodesBefore: 7, nodesAfter: 3, unchanged: 2 });
  });

  test('two steps on the same nodes are one change, with both named', async () => {
    const before = model({
      inputs: { x: [2, 8] },
      outputs: ['z'],
      weights: { w: noise(1, [8, 8]), b: noise(2, [8]), r: scalar(Math.SQRT2), one: scalar(1), half: scalar(0.5) },
      nodes: [
        'm0 = MatMul(x, w)',
        'h = Add(m0, b)',
        'd = Div(h, r)',
        'e = Erf(d)',
        'a = Add(e, one)',
        'm = Mul(h, a)',
        'z = Mul(m, half)',
      ],
    });
    const { diff } = await byStep(before, ['fuse-gelu', 'fuse-bias-gelu']);
    const fused = diff.items.filter(({ kind }) => kind === 'fused');
    expect(fused).toHaveLength(1);
    expect(fused[0]!.before.length).toBe(6);
    expect(fused[0]!.steps).toHaveLength(2);
    expect(diff.nodesAfter).toBe(2);
  });

  test('what is taken away is removed, and says by whom', async () => {
    const before = model({
      inputs: { x: [2, 8] },
      outputs: ['y'],
      nodes: ['i = Identity(x)', 'y = Relu(i)', 'dead = Neg(x)'],
    });
    const { diff } = await byStep(before, ['eliminate-identity', 'eliminate-dead']);
    expect(kinds(diff)).toEqual(['removed', 'removed']);
    expect(diff.items.flatMap(({ steps }) => steps)).toHaveLength(2);
  });

  test('a quantized weight is a change of its node or a replacement, with bytes before and after', async () => {
    const before = model({
      inputs: { x: [2, 64] },
      outputs: ['y'],
      weights: { w: noise(1, [64, 64]) },
      nodes: ['y = MatMul(x, w)'],
    });
    const { diff } = await byStep(before, ['weight-only-rtn']);
    expect(kinds(diff)).toEqual(['replaced']);
    expect(diff.items[0]!.title).toBe('MatMul → MatMulNBits');
    expect(diff.weightBytesAfter).toBeLessThan(diff.weightBytesBefore / 4);
  });
});

describe('diff of two files that nothing is known of', () => {
  test('a model is the same as itself, renamed or not', () => {
    const renamed = model({
      inputs: { x: [2, 8] },
      outputs: ['z'],
      weights: { w: noise(1, [8, 8]), r: scalar(Math.SQRT2), one: scalar(1), half: scalar(0.5), u: noise(2, [8, 4]) },
      nodes: [
        'v1 = MatMul(x, w)',
        'v2 = Div(v1, r)',
        'v3 = Erf(v2)',
        'v4 = Add(v3, one)',
        'v5 = Mul(v1, v4)',
        'v6 = Mul(v5, half)',
        'z = MatMul(v6, u)',
      ],
    });
    for (const other of [gelu(), renamed]) {
      const diff = diffGraphs(extractGraph(gelu()), extractGraph(other));
      expect(diff.items).toEqual([]);
      expect(diff.unchanged).toBe(7);
    }
  });

  test('fusions are found by the values that stay', async () => {
    const { model: after } = await apply(gelu(), ['fuse-gelu']);
    const diff = diffGraphs(extractGraph(gelu()), extractGraph(after));
    expect(kinds(diff)).toEqual(['fused']);
    expect(diff.items[0]!.before).toHaveLength(5);
    expect(diff.items[0]!.steps).toEqual([]);
  });

  test('attributes are compared one by one', () => {
    const conv = (strides: number[], group?: number) =>
      model({
        inputs: { x: [1, 4, 8, 8] },
        outputs: ['y'],
        weights: { w: noise(1, [4, 4, 3, 3]) },
        nodes: [node('y = Conv(x, w)', { strides, ...(group === undefined ? {} : { group }) })],
      });
    const diff = diffGraphs(extractGraph(conv([1, 1])), extractGraph(conv([2, 2], 1)));
    expect(kinds(diff)).toEqual(['changed']);
    expect(diff.items[0]!.details).toEqual(['group = 1 is new', 'strides: 1,1 → 2,2']);
  });

  test('every node is in exactly one place', async () => {
    const { diff, documents } = await byStep(gelu(), ['fuse-gelu', 'fuse-matmul-add', 'eliminate-dead']);
    const before = diff.items.flatMap((item) => item.before);
    expect(new Set(before).size).toBe(before.length);
    const ops = documents[0].scopes[0]!.nodes.filter(({ kind }) => kind === 'op').length;
    expect(diff.unchanged + before.length).toBe(ops);
  });

  test('ten thousand nodes in well under a second', () => {
    const chain = (op: string) =>
      model({
        inputs: { v0: [4] },
        outputs: ['v10000'],
        nodes: Array.from({ length: 10_000 }, (_, at) => `v${at + 1} = ${at % 100 === 0 ? op : 'Neg'}(v${at})`),
      });
    const [before, after] = [extractGraph(chain('Abs')), extractGraph(chain('Relu'))];
    const started = performance.now();
    const diff = diffGraphs(before, after);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(diff.items).toHaveLength(100);
    expect(diff.counts.replaced).toBe(100);
  });
});

const kinds = ({ items }: GraphDiff) => items.map(({ kind }) => kind);
