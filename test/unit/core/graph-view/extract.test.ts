import { describe, expect, test } from 'vitest';
import type { GraphScope } from '../../../../src/core/graph-view/document.ts';
import { extractGraph } from '../../../../src/core/graph-view/extract.ts';
import { closed, openAround, openAtFirst, opened, visibleGraph } from '../../../../src/core/graph-view/visible.ts';
import { attrInts } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import { chain, transformer } from './support.ts';

const repeats = ({ groups }: GraphScope) => groups.filter(({ kind, parent }) => kind === 'repeat' && parent === -1);
const main = (model: Parameters<typeof extractGraph>[0]) => extractGraph(model).scopes[0]!;

describe('repeated blocks', () => {
  test.each([
    ['named', { layers: 32, named: true }],
    ['unnamed', { layers: 32 }],
    ['unnamed, out of order', { layers: 32, shuffled: true }],
  ])('32 equal layers are one layer x 32: %s', (_, options) => {
    const scope = main(transformer(options));
    const [repeat, ...others] = repeats(scope);
    expect(others).toEqual([]);
    expect(repeat!.instances).toBe(32);
    expect(repeat!.nodes).toBe(32 * 15);
    // The mask is computed within the first layer and belongs to none.
    const loose = scope.nodes.filter((_, node) => scope.groupOf[node] === -1).map(({ op }) => op);
    expect(loose.sort()).toEqual(['ConstantOfShape', 'Gather', 'Input', 'MatMul', 'Output', 'Shape']);
  });

  test('names give titles and the groups inside a layer; without names blocks are numbered', () => {
    const named = main(transformer({ layers: 4, named: true }));
    expect(repeats(named)[0]!.title).toBe('layers.0 to 3');
    const inFirst = named.groups.filter(({ path }) => path.startsWith('layers.0 to 3 / layers.0 / '));
    expect(inFirst.map(({ title, nodes }) => `${title} ${nodes}`)).toEqual(['attn 8', 'mlp 3']);
    expect(repeats(main(transformer({ layers: 4 })))[0]!.title).toBe('Block of 15 nodes');
  });

  test('a layer that is wired differently is not counted among the equal ones', () => {
    const model = transformer({ layers: 6 });
    const third = model.graph.nodes.filter(({ opType }) => opType === 'Softmax')[3]!;
    const reader = model.graph.nodes.find(({ inputs }) => inputs.includes(third.outputs[0]!))!;
    reader.inputs[0] = third.inputs[0]!;
    const found = repeats(main(model)).map(({ instances }) => instances);
    expect(Math.max(...found)).toBe(3);
    expect(found.reduce((sum, count) => sum + count, 0)).toBeLessThan(6);
  });

  test('a graph without repeats has none', () => {
    const operators = ['Relu', 'Exp', 'Sqrt', 'Neg', 'Tanh', 'Erf', 'Cos', 'Sin', 'Abs', 'Floor', 'Ceil', 'Log'];
    const nodes = operators.map((opType, at) => makeNode({ opType, inputs: [`v${at}`], outputs: [`v${at + 1}`] }));
    const graph = makeGraph({
      nodes,
      inputs: [valueInfo('v0', 'float32', [4])],
      outputs: [valueInfo(`v${operators.length}`, 'float32', [4])],
    });
    expect(main(makeModel({ graph })).groups).toEqual([]);
  });
});

