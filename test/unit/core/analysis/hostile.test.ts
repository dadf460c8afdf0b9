import { describe, expect, it } from 'vitest';
import { describeModel } from '../../../../src/core/analysis/card.ts';
import { attrGraph } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import type { FunctionDef, Graph, Node } from '../../../../src/core/ir/types.ts';

const inputs = [valueInfo('x', 'float32', [4, 4]), valueInfo('flag', 'bool', [])];

/** The whole analysis must end in time whatever the graph is like. */
function analyse(nodes: Node[], functions: FunctionDef[] = []) {
  const outputs = [{ name: nodes.at(-1)!.outputs[0]! }];
  return describeModel(
    makeModel({ graph: makeGraph({ nodes, inputs, outputs }), functions, extraOpsets: { local: 1 } }),
  );
}

describe('hostile graphs', () => {
  it('functions that call each other twice, 40 levels deep, do not explode', () => {
    const functions = Array.from({ length: 40 }, (_, level): FunctionDef => {
      const call = (input: string, output: string): Node =>
        level === 0
          ? makeNode({ opType: 'Relu', inputs: [input], outputs: [output] })
          : makeNode({ opType: `F${level - 1}`, domain: 'local', inputs: [input], outputs: [output] });
      return {
        name: `F${level}`,
        domain: 'local',
        inputs: ['a'],
        outputs: ['c'],
        attributeNames: [],
        attributeDefaults: new Map(),
        nodes: [call('a', 'b'), call('b', 'c')],
        opsetImports: new Map([['', 17]]),
        valueInfo: new Map(),
      };
    });
    const card = analyse([makeNode({ opType: 'F39', domain: 'local', inputs: ['x'], outputs: ['y'] })], functions);
    expect(card.notes.map(({ text }) => text)).toContain(
      'subgraphs and functions are nested so often that shape inference stopped inside them',
    );
  });

  it('loops nested 60 deep, each changing its state, end', () => {
    let body: Graph | undefined;
    for (let level = 0; level < 60; level++) {
      const state = `s${level}`;
      const nodes = [
        makeNode({ opType: 'Identity', inputs: [`c${level}`], outputs: [`d${level}`] }),
        makeNode({ opType: 'Unsqueeze', inputs: [state, 'x'], outputs: [`t${level}`] }),
      ];
      if (body)
        nodes.push(
          makeNode({
            opType: 'Loop',
            inputs: ['', 'flag', state],
            outputs: [`u${level}`],
            attributes: { body: attrGraph(body) },
          }),
        );
      body = makeGraph({
        inputs: [{ name: `i${level}` }, { name: `c${level}` }, { name: state }],
        nodes,
        outputs: [{ name: `d${level}` }, { name: `t${level}` }],
      });
    }
    const loop = makeNode({
      opType: 'Loop',
      inputs: ['', 'flag', 'x'],
      outputs: ['y'],
      attributes: { body: attrGraph(body!) },
    });
    expect(analyse([loop]).outputs[0]!.shape).toBeUndefined();
  });

  it('one value with 50,000 readers, and nodes out of order', () => {
    const nodes = Array.from({ length: 50_000 }, (_, i) =>
      makeNode({ opType: 'Relu', inputs: ['x'], outputs: [`v${i}`] }),
    );
    nodes.push(makeNode({ opType: 'Sum', inputs: nodes.map(({ outputs }) => outputs[0]!), outputs: ['y'] }));
    expect(analyse(nodes).activations!.unknownValues).toBe(0);
    expect(analyse([...nodes].reverse()).nodes.main).toBe(50_001);
  });

  it('sizes beyond 2^53 are unknown, not wrong', () => {
    const nodes = [makeNode({ opType: 'Flatten', inputs: ['x'], outputs: ['y'] })];
    const huge = makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', [2, 2 ** 40, 2 ** 40])],
      outputs: [{ name: 'y' }],
    });
    expect(describeModel(makeModel({ graph: huge })).outputs[0]!.shape).toEqual([2, 'y[1]']);
  });
});
