import { describe, expect, it } from 'vitest';
import { attrGraph, attrInt, attrInts, attrTensor } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { FunctionDef, Model, Node, Tensor, ValueInfo } from '../../../../src/core/ir/types.ts';
import { freeDims } from '../../../../src/core/shape/free-dims.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';

interface Parts {
  nodes: Node[];
  inputs: ValueInfo[];
  outputs?: ValueInfo[];
  initializers?: Tensor[];
  values?: ValueInfo[];
  functions?: FunctionDef[];
  opset?: number;
}

function model(parts: Parts): Model {
  const graph = makeGraph({
    nodes: parts.nodes,
    inputs: parts.inputs,
    outputs: parts.outputs ?? [],
    initializers: parts.initializers ?? [],
    valueInfo: parts.values ?? [],
  });
  return makeModel({ graph, opset: parts.opset ?? 17, functions: parts.functions ?? [] });
}

const node = (opType: string, inputs: string[], outputs: string[], attributes = {}): Node =>
  makeNode({ opType, inputs, outputs, attributes });
const ints = (name: string, values: number[]): Tensor => tensorFromInts(name, [values.length], values);
const float = (name: string, ...shape: (number | string | null)[]): ValueInfo => valueInfo(name, 'float32', shape);

describe('inferShapes', () => {
  it('carries symbolic sizes through the head split of attention', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 'batch', 'seq', 768), float('past', 'batch', 12, 'past', 64)],
        initializers: [
          tensorFromNumbers('w', 'float32', [768, 768], new Array(768 * 768).fill(0)),
          ints('heads', [0, 0, 12, 64]),
          ints('flat', [0, -1, 768]),
        ],
        nodes: [
          node('MatMul', ['x', 'w'], ['q']),
          node('Reshape', ['q', 'heads'], ['split']),
          node('Transpose', ['split'], ['keys'], { perm: attrInts([0, 2, 1, 3]) }),
          node('Concat', ['past', 'keys'], ['all'], { axis: attrInt(2) }),
          node('Transpose', ['all'], ['back'], { perm: attrInts([0, 2, 1, 3]) }),
          node('Reshape', ['back', 'flat'], ['y']),
        ],
      }),
    );
    expect(table.get('all')).toEqual({ dtype: 'float32', shape: ['batch', 12, 'past+seq', 64] });
    expect(table.get('y')?.shape).toEqual(['batch', 'past+seq', 768]);
    expect(table.notes).toEqual([]);
  });

  it('follows Shape -> Gather -> Concat -> Reshape', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 'n', 3, 'h', 'w')],
        initializers: [tensorFromInts('zero', [], [0]), ints('axis0', [0]), ints('rest', [-1])],
        nodes: [
          node('Shape', ['x'], ['dims']),
          node('Gather', ['dims', 'zero'], ['n0']),
          node('Unsqueeze', ['n0', 'axis0'], ['n1']),
          node('Concat', ['n1', 'rest'], ['target'], { axis: attrInt(0) }),
          node('Reshape', ['x', 'target'], ['y']),
        ],
      }),
    );
    expect(table.constants.get('dims')).toEqual(['n', 3, 'h', 'w']);
    expect(table.constants.get('target')).toEqual(['n', -1]);
    expect(table.get('y')?.shape).toEqual(['n', 'h*w*3']);
  });

  it('knows the rank and the channels that a convolution makes of what is not known at all', () => {
    const weight = tensorFromNumbers('w', 'float32', [8, 3, 5], new Array(120).fill(0));
    const made = (op: string) =>
      inferShapes(model({ inputs: [{ name: 'x' }], initializers: [weight], nodes: [node(op, ['x', 'w'], ['y'])] })).get(
        'y',
      );
    expect(made('Conv')?.shape?.[1]).toBe(8);
    expect(made('Conv')?.shape).toHaveLength(3);
    expect(made('ConvTranspose')?.shape?.[1]).toBe(3);
  });

  it('uses overrides, also for dimensions that have no name', () => {
    const conv = model({
      inputs: [float('x', 'n', 3, null, null)],
      initializers: [tensorFromNumbers('w', 'float32', [8, 3, 3, 3], new Array(216).fill(0))],
      nodes: [node('Conv', ['x', 'w'], ['y'], { strides: attrInts([2, 2]), pads: attrInts([1, 1, 1, 1]) })],
    });
    expect(inferShapes(conv).get('y')?.shape).toEqual(['n', 8, 'floor((x[2]+1)/2)', 'floor((x[3]+1)/2)']);
    expect(inferShapes(conv, { overrides: { n: 2, 'x[2]': 224, 'x[3]': 225 } }).get('y')?.shape).toEqual([
      2, 8, 112, 113,
    ]);
  });

  it('names sizes that depend on data and keeps them apart', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 4, 4)],
        nodes: [node('Compress', ['x', 'c'], ['kept'], { axis: attrInt(0) }), node('Relu', ['kept'], ['y'])],
      }),
    );
    expect(table.get('y')?.shape).toEqual(['kept[0]', 4]);
  });

  it('prefers what operators compute to stale declarations and says so', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 2, 3)],
        values: [float('y', 2, 4), valueInfo('z', 'float32', ['k', 5])],
        nodes: [node('Relu', ['x'], ['y']), node('Unheard', ['y'], ['z'])],
      }),
    );
    expect(table.get('y')?.shape).toEqual([2, 3]);
    expect(table.get('z')?.shape).toEqual(['k', 5]);
    expect(table.notes).toEqual([{ value: 'y', text: 'dimension 1 is declared as 4, but its operator gives 3' }]);
  });

  it('infers inside If, sees the outer scope, and joins the branches', () => {
    const branch = (rows: number): ReturnType<typeof makeGraph> =>
      makeGraph({
        nodes: [node('Concat', new Array(rows).fill('x'), ['out'], { axis: attrInt(0) }), node('Relu', ['out'], ['r'])],
        outputs: [{ name: 'r' }],
      });
    const [thenGraph, elseGraph] = [branch(2), branch(3)];
    const table = inferShapes(
      model({
        inputs: [float('x', 'n', 4), valueInfo('flag', 'bool', [])],
        nodes: [node('If', ['flag'], ['y'], { then_branch: attrGraph(thenGraph), else_branch: attrGraph(elseGraph) })],
      }),
    );
    expect(table.get('y')).toEqual({ dtype: 'float32', shape: ['y[0]', 4] });
    expect(table.scope(thenGraph)?.get('out')?.shape).toEqual(['n*2', 4]);
    expect(table.scope(elseGraph)?.get('out')?.shape).toEqual(['n*3', 4]);
    expect(table.scope(elseGraph)?.get('x')?.shape).toEqual(['n', 4]);
    // Both branches use the name "out": only what holds in both.
    expect(table.get('out')?.shape).toEqual([null, 4]);
  });

  it('gives up on loop state that grows, and keeps the rest', () => {
    const body = makeGraph({
      inputs: [valueInfo('i', 'int64', []), valueInfo('c', 'bool', []), float('a'), float('b')].map(({ name }) => ({
        name,
      })),
      nodes: [
        node('Concat', ['a', 'x'], ['a2'], { axis: attrInt(0) }),
        node('Relu', ['b'], ['b2']),
        node('Identity', ['c'], ['c2']),
        node('Neg', ['b2'], ['s']),
      ],
      outputs: [{ name: 'c2' }, { name: 'a2' }, { name: 'b2' }, { name: 's' }],
    });
    const table = inferShapes(
      model({
        inputs: [float('x', 1, 4)],
        initializers: [tensorFromInts('trips', [], [5])],
        nodes: [node('Loop', ['trips', '', 'x', 'x'], ['grown', 'kept', 'scanned'], { body: attrGraph(body) })],
      }),
    );
    expect(table.get('grown')?.shape).toEqual(['grown[0]', 4]);
    expect(table.get('kept')?.shape).toEqual([1, 4]);
    expect(table.get('scanned')?.shape).toEqual([5, 1, 4]);
  });

  it('infers the body of a function for each call of it, and refuses recursion', () => {
    const twice: FunctionDef = {
      name: 'Twice',
      domain: 'local',
      inputs: ['a'],
      outputs: ['b'],
      attributeNames: ['axis'],
      attributeDefaults: new Map(),
      nodes: [
        makeNode({
          opType: 'Concat',
          inputs: ['a', 'a'],
          outputs: ['b'],
          attributes: { axis: { type: 'reference', refAttrName: 'axis', attrType: 2 } },
        }),
      ],
      opsetImports: new Map([['', 17]]),
      valueInfo: new Map(),
    };
    const endless: FunctionDef = {
      ...twice,
      name: 'Endless',
      nodes: [makeNode({ opType: 'Endless', domain: 'local', inputs: ['a'], outputs: ['b'] })],
    };
    const call = (opType: string, output: string, axis: number): Node =>
      makeNode({ opType, domain: 'local', inputs: ['x'], outputs: [output], attributes: { axis: attrInt(axis) } });
    const calls = [call('Twice', 'rows', 0), call('Twice', 'columns', 1), call('Endless', 'never', 0)];
    const table = inferShapes(model({ inputs: [float('x', 2, 3)], nodes: calls, functions: [twice, endless] }));
    expect(table.get('rows')?.shape).toEqual([4, 3]);
    expect(table.get('columns')?.shape).toEqual([2, 6]);
    expect(table.callee(calls[1]!)?.get('b')?.shape).toEqual([2, 6]);
    expect(table.get('never')).toBeUndefined();
    expect(table.notes.map((note) => note.text)).toEqual(['function Endless calls itself']);
  });

  it('never throws on nodes that break their operators’ contracts', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 2, 3)],
        initializers: [tensorFromNumbers('shape', 'float32', [2], [-1, 0.5])],
        nodes: [
          node('Conv', [], ['a']),
          node('Reshape', ['x', 'shape'], ['b']),
          node('Transpose', ['x'], ['c'], { perm: attrInts([7, -9]) }),
          node('Slice', ['x', 'x', 'x', 'x'], ['d']),
          node('Constant', [], ['e']),
          node('Split', ['x'], ['f', 'g'], { axis: attrInt(99) }),
          node('Gather', ['x'], ['h']),
          node('If', ['x'], ['i']),
          node('Gemm', ['x', 'x', 'x'], ['j'], { transA: attrTensor(tensorFromInts('t', [], [1])) }),
        ],
      }),
    );
    expect(table.get('j')?.dtype).toBe('float32');
  });

  it('takes 10,000 nodes in well under 300 ms', () => {
    const nodes: Node[] = [];
    for (let i = 0; i < 2500; i++) {
      const from = i === 0 ? 'x' : `v${i - 1}`;
      nodes.push(node('Shape', [from], [`s${i}`]), node('Reshape', [from, `s${i}`], [`r${i}`]));
      nodes.push(node('MatMul', [`r${i}`, 'w'], [`m${i}`]), node('Add', [`m${i}`, 'x'], [`v${i}`]));
    }
    const big = model({
      inputs: [float('x', 'batch', 'seq', 64)],
      initializers: [tensorFromNumbers('w', 'float32', [64, 64], new Array(4096).fill(0))],
      nodes,
    });
    // CPU time, the best of three: wall time on a busy machine says more about the machine.
    let table = inferShapes(big);
    let ms = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const start = process.cpuUsage();
      table = inferShapes(big);
      const { user, system } = process.cpuUsage(start);
      ms = Math.min(ms, (user + system) / 1000);
    }
    expect(table.get('v2499')?.shape).toEqual(['batch', 'seq', 64]);
    expect(ms).toBeLessThan(300);
  });
});

