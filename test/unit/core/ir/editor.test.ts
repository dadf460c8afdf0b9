import { describe, expect, it } from 'vitest';
import { attrGraph, attrTensor } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { cloneModel } from '../../../../src/core/ir/clone.ts';
import { GraphEditor } from '../../../../src/core/ir/editor.ts';
import { tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Graph } from '../../../../src/core/ir/types.ts';
import { implicitInputsOf } from '../../../../src/core/ir/walk.ts';

const chain = (): Graph =>
  makeGraph({
    inputs: [valueInfo('x', 'float32', [1])],
    outputs: [valueInfo('y', 'float32', [1])],
    nodes: [
      makeNode({ name: 'a', opType: 'Relu', inputs: ['x'], outputs: ['t'] }),
      makeNode({ name: 'b', opType: 'Identity', inputs: ['t'], outputs: ['u'] }),
      makeNode({ name: 'c', opType: 'Mul', inputs: ['u', 'u'], outputs: ['y'] }),
    ],
  });

const branchReading = (value: string, output = 'inner') =>
  makeGraph({
    nodes: [makeNode({ opType: 'Neg', inputs: [value], outputs: [output] })],
    outputs: [valueInfo(output, 'float32')],
  });

describe('GraphEditor', () => {
  it('indexes producers and consumers', () => {
    const graph = chain();
    const editor = new GraphEditor(graph);
    expect(editor.producerOf('u')).toBe(graph.nodes[1]);
    expect(editor.consumersOf('t')).toEqual([graph.nodes[1]]);
    expect(editor.singleConsumer('t')).toBe(graph.nodes[1]);
    expect(editor.singleConsumer('u')).toBeUndefined();
    expect(editor.countUses('u')).toBe(2);
    expect(editor.isGraphInput('x') && editor.isGraphOutput('y')).toBe(true);
  });

  it('bypasses a node', () => {
    const graph = chain();
    const editor = new GraphEditor(graph);
    editor.replaceUses('u', 't');
    editor.removeNode(graph.nodes[1]!);
    editor.finish();
    expect(graph.nodes.map((node) => [node.name, ...node.inputs])).toEqual([
      ['a', 'x'],
      ['c', 't', 't'],
    ]);
  });

  it('keeps the name of a graph output by renaming the producer', () => {
    const graph = makeGraph({
      inputs: [valueInfo('x', 'float32')],
      outputs: [valueInfo('y', 'float32'), valueInfo('z', 'float32')],
      nodes: [
        makeNode({ name: 'a', opType: 'Relu', inputs: ['x'], outputs: ['t'] }),
        makeNode({ name: 'b', opType: 'Identity', inputs: ['t'], outputs: ['y'] }),
        makeNode({ name: 'c', opType: 'Neg', inputs: ['t'], outputs: ['z'] }),
      ],
    });
    const editor = new GraphEditor(graph);
    const identity = graph.nodes[1]!;
    expect(editor.needsIdentity('y', 't')).toBe(false);
    editor.replaceUses('y', 't');
    editor.removeNode(identity);
    editor.finish();
    expect(graph.nodes.map((node) => [node.inputs, node.outputs])).toEqual([
      [['x'], ['y']],
      [['y'], ['z']],
    ]);
  });

  it('inserts an Identity where an output would have to take over an input', () => {
    const graph = makeGraph({
      inputs: [valueInfo('x', 'float32')],
      outputs: [valueInfo('y', 'float32')],
      nodes: [makeNode({ opType: 'Dropout', inputs: ['x'], outputs: ['y'] })],
    });
    const editor = new GraphEditor(graph);
    const [dropout] = graph.nodes;
    expect(editor.needsIdentity('y', 'x')).toBe(true);
    editor.replaceUses('y', 'x');
    editor.removeNode(dropout!);
    editor.finish();
    expect(graph.nodes.map((node) => [node.opType, node.inputs, node.outputs])).toEqual([['Identity', ['x'], ['y']]]);
  });

  it('counts captured values as uses and rewires them', () => {
    const graph = chain();
    graph.inputs.push(valueInfo('cond', 'bool', []));
    const branches = { then_branch: attrGraph(branchReading('u')), else_branch: attrGraph(branchReading('t', 'e')) };
    graph.nodes.push(makeNode({ opType: 'If', inputs: ['cond'], outputs: ['w'], attributes: branches }));
    const conditional = graph.nodes[3]!;
    const editor = new GraphEditor(graph);
    expect(editor.consumersOf('u')).toEqual([graph.nodes[2], conditional]);
    editor.replaceUses('u', 't');
    expect(implicitInputsOf(conditional)).toEqual(['t']);
    expect(editor.consumersOf('u')).toEqual([]);
    expect(editor.countUses('t')).toBe(4);
  });

  it('does not confuse an outer value with a local one of the same name', () => {
    const inner = makeGraph({
      nodes: [
        makeNode({ opType: 'Neg', inputs: ['u'], outputs: ['t'] }),
        makeNode({ opType: 'Add', inputs: ['t', 'u'], outputs: ['inner'] }),
      ],
      outputs: [valueInfo('inner', 'float32')],
    });
    const graph = chain();
    graph.nodes.push(
      makeNode({ opType: 'If', inputs: ['x'], outputs: ['w'], attributes: { then_branch: attrGraph(inner) } }),
    );
    new GraphEditor(graph).replaceUses('u', 't');
    const local = inner.nodes[0]!.outputs[0]!;
    expect(local).not.toBe('t');
    expect(inner.nodes.map((node) => node.inputs)).toEqual([['t'], [local, 't']]);
  });

  it('tells the outer editor when an inner graph stops capturing', () => {
    const graph = chain();
    const inner = branchReading('u');
    graph.nodes.push(
      makeNode({ opType: 'If', inputs: ['x'], outputs: ['w'], attributes: { then_branch: attrGraph(inner) } }),
    );
    const outer = new GraphEditor(graph);
    const editor = new GraphEditor(inner, outer);
    editor.setInputs(inner.nodes[0]!, ['x']);
    editor.finish();
    expect(outer.consumersOf('u')).toEqual([graph.nodes[2]]);
  });

  it('finds constants: initializers, Constant nodes, outer scopes, and the rule of old IR versions', () => {
    const weight = tensorFromNumbers('w', 'float32', [1], [3]);
    const graph = makeGraph({
      inputs: [valueInfo('x', 'float32'), valueInfo('d', 'float32')],
      outputs: [valueInfo('y', 'float32')],
      initializers: [weight, tensorFromNumbers('d', 'float32', [1], [4])],
      nodes: [
        makeNode({ opType: 'Constant', inputs: [], outputs: ['k'], attributes: { value: attrTensor(weight) } }),
        makeNode({ opType: 'Add', inputs: ['x', 'k'], outputs: ['y'] }),
      ],
    });
    const editor = new GraphEditor(graph);
    expect(editor.constantOf('w')).toBe(weight);
    expect(editor.constantOf('k')).toBe(weight);
    expect(editor.constantOf('d')).toBeUndefined();
    expect(editor.constantOf('x')).toBeUndefined();
    const inner = makeGraph({ nodes: [], inputs: [valueInfo('k', 'float32')] });
    const innerEditor = new GraphEditor(inner, editor);
    expect(innerEditor.constantOf('w')).toBe(weight);
    expect(innerEditor.constantOf('k')).toBeUndefined();
    expect(GraphEditor.forModel(makeModel({ graph, irVersion: 3 })).constantOf('d')).toBe(graph.initializers.get('d'));
  });

  it('sorts what was added in any order, and keeps the rest as it was', () => {
    const graph = chain();
    const editor = new GraphEditor(graph);
    const late = makeNode({ name: 'late', opType: 'Neg', inputs: ['x'], outputs: ['n'] });
    editor.addNode(late);
    editor.setInputs(graph.nodes[1]!, ['n']);
    editor.finish();
    expect(graph.nodes.map((node) => node.name)).toEqual(['a', 'late', 'b', 'c']);
  });

  it('throws model/cycle', () => {
    const graph = chain();
    const editor = new GraphEditor(graph);
    editor.setInputs(graph.nodes[0]!, ['u']);
    expect(() => editor.finish()).toThrow(expect.objectContaining({ code: 'model/cycle' }));
  });

  it('replaces nodes in place and gives fresh names', () => {
    const graph = chain();
    const editor = new GraphEditor(graph);
    editor.replaceNode(graph.nodes[0]!, [
      makeNode({ name: 'p', opType: 'Abs', inputs: ['x'], outputs: [editor.freshName('t')] }),
      makeNode({ name: 'q', opType: 'Neg', inputs: ['t_1'], outputs: ['t'] }),
    ]);
    expect(editor.addInitializer(tensorFromNumbers('u', 'float32', [], [1]))).toBe('u_1');
    editor.finish();
    expect(graph.nodes.map((node) => node.name)).toEqual(['p', 'q', 'b', 'c']);
  });

  it('edits 100,000 nodes (at quadratic cost it would time out)', () => {
    const count = 100_000;
    const nodes = Array.from({ length: count }, (_, i) =>
      makeNode({ opType: i % 2 ? 'Identity' : 'Relu', inputs: [`v${i}`], outputs: [`v${i + 1}`] }),
    );
    const graph = makeGraph({
      nodes: nodes.toReversed(),
      inputs: [valueInfo('v0', 'float32')],
      outputs: [valueInfo(`v${count}`, 'float32')],
    });
    const editor = new GraphEditor(graph);
    for (const node of editor.nodes())
      if (node.opType === 'Identity') {
        editor.replaceUses(node.outputs[0]!, node.inputs[0]!);
        editor.removeNode(node);
      }
    editor.finish();
    expect(graph.nodes.length).toBe(count / 2);
    expect(graph.nodes[0]!.inputs).toEqual(['v0']);
    expect(graph.nodes.at(-1)!.outputs).toEqual([`v${count}`]);
  });
});

describe('cloneModel', () => {
  it('makes drafts independent, subgraphs included, and shares tensors', () => {
    const graph = chain();
    const inner = branchReading('u');
    const weight = tensorFromNumbers('w', 'float32', [1], [3]);
    graph.initializers.set('w', weight);
    graph.nodes.push(
      makeNode({ opType: 'If', inputs: ['x'], outputs: ['w2'], attributes: { then_branch: attrGraph(inner) } }),
    );
    const model = makeModel({ graph });
    const copy = cloneModel(model);
    new GraphEditor(copy.graph).replaceUses('u', 't');
    copy.graph.inputs[0]!.name = 'renamed';
    copy.opsetImports.set('', 18);
    expect(inner.nodes[0]!.inputs).toEqual(['u']);
    expect(graph.nodes[2]!.inputs).toEqual(['u', 'u']);
    expect(graph.inputs[0]!.name).toBe('x');
    expect(model.opsetImports.get('')).toBe(17);
    expect(copy.graph.initializers.get('w')).toBe(weight);
  });
});
