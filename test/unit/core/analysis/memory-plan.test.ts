import { describe, expect, it } from 'vitest';
import { reuseOf } from '../../../../src/core/analysis/buffer-reuse.ts';
import { memoryPlan } from '../../../../src/core/analysis/liveness.ts';
import { liveAt, memoryTimeline, worstSteps } from '../../../../src/core/analysis/memory-plan.ts';
import { createRng, type Rng } from '../../../../src/core/base/rng.ts';
import { attrGraph, attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor, ValueInfo } from '../../../../src/core/ir/types.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import { readReal } from './real-models.ts';

const node = (opType: string, inputs: string[], outputs: string[], attributes = {}, name = ''): Node =>
  makeNode({ opType, inputs, outputs, attributes, name });

function graph(nodes: Node[], inputs: ValueInfo[], outputs: string[], initializers: Tensor[] = []): Model {
  return makeModel({ graph: makeGraph({ nodes, inputs, outputs: outputs.map((name) => ({ name })), initializers }) });
}

describe('memoryTimeline', () => {
  // x: 16 floats = 64 bytes. Worked out by hand, node by node.
  const model = graph(
    [
      node('Concat', ['x', 'x'], ['a'], { axis: attrInt(0) }, 'join'), // x 64 + a 128
      node('Relu', ['a'], ['b']), //                                       b in place of a: 192
      node('Add', ['b', 'w'], ['c'], {}, 'add'), //                         + c 128: 320, the peak
      node('Reshape', ['c', 'shape'], ['d']), //                            b gone, d is c: 192
      node('ReduceSum', ['d'], ['y'], { keepdims: attrInt(0) }, 'sum'), //  + y 4: 196
    ],
    [valueInfo('x', 'float32', ['n', 4])],
    ['y'],
    [tensorFromInts('shape', [2], [4, 8]), tensorFromNumbers('w', 'float32', [1], [2])],
  );

  it('says what is alive when, what stood in whose place, and what makes the peak', () => {
    const timeline = memoryTimeline(model, { n: 4 });
    expect(timeline.steps.map(({ liveBytes }) => liveBytes)).toEqual([192, 192, 320, 192, 196]);
    expect(timeline.steps.map(({ node: name, op }) => `${op} ${name}`)).toEqual([
      'Concat join',
      'Relu b',
      'Add add',
      'Reshape d',
      'ReduceSum sum',
    ]);
    expect(timeline).toMatchObject({ peakBytes: 320, peakStep: 2, weightBytes: 16 + 4, unknownValues: 0 });
    expect(timeline.dims).toEqual([{ symbol: 'n', value: 4, isAssumed: false }]);
    expect(liveAt(timeline, 2)).toEqual([
      { value: 'a', bytes: 128, kind: 'activation', from: 0, to: 2, shared: [{ value: 'b', at: 1, how: 'in-place' }] },
      { value: 'c', bytes: 128, kind: 'activation', from: 2, to: 4, shared: [{ value: 'd', at: 3, how: 'view' }] },
      { value: 'x', bytes: 64, kind: 'input', from: -1, to: 4, shared: [] },
    ]);
    expect(liveAt(timeline, 4).find(({ value }) => value === 'y')).toMatchObject({ kind: 'output', bytes: 4 });
  });

  it('takes usual sizes for free dimensions that nobody gave, and says so', () => {
    const timeline = memoryTimeline(model);
    expect(timeline.dims).toEqual([{ symbol: 'n', value: 1, isAssumed: true }]);
    expect(timeline.peakBytes).toBe(320 / 4);
  });

  it('names the values whose size is not known', () => {
    const unknown = graph(
      [node('NonZero', ['x'], ['i']), node('Neg', ['i'], ['y'])],
      [valueInfo('x', 'float32', [4, 4])],
      ['y'],
    );
    expect(memoryTimeline(unknown)).toMatchObject({ unknownValues: 2, unknownExamples: ['i', 'y'], peakBytes: 64 });
  });

  it('shows what a subgraph needs as a stretch of its own', () => {
    const body = makeGraph({ nodes: [node('Neg', ['x'], ['r'])], outputs: [{ name: 'r' }] });
    const branches = { then_branch: attrGraph(body), else_branch: attrGraph(body) };
    const inputs = [valueInfo('flag', 'bool', []), valueInfo('x', 'float32', [8])];
    const timeline = memoryTimeline(graph([node('If', ['flag'], ['y'], branches, 'choose')], inputs, ['y']));
    expect(liveAt(timeline, 0)).toContainEqual(
      expect.objectContaining({ value: 'choose', kind: 'subgraph', bytes: 32, from: 0, to: 0 }),
    );
    expect(timeline.peakBytes).toBe(1 + 32 + 32 + 32);
  });

  it('agrees with memory that is really handed out and taken back, on random graphs with views and in-place nodes', () => {
    const rng = createRng(5);
    let reused = 0;
    for (let round = 0; round < 400; round++) {
      const random = randomGraph(rng);
      const expected = simulate(random);
      const timeline = memoryTimeline(random);
      expect(timeline.steps.map(({ liveBytes }) => liveBytes)).toEqual(expected);
      expect(timeline.peakBytes).toBe(Math.max(...expected));
      for (const step of timeline.steps.keys())
        expect(liveAt(timeline, step).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(expected[step]);
      reused += timeline.buffers.reduce((sum, { shared }) => sum + shared.length, 0);
    }
    expect(reused).toBeGreaterThan(400);
  });

  it.each(['rec', 'det', 'cls'] as const)('has the sums of liveness for the real model %s', async (name) => {
    const real = await readReal(name);
    const timeline = memoryTimeline(real);
    const overrides = Object.fromEntries(timeline.dims.map(({ symbol, value }) => [symbol, value]));
    expect(timeline.peakBytes).toBe(memoryPlan(real, inferShapes(real, { overrides })).peakBytes);
    expect(timeline.peakBytes).toBeGreaterThan(100_000);
    for (let at = 0; at < timeline.steps.length; at += 7)
      expect(liveAt(timeline, at).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(timeline.steps[at]!.liveBytes);
  });

  it('takes 10,000 nodes quickly', () => {
    const nodes = Array.from({ length: 10_000 }, (_, i) =>
      node(i % 3 === 0 ? 'Relu' : 'Neg', [i === 0 ? 'x' : `v${i - 1}`], [`v${i}`]),
    );
    const long = graph(nodes, [valueInfo('x', 'float32', [8, 8])], ['v9999']);
    memoryTimeline(graph(nodes.slice(0, 100), [valueInfo('x', 'float32', [8, 8])], ['v99']));
    const start = process.cpuUsage();
    const timeline = memoryTimeline(long);
    const { user, system } = process.cpuUsage(start);
    expect(timeline.peakBytes).toBe(3 * 256);
    expect((user + system) / 1000).toBeLessThan(1500);
  });
});

describe('worstSteps', () => {
  it('keeps the highest step of every stretch, and so the peak', () => {
    const rng = createRng(3);
    const steps = Array.from({ length: 1003 }, () => ({ node: '', op: '', liveBytes: rng.int(1_000_000) }));
    const shown = worstSteps({ steps }, 97);
    expect(shown).toHaveLength(97);
    expect([...shown].sort((a, b) => a - b)).toEqual(shown);
    const highest = (of: readonly { liveBytes: number }[]) => Math.max(...of.map(({ liveBytes }) => liveBytes));
    expect(highest(shown.map((at) => steps[at]!))).toBe(highest(steps));
  });

  it('shows every step where there is room', () => {
    expect(worstSteps({ steps: Array(3).fill({ node: '', op: '', liveBytes: 1 }) }, 100)).toEqual([0, 1, 2]);
    expect(worstSteps({ steps: [] }, 100)).toEqual([]);
  });
});

const OPS = ['Relu', 'Sigmoid', 'Neg', 'Identity', 'Concat', 'MatMul'] as const;

function randomGraph(rng: Rng): Model {
  const values = ['x'];
  const nodes: Node[] = [];
  for (let i = 0; i < 3 + rng.int(14); i++) {
    const pick = (): string => values[Math.max(0, values.length - 1 - rng.int(4))]!;
    const op = OPS[rng.int(OPS.length)]!;
    const inputs = op === 'Concat' ? [pick(), 'x'] : op === 'MatMul' ? [pick(), 'square'] : [pick()];
    nodes.push(node(op, inputs, [`v${i}`], op === 'Concat' ? { axis: attrInt(0) } : {}));
    values.push(`v${i}`);
  }
  const outputs = [...new Set([values.at(-1)!, values[1 + rng.int(values.length - 1)]!])];
  const square = tensorFromNumbers('square', 'float32', [4, 4], new Array(16).fill(0));
  return graph(nodes, [valueInfo('x', 'float32', [2, 4])], outputs, [square]);
}

/**
 * What the planner does, the plain way: memory is looked at as it is before each node, and every question ("does anyone
 * read this later?") is answered by searching all nodes again.
 */
function simulate({ graph: { nodes, outputs, initializers } }: Model): number[] {
  const kept = new Set(outputs.map(({ name }) => name));
  const rows = new Map<string, number>([['x', 2]]);
  let blocks = [{ holds: new Set(['x']), bytes: 32 }];
  return nodes.map(({ opType, inputs, outputs: [made] }, at) => {
    const size = opType === 'Concat' ? rows.get(inputs[0]!)! + 2 : rows.get(inputs[0]!)!;
    rows.set(made!, size);
    const isReadLater = (value: string) => nodes.some((other, index) => index > at && other.inputs.includes(value));
    const block = blocks.find(({ holds }) => holds.has(inputs[0]!) && !initializers.has(inputs[0]!));
    const how = kept.has(made!) ? undefined : reuseOf(opType);
    const isFree = block && [...block.holds].every((value) => value !== 'x' && !kept.has(value) && !isReadLater(value));
    if (block && (how === 'view' || (how === 'in-place' && isFree && block.bytes === size * 16)))
      block.holds.add(made!);
    else blocks.push({ holds: new Set([made!]), bytes: size * 16 });
    const live = blocks.reduce((sum, { bytes }) => sum + bytes, 0);
    blocks = blocks.filter(({ holds }) =>
      [...holds].some((value) => value === 'x' || kept.has(value) || isReadLater(value)),
    );
    return live;
  });
}
