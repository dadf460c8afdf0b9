import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../../src/core/base/errors/index.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { describeGraph, extractGraph } from '../../../../src/core/graph-view/extract.ts';
import { nodeDetail } from '../../../../src/core/graph-view/node-detail.ts';
import { combineValues } from '../../../../src/core/graph-view/node-values.ts';
import { findNode, searchGraph } from '../../../../src/core/graph-view/search.ts';
import { weightStatistics, weightValues } from '../../../../src/core/graph-view/weight-statistics.ts';
import { attrFloat, attrInt, attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers, tensorFromStrings } from '../../../../src/core/ir/tensor.ts';
import type { FunctionDef } from '../../../../src/core/ir/types.ts';
import { transformer } from './support.ts';

describe('statistics of a weight', () => {
  test('moments, zeros, what is not finite, and a histogram that counts everything finite', async () => {
    const values = [1, -1, 0, 3, Number.NaN, Number.POSITIVE_INFINITY, 0, 5];
    const found = await weightStatistics(tensorFromNumbers('w', 'float32', [2, 4], values), quietJob);
    expect(found).toMatchObject({ elements: 8, min: -1, max: 5, zeros: 2, nans: 1, infinities: 1 });
    // Of 1, -1, 0, 3, 0, 5: mean 8/6, variance 36/6 - (8/6)^2.
    expect(found.mean).toBeCloseTo(8 / 6, 12);
    expect(found.standardDeviation).toBeCloseTo(Math.sqrt(6 - 64 / 36), 12);
    expect(found.histogram.reduce((a, b) => a + b)).toBe(6);
    expect([found.histogram[0], found.histogram.at(-1)]).toEqual([1, 1]);
  });

  test('a large mean does not swallow the deviation, and slabs join without a seam', async () => {
    const count = (1 << 20) + 13;
    const values = Float32Array.from({ length: count }, (_, at) => 4096 + (at % 2));
    const tensor = tensorFromNumbers('w', 'float32', [count], values);
    const stages: number[] = [];
    const found = await weightStatistics(tensor, {
      ...quietJob,
      onProgress: ({ done, total }) => stages.push(done / total!),
    });
    expect(found.mean).toBeCloseTo(4096.5, 5);
    expect(found.standardDeviation).toBeCloseTo(0.5, 6);
    expect(stages.at(-1)).toBe(1);
    expect(stages).toEqual(stages.toSorted((a, b) => a - b));
  });

  test.each(['int4', 'uint4', 'int8', 'float16', 'bfloat16', 'float8e4m3fn'] as const)('of %s', async (dtype) => {
    const values = [0, 1, 2, 3, 4, 5, 6, 7, 1];
    const found = await weightStatistics(tensorFromNumbers('w', dtype, [9], values), quietJob);
    expect(found).toMatchObject({ min: 0, max: 7, zeros: 1, nans: 0 });
    expect(found.mean).toBeCloseTo(29 / 9, 12);
  });

  test('of nothing, and cancelled', async () => {
    const empty = await weightStatistics(tensorFromNumbers('w', 'float32', [0, 3], []), quietJob);
    expect(empty).toMatchObject({ elements: 0, min: null, mean: null, histogram: [] });
    const same = await weightStatistics(tensorFromNumbers('w', 'float32', [3], [2, 2, 2]), quietJob);
    expect(same).toMatchObject({ min: 2, max: 2, standardDeviation: 0, histogram: [] });
    const controller = new AbortController();
    controller.abort();
    const job = { ...quietJob, signal: controller.signal };
    await expect(weightStatistics(tensorFromNumbers('w', 'int8', [3], [1, 2, 3]), job)).rejects.toThrow(StudioError);
  });

  test('values by the page: short, exact for 64 bits, packed ones from any position', async () => {
    const floats = tensorFromNumbers('w', 'float32', [4], [0.1, 1 / 3, -2, 1e-9]);
    expect(await weightValues(floats, 0, 10)).toEqual(['0.1', '0.33333334', '-2', '1e-9']);
    const ints = tensorFromInts('w', [2], [2n ** 62n + 1n, -5n]);
    expect(await weightValues(ints, 0, 2)).toEqual(['4611686018427387905', '-5']);
    const nibbles = tensorFromNumbers(
      'w',
      'int4',
      [20],
      Array.from({ length: 20 }, (_, at) => (at % 16) - 8),
    );
    expect(await weightValues(nibbles, 11, 4)).toEqual(['3', '4', '5', '6']);
    expect(await weightValues(nibbles, 19, 64)).toEqual(['-5']);
    expect(await weightValues(nibbles, 20, 64)).toEqual([]);
    expect(await weightValues(tensorFromStrings('s', [2], ['a', 'b']), 1, 5)).toEqual(['b']);
  });
});

