import { describe, expect, it } from 'vitest';
import { memoryPlan } from '../../../../src/core/analysis/liveness.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { attrGraph, attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor, ValueInfo } from '../../../../src/core/ir/types.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';

const float = (name: string, ...shape: (number | string)[]): ValueInfo => valueInfo(name, 'float32', shape);
const node = (opType: string, inputs: string[], outputs: string[], attributes = {}): Node =>
  makeNode({ opType, inputs, outputs, attributes });

function graph(nodes: Node[], inputs: ValueInfo[], outputs: string[], initializers: Tensor[] = []): Model {
  return makeModel({ graph: makeGraph({ nodes, inputs, outputs: outputs.map((name) => ({ name })), initializers }) });
}

const plan = (model: Model, overrides = {}) => memoryPlan(model, inferShapes(model, { overrides }));

describe('memoryPlan', () => {
  it('frees values after their last use and keeps inputs and outputs', () => {
    // x 16 bytes; a and b 64 bytes each by concatenation; y 32.
    const concat = (count: number, from: string, to: string): Node =>
      node('Concat', new Array(count).fill(from), [to], { axis: attrInt(0) });
    const result = plan(graph([concat(4, 'x', 'a'), concat(1, 'a', 'b'), concat(2, 'x', 'y')], [float('x', 4)], ['y']));
    expect([...result.timeline]).toEqual([16 + 64, 16 + 64 + 64, 16 + 32]);
    expect(result).toMatchObject({ peakBytes: 144, peakNode: 1, inputBytes: 16, outputBytes: 32, unknownValues: 0 });
    expect(result.peakValues).toEqual([
      { value: 'a', bytes: 64 },
      { value: 'b', bytes: 64 },
      { value: 'x', bytes: 16 },
    ]);
  });

  it('shares buffers between views, writes activations in place, and nothing into outputs or by arithmetic', () => {
    const result = plan(
      graph(
        [
          node('Concat', ['x', 'x'], ['a'], { axis: attrInt(0) }),
          node('Reshape', ['a', 'shape'], ['b']),
          node('Relu', ['b'], ['c']),
          node('Add', ['c', 'c'], ['d']),
          node('Relu', ['d'], ['y']),
        ],
        [float('x', 4)],
        ['y'],
        [tensorFromInts('shape', [2], [2, 4])],
      ),
    );
    expect([...result.timeline]).toEqual([48, 48, 48, 80, 80]);
    expect(result.buffers.map(({ value, shared }) => [value, shared.map(({ how }) => how)])).toEqual([
      ['x', []],
      ['a', ['view', 'in-place']],
      ['d', []],
      ['y', []],
    ]);
  });

  it('does not write into a value that is still needed', () => {
    const nodes = [node('Neg', ['x'], ['a']), node('Relu', ['a'], ['b']), node('Add', ['a', 'b'], ['y'])];
    // x, a, b, and y, which as an output of the graph has memory of its own.
    expect(plan(graph(nodes, [float('x', 4)], ['y'])).peakBytes).toBe(64);
  });

  it('adds what a subgraph needs at its worst', () => {
    const branch = (copies: number) =>
      makeGraph({
        nodes: [
          node('Concat', new Array(copies).fill('x'), ['r'], { axis: attrInt(0) }),
          node('ReduceSum', ['r'], ['s']),
        ],
        outputs: [{ name: 's' }],
      });
    const model = graph(
      [node('If', ['flag'], ['y'], { then_branch: attrGraph(branch(2)), else_branch: attrGraph(branch(8)) })],
      [float('x', 4), valueInfo('flag', 'bool', [])],
      ['y'],
    );
    // Input 16 + flag 1 + result 4, and in the branch 128 + 4.
    expect(plan(model).peakBytes).toBe(16 + 1 + 4 + 128 + 4);
  });

  it('counts values of unknown size instead of guessing, and needs the free dims', () => {
    const model = graph([node('Relu', ['x'], ['y'])], [float('x', 'n', 4)], ['y']);
    expect(plan(model).unknownValues).toBe(2);
    expect(plan(model, { n: 8 })).toMatchObject({ unknownValues: 0, peakBytes: 2 * 8 * 4 * 4 });
  });

  it('agrees with a step-by-step simulation on random graphs', () => {
    const rng = createRng(11);
    for (let round = 0; round < 200; round++) {
      const { model, expected } = randomGraph(rng);
      expect([...plan(model).timeline]).toEqual(expected);
    }
  });

  it('takes 10,000 nodes quickly', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) =>
      node('MatMul', [i === 0 ? 'x' : `v${i - 1}`, 'x'], [`v${i}`]),
    );
    const model = graph(nodes, [float('x', 8, 8)], ['v9999']);
    const shapes = inferShapes(model);
    const start = process.cpuUsage();
    expect(memoryPlan(model, shapes).peakBytes).toBe(3 * 256);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(300);
  });
});

/** MatMul chains never share buffers, so who is alive follows from the definition alone. */
function randomGraph(rng: ReturnType<typeof createRng>): { model: Model; expected: number[] } {
  const count = 3 + rng.int(12);
  const values = ['x'];
  const nodes: Node[] = [];
  for (let i = 0; i < count; i++) {
    const pick = (): string => values[rng.int(values.length)]!;
    nodes.push(node('MatMul', [pick(), pick()], [`v${i}`]));
    values.push(`v${i}`);
  }
  const output = values[1 + rng.int(count)]!;
  const expected = nodes.map((_, at) => {
    const alive = values.filter((value, index) => {
      const isMade = index - 1 <= at;
      const isUsedLater = nodes.slice(at).some(({ inputs }) => inputs.includes(value));
      return isMade && (value === 'x' || value === output || index - 1 === at || isUsedLater);
    });
    return alive.length * 4 * 4 * 4;
  });
  return { model: graph(nodes, [float('x', 4, 4)], [output]), expected };
}