describe('nodes', () => {
  test('constants are folded into their readers, with sizes; shapes, MACs and bytes are told', () => {
    const graph = makeGraph({
      nodes: [
        makeNode({
          opType: 'Conv',
          name: 'conv',
          inputs: ['x', 'w'],
          outputs: ['y'],
          attributes: { kernel_shape: attrInts([3, 3]), strides: attrInts([2, 2]), pads: attrInts([1, 1, 1, 1]) },
        }),
        makeNode({
          opType: 'Constant',
          inputs: [],
          outputs: ['shape'],
          attributes: { value: { type: 'tensor', value: tensorFromNumbers('', 'int64', [2], [1, -1]) } },
        }),
        makeNode({ opType: 'Reshape', inputs: ['y', 'shape'], outputs: ['z'] }),
      ],
      inputs: [valueInfo('x', 'float32', ['N', 3, 8, 8])],
      outputs: [valueInfo('z', 'float32', undefined as never)],
      initializers: [tensorFromNumbers('w', 'float32', [4, 3, 3, 3], new Array(108).fill(0))],
    });
    const scope = extractGraph(makeModel({ graph, opset: 17 }), { dims: { N: 1 } }).scopes[0]!;
    expect(scope.nodes.map(({ op, name }) => `${op} ${name}`)).toEqual([
      'Input x',
      'Conv conv',
      'Reshape z',
      'Output z',
    ]);
    const [, conv, reshape] = scope.nodes;
    expect(conv).toMatchObject({ summary: '3×3, stride 2', inputs: ['x'], types: ['float32[N, 4, 4, 4]'] });
    expect(conv!.weights).toEqual([{ name: 'w', input: 1, dtype: 'float32', dims: [4, 3, 3, 3], bytes: 432 }]);
    expect(conv!.macs).toBe(4 * 16 * 27);
    expect(conv!.bytes).toBe(4 * (3 * 64 + 108 + 4 * 16));
    expect(reshape!.weights[0]).toMatchObject({ name: 'shape', dtype: 'int64', bytes: 16 });
  });

  test('graphs inside nodes and functions are scopes of their own; what they read outside is an input', () => {
    const branch = (opType: string) =>
      makeGraph({
        nodes: [makeNode({ opType, name: opType, inputs: ['x', 'w'], outputs: [`${opType} y`] })],
        outputs: [valueInfo(`${opType} y`, 'float32', [4])],
      });
    const graph = makeGraph({
      nodes: [
        makeNode({
          opType: 'If',
          name: 'choice',
          inputs: ['flag'],
          outputs: ['y'],
          attributes: {
            then_branch: { type: 'graph', value: branch('Add') },
            else_branch: { type: 'graph', value: branch('Mul') },
          },
        }),
      ],
      inputs: [valueInfo('flag', 'bool', []), valueInfo('x', 'float32', [4])],
      outputs: [valueInfo('y', 'float32', [4])],
      initializers: [tensorFromNumbers('w', 'float32', [4], [1, 2, 3, 4])],
    });
    const { scopes } = extractGraph(makeModel({ graph, opset: 17 }));
    expect(scopes.map(({ title }) => title)).toEqual(['graph', 'then_branch of choice', 'else_branch of choice']);
    const choice = scopes[0]!.nodes.findIndex(({ name }) => name === 'choice');
    expect(scopes[0]!.nodes[choice]!.inner).toEqual([
      { label: 'then_branch', scope: 1 },
      { label: 'else_branch', scope: 2 },
    ]);
    expect(scopes[1]!.owner).toEqual({ scope: 0, node: choice });
    expect(scopes[1]!.nodes.map(({ op, name }) => `${op} ${name}`)).toEqual([
      'Outer value x',
      'Add Add',
      'Output Add y',
    ]);
    expect(scopes[1]!.nodes[1]!.weights.map(({ name }) => name)).toEqual(['w']);
  });
});

describe('hostile graphs', () => {
  test('cycles, missing and doubled names are noted', () => {
    const graph = makeGraph({
      nodes: [
        makeNode({ opType: 'Add', name: 'same', inputs: ['x', 'c'], outputs: ['a'] }),
        makeNode({ opType: 'Add', name: 'same', inputs: ['a', 'a'], outputs: ['b'] }),
        makeNode({ opType: 'Add', inputs: ['b', 'nowhere'], outputs: ['c'] }),
      ],
      inputs: [valueInfo('x', 'float32', [1])],
      outputs: [valueInfo('c', 'float32', [1])],
    });
    const { scopes, notes } = extractGraph(makeModel({ graph }));
    expect(scopes[0]!.nodes).toHaveLength(6);
    expect(notes).toHaveLength(3);
    expect(notes.join(' ')).toMatch(/close cycles.*no name.*name of another/s);
  });

  test('100,000 nodes are folded into few boxes in seconds', () => {
    // Of this process alone: the machine may be busy with other things.
    const before = process.cpuUsage();
    const scope = main(chain(100_000, 997));
    const { boxes } = visibleGraph(scope, openAtFirst(scope));
    expect(boxes.length).toBeLessThan(1500);
    expect(boxes.length).toBeGreaterThan(1);
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(25);
  });
});

describe('what is seen', () => {
  test('opening a repeat shows its instances and the inside of the first; closing it forgets what was open inside', () => {
    const scope = main(transformer({ layers: 8, named: true }));
    const none: ReadonlySet<string> = new Set();
    const group = scope.groups.findIndex(({ kind }) => kind === 'repeat');
    const before = visibleGraph(scope, none);
    const open = opened(scope, group, none);
    expect([...open]).toEqual(['layers.0 to 7', 'layers.0 to 7 / layers.0']);
    const after = visibleGraph(scope, open);
    expect(before.boxes.filter(({ kind }) => kind === 'group')).toHaveLength(1);
    expect(after.boxes.filter(({ kind }) => kind === 'group')).toHaveLength(7 + 2);
    expect(closed(scope, group, open).size).toBe(0);
  });

  test('every edge joins boxes that are seen, and a value that leaves a box in two directions is one trunk', () => {
    const scope = main(transformer({ layers: 3 }));
    const all = new Set(scope.groups.map(({ path }) => path));
    const { boxes, edges, boxOf } = visibleGraph(scope, all);
    for (const { from, to } of edges) {
      expect(boxes[from]!.kind).toBe('node');
      expect(boxes[to]!.kind).toBe('node');
    }
    const norm = boxOf[scope.nodes.findIndex(({ op }) => op === 'LayerNormalization')]!;
    const leaving = edges.filter(({ from }) => from === norm);
    expect(leaving).toHaveLength(3);
    expect(new Set(leaving.map(({ trunk }) => trunk)).size).toBe(1);
  });

  test('a node inside closed groups is brought into sight', () => {
    const scope = main(transformer({ layers: 8, named: true }));
    const node = scope.nodes.findIndex(({ op }) => op === 'Softmax');
    const open = openAround(scope, node, new Set());
    const { boxes, boxOf } = visibleGraph(scope, open);
    expect(boxes[boxOf[node]!]).toMatchObject({ kind: 'node', index: node });
    expect(openAround(scope, node, open)).toBe(open);
  });
});