describe('freeDims', () => {
  it('lists the symbols of the inputs, and makes names for unnamed ones', () => {
    const free = freeDims(
      model({
        inputs: [float('ids', 'batch', 'seq'), float('mask', 'batch', 'past + seq'), float('x', null, 3)],
        nodes: [],
      }),
    );
    expect(free.map(({ symbol, isNamed }) => [symbol, isNamed])).toEqual([
      ['batch', true],
      ['seq', true],
      ['past', true],
      ['x[0]', false],
    ]);
    expect(free[1]!.uses).toEqual([
      { input: 'ids', axis: 1 },
      { input: 'mask', axis: 1 },
    ]);
  });
});

describe('elements', () => {
  it('are those of initializers, Constant nodes and computed values alike', () => {
    const table = inferShapes(
      model({
        inputs: [float('x', 'n', 3)],
        initializers: [ints('i', [1, 2])],
        nodes: [
          node('Constant', [], ['c'], { value: attrTensor(ints('c', [7])) }),
          node('Shape', ['x'], ['s']),
          node('Mul', ['s', 'i'], ['m']),
        ],
      }),
    );
    expect(['i', 'c', 's', 'm', 'x'].map((name) => table.elements(name))).toEqual([
      [1, 2],
      [7],
      ['n', 3],
      ['n', 6],
      undefined,
    ]);
  });
});
