import { describe, expect, test } from 'vitest';
import { makeGraph, makeModel, makeNode } from '../../../../src/core/ir/build.ts';
import { withNodeNames } from '../../../../src/core/ir/node-names.ts';

const model = (names: readonly string[]) =>
  makeModel({
    graph: makeGraph({
      nodes: names.map((name, index) =>
        makeNode({ opType: 'Neg', inputs: [`v${index}`], outputs: [`v${index + 1}`], name }),
      ),
    }),
  });
const namesOf = (of: ReturnType<typeof model>) => of.graph.nodes.map(({ name }) => name);

describe('names for all nodes', () => {
  test('a model whose nodes all have different names is left as it is', () => {
    const named = model(['a', 'b']);
    expect(withNodeNames(named)).toBe(named);
  });

  test('nodes without a name are called by their first output, and no name occurs twice', () => {
    const before = model(['', 'a', 'a', 'v4', '', '']);
    const after = namesOf(withNodeNames(before));
    expect(after.slice(0, 2)).toEqual(['v1', 'a']);
    expect(after[3]).toBe('v4');
    expect(after[4]).toBe('v5');
    expect(new Set(after).size).toBe(6);
    expect(namesOf(before)).toEqual(['', 'a', 'a', 'v4', '', '']);
  });

  test('a hundred thousand nodes without names take no time', () => {
    const started = performance.now();
    const after = namesOf(withNodeNames(model(new Array<string>(100_000).fill('same'))));
    expect(new Set(after).size).toBe(100_000);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