describe('a node in detail', () => {
  test('attributes in words, inputs by position, long lists cut', () => {
    const graph = makeGraph({
      nodes: [
        makeNode({
          opType: 'Clip',
          name: 'clip',
          inputs: ['x', '', 'high'],
          outputs: ['y'],
          attributes: {
            many: attrInts(Array.from({ length: 100 }, (_, at) => at)),
            alpha: attrFloat(Math.fround(0.1)),
            n: attrInt(3),
          },
        }),
      ],
      inputs: [valueInfo('x', 'float32', ['N', 4])],
      outputs: [valueInfo('y', 'float32', ['N', 4])],
      initializers: [tensorFromNumbers('high', 'float32', [], [6])],
    });
    const { sources } = describeGraph(makeModel({ graph, opset: 17 }));
    const detail = nodeDetail(sources[0]!, 0)!;
    expect(detail.attributes.map(({ name, text }) => `${name} ${text.slice(0, 20)}`)).toEqual([
      'alpha 0.100000001',
      'many [0, 1, 2, 3, 4, 5, 6',
      'n 3',
    ]);
    expect(detail.attributes[1]!.text).toContain('… 100 in all');
    expect(detail.inputs).toEqual([
      { name: 'x', type: 'float32[N, 4]', isConstant: false },
      { name: '', type: '', isConstant: false },
      { name: 'high', type: 'float32[]', isConstant: true },
    ]);
    expect(nodeDetail(sources[0]!, 5)).toBeNull();
  });

  test('functions are graphs of their own, described once for all calls', () => {
    const body: FunctionDef = {
      name: 'Twice',
      domain: 'local',
      inputs: ['a'],
      outputs: ['b'],
      attributeNames: [],
      attributeDefaults: new Map(),
      nodes: [makeNode({ opType: 'Add', inputs: ['a', 'a'], outputs: ['b'] })],
      opsetImports: new Map([['', 17]]),
      valueInfo: new Map(),
    };
    const call = (input: string, output: string) =>
      makeNode({ opType: 'Twice', domain: 'local', name: output, inputs: [input], outputs: [output] });
    const graph = makeGraph({
      nodes: [call('x', 'h'), call('h', 'y')],
      inputs: [valueInfo('x', 'float32', [3])],
      outputs: [valueInfo('y', 'float32', [3])],
    });
    const model = makeModel({ graph, opset: 17, extraOpsets: { local: 1 }, functions: [body] });
    const { scopes } = extractGraph(model);
    expect(scopes.map(({ title, kind }) => `${kind} ${title}`)).toEqual([
      'main graph',
      'function function local.Twice',
    ]);
    const calls = scopes[0]!.nodes.filter(({ op }) => op === 'local.Twice');
    expect(calls.map(({ inner }) => inner)).toEqual([[{ label: 'body', scope: 1 }], [{ label: 'body', scope: 1 }]]);
    expect(scopes[1]!.nodes.map(({ op, types }) => `${op} ${types}`)).toEqual([
      'Input float32[3]',
      'Add float32[3]',
      'Output float32[3]',
    ]);
  });
});

describe('finding', () => {
  const document = extractGraph(transformer({ layers: 3, named: true }));

  test('by operator, name, value and weight, in any case, all counted and the first kept', () => {
    expect(searchGraph(document, 'softmax').total).toBe(3);
    expect(searchGraph(document, ' LAYERS.2/attn/soft ').hits).toHaveLength(1);
    expect(searchGraph(document, 'w3').hits[0]).toMatchObject({ what: 'weight', text: 'w3' });
    expect(searchGraph(document, 'v0').hits.map(({ what }) => what)).toContain('value');
    const few = searchGraph(document, 'matmul', 5);
    expect(few.hits).toHaveLength(5);
    expect(few.total).toBe(3 * 7 + 1);
    expect(searchGraph(document, '  ')).toEqual({ hits: [], total: 0 });
  });

  test('a name stands for the node, a value for the node that makes it', () => {
    const { nodes } = document.scopes[0]!;
    const node = nodes.findIndex(({ op }) => op === 'Softmax');
    expect(findNode(document, nodes[node]!.name)).toEqual({ scope: 0, node });
    expect(findNode(document, nodes[node]!.outputs[0]!)).toEqual({ scope: 0, node });
    expect(findNode(document, 'nothing of this name')).toBeNull();
  });
});

test('figures of several nodes are added up, or the largest, smallest, mean is taken', () => {
  const byNode = new Map([
    ['a', 1],
    ['b', 5],
    ['c', Number.NaN],
  ]);
  const values = { id: 'x', title: 'X', unit: '', byNode };
  const names = ['a', 'b', 'c', 'd'];
  expect(combineValues(values, names)).toBe(6);
  expect(combineValues({ ...values, combine: 'max' }, names)).toBe(5);
  expect(combineValues({ ...values, combine: 'min' }, names)).toBe(1);
  expect(combineValues({ ...values, combine: 'mean' }, names)).toBe(3);
  expect(combineValues(values, ['d'])).toBeNull();
});
