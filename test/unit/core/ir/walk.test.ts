import { describe, expect, it } from 'vitest';
import { attrGraph, attrTensor } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { printModel } from '../../../../src/core/ir/print.ts';
import { smallValues, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import { topologicalOrder } from '../../../../src/core/ir/topo.ts';
import type { FunctionDef, Graph, Model } from '../../../../src/core/ir/types.ts';
import { forEachGraph, forEachNode, forEachWeight, opName } from '../../../../src/core/ir/walk.ts';

const scalar = (name: string, value: number) => tensorFromNumbers(name, 'float32', [], [value]);
const branch = (label: string, weight: number, inner?: Graph): Graph =>
  makeGraph({
    name: label,
    initializers: [scalar(`${label}.w`, weight)],
    nodes: [
      makeNode({ opType: 'Mul', inputs: ['x', `${label}.w`], outputs: [`${label}.y`] }),
      ...(inner
        ? [
            makeNode({
              opType: 'If',
              inputs: ['c'],
              outputs: [`${label}.z`],
              attributes: { then_branch: attrGraph(inner) },
            }),
          ]
        : []),
    ],
    outputs: [valueInfo(`${label}.y`, 'float32', [])],
  });

function nested(): Model {
  const functionDef: FunctionDef = {
    name: 'Scale',
    domain: 'custom',
    inputs: ['a'],
    outputs: ['b'],
    attributeNames: ['alpha'],
    attributeDefaults: new Map(),
    nodes: [
      makeNode({ opType: 'Constant', inputs: [], outputs: ['k'], attributes: { value: attrTensor(scalar('', 5)) } }),
      makeNode({
        opType: 'If',
        inputs: ['a'],
        outputs: ['b'],
        attributes: { then_branch: attrGraph(branch('in function', 6)) },
      }),
    ],
    opsetImports: new Map([['', 17]]),
    valueInfo: new Map(),
  };
  const graph = makeGraph({
    name: 'main',
    inputs: [valueInfo('x', 'float32', ['N', null, 3]), valueInfo('c', 'bool', [])],
    outputs: [valueInfo('y', 'float32')],
    initializers: [scalar('w', 1)],
    nodes: [
      makeNode({ opType: 'Constant', inputs: [], outputs: ['k'], attributes: { value: attrTensor(scalar('', 2)) } }),
      makeNode({
        name: 'choose',
        opType: 'If',
        inputs: ['c'],
        outputs: ['i'],
        attributes: {
          then_branch: attrGraph(branch('then', 3, branch('deep', 4))),
          else_branch: attrGraph(branch('else', 7)),
        },
      }),
      makeNode({ opType: 'Scale', domain: 'custom', inputs: ['i'], outputs: ['y'] }),
    ],
  });
  return makeModel({ graph, extraOpsets: { custom: 1 }, functions: [functionDef] });
}

describe('walking', () => {
  it('finds graphs, outer ones first', () => {
    const seen: string[] = [];
    forEachGraph(nested(), (graph, { depth, outer, functionDef }) => {
      seen.push(`${graph.name} ${depth} ${outer?.name ?? '-'} ${functionDef?.name ?? '-'}`);
    });
    expect(seen).toEqual(['main 0 - -', 'then 1 main -', 'deep 2 then -', 'else 1 main -', 'in function 0 - Scale']);
  });

  it('finds nodes and weights everywhere, and replaces weights in place', () => {
    const model = nested();
    let nodes = 0;
    forEachNode(model, () => {
      nodes += 1;
    });
    expect(nodes).toBe(10);
    const values: [string, string, number][] = [];
    forEachWeight(model, (tensor, { kind, valueName, replace }) => {
      values.push([kind, valueName, smallValues(tensor)![0]!]);
      replace(scalar(tensor.name, smallValues(tensor)![0]! * 10));
    });
    expect(values.map(([, , value]) => value).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(values).toContainEqual(['constant', 'k', 5]);
    expect(values).toContainEqual(['initializer', 'deep.w', 4]);
    const after: number[] = [];
    forEachWeight(model, (tensor) => after.push(smallValues(tensor)![0]!));
    expect(after.sort((a, b) => a - b)).toEqual([10, 20, 30, 40, 50, 60, 70]);
  });

  it('names operators with their domain', () => {
    expect(opName({ opType: 'Conv', domain: '' })).toBe('Conv');
    expect(opName({ opType: 'Conv', domain: 'ai.onnx' })).toBe('Conv');
    expect(opName({ opType: 'Gelu', domain: 'com.microsoft' })).toBe('com.microsoft.Gelu');
  });
});

describe('printModel', () => {
  it('is readable and stable', () => {
    expect(printModel(nested())).toMatchInlineSnapshot(`
      "model: IR version 8, made by whittle
      opset ai.onnx 17
      opset custom 1
      graph main
        input x: float32[N, ?, 3]
        input c: bool[]
        weight w: float32[] = [1]
        k = Constant() {value=float32[] = [2]}
        i = If(c)  # choose
          then_branch then
            weight then.w: float32[] = [3]
            then.y = Mul(x, then.w)
            then.z = If(c)
              then_branch deep
                weight deep.w: float32[] = [4]
                deep.y = Mul(x, deep.w)
                output deep.y: float32[]
            output then.y: float32[]
          else_branch else
            weight else.w: float32[] = [7]
            else.y = Mul(x, else.w)
            output else.y: float32[]
        y = custom.Scale(i)
        output y: float32
      function custom.Scale(a) {alpha} -> b
        opset ai.onnx 17
        k = Constant() {value=float32[] = [5]}
        b = If(a)
          then_branch "in function"
            weight "in function.w": float32[] = [6]
            "in function.y" = Mul(x, "in function.w")
            output "in function.y": float32[]
      "
    `);
  });
});

describe('topologicalOrder', () => {
  const relu = (from: string, to: string) => makeNode({ opType: 'Relu', inputs: [from], outputs: [to] });

  it('keeps a valid order and moves producers up no further than needed', () => {
    const valid = [relu('x', 'a'), relu('x', 'b'), relu('a', 'c')];
    expect(topologicalOrder(valid).order).toEqual(valid);
    const [a, b, c, d] = [relu('x', 'a'), relu('late', 'b'), relu('x', 'c'), relu('x', 'late')];
    expect(topologicalOrder([a!, b!, c!, d!]).order).toEqual([a, d, b, c]);
  });

  it('finds a cycle and its nodes', () => {
    const nodes = [relu('x', 'a'), relu('c', 'b'), relu('b', 'c'), relu('c', 'd')];
    expect(new Set(topologicalOrder(nodes).cycle)).toEqual(new Set([nodes[1], nodes[2]]));
  });

  it('takes a chain of 200,000 nodes in reverse without exhausting the stack', () => {
    const nodes = Array.from({ length: 200_000 }, (_, i) => relu(`v${i}`, `v${i + 1}`)).reverse();
    const { order } = topologicalOrder(nodes);
    expect(order[0]!.inputs).toEqual(['v0']);
    expect(order.at(-1)!.outputs).toEqual(['v200000']);
  });
});
