import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { collectActivations } from '../../../../src/core/calib/collect-activations.ts';
import { type WalkRequest, walkLayers } from '../../../../src/core/calib/layer-walk.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { cloneModel } from '../../../../src/core/ir/clone.ts';
import { GraphEditor } from '../../../../src/core/ir/editor.ts';
import { bytesOf, tensorFromInts } from '../../../../src/core/ir/tensor.ts';
import type { Model, Node, Tensor } from '../../../../src/core/ir/types.ts';
import type { CalibrationSource, Executor, HostTensor } from '../../../../src/core/step/define.ts';
import { createExecutor } from '../../../../src/runtime/executor.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';
import { memoryStore } from '../quant/support/bench.ts';
import { constantNode, floatTensor, ifModel, sampleValues } from '../quant/support/models.ts';

type Feeds = ReadonlyMap<string, HostTensor>;
const target = { provider: 'cpu', threads: 1 } as const;
const native = createExecutor(async () => (await openNodeRuntime(target)).port, target);

const float = (dims: readonly number[], seed: number): HostTensor => ({
  dtype: 'float32',
  dims,
  data: bytesOf(
    sampleValues(
      dims.reduce((a, b) => a * b, 1),
      seed,
    ),
  ),
});
const source = (...feeds: Feeds[]): CalibrationSource => ({
  origin: 'calibration-split',
  async *feeds() {
    yield* feeds;
  },
});

/** What the walk shows: value, then sample, then its numbers. */
type Seen = Map<string, number[][]>;

async function walk(request: Omit<WalkRequest, 'executor' | 'job' | 'visitor'> & Partial<WalkRequest>) {
  const seen: Seen = new Map();
  const stops: string[][] = [];
  const outcome = await walkLayers({
    executor: native,
    job: quietJob,
    ...request,
    visitor: {
      ...request.visitor,
      arrive: (stop) => void stops.push([...stop.values]),
      observe: ({ name, sample, values }) => {
        const samples = seen.get(name) ?? [];
        seen.set(name, samples);
        samples[sample] = [...values];
      },
    },
  });
  return { seen, stops, outcome };
}

/** The same of the whole model in one session. */
async function whole(model: Model, from: CalibrationSource, tensors: readonly string[]): Promise<Seen> {
  const seen: Seen = new Map(tensors.map((name) => [name, []]));
  await collectActivations({
    model,
    executor: native,
    source: from,
    tensors,
    observe: (name, values) => void seen.get(name)!.push([...values]),
    job: quietJob,
  });
  return seen;
}

const WIDTH = 6;

/** A graph of layers that read any earlier values, with two inputs, one of which may be read late. */
function randomModel(seed: number): { model: Model; values: string[] } {
  const rng = createRng(seed);
  const values = ['x', 'u'];
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const pick = () => values[Math.floor(rng.uniform() ** 0.7 * values.length)]!;
  for (let i = 0; i < 14; i += 1) {
    const output = `v${i}`;
    const kind = rng.int(5);
    if (kind < 2) {
      const weight = floatTensor(`w${i}`, [WIDTH, WIDTH], sampleValues(WIDTH * WIDTH, seed * 31 + i));
      // Behind a Constant node, or transposed on the way: computed from constants in every part that reads it.
      if (rng.int(3) === 0) nodes.push(constantNode(weight));
      else initializers.push(weight);
      const isTransposed = rng.int(2) === 0;
      if (isTransposed)
        nodes.push(makeNode({ opType: 'Transpose', inputs: [weight.name], outputs: [`${weight.name}_t`] }));
      const read = isTransposed ? `${weight.name}_t` : weight.name;
      nodes.push(makeNode({ opType: 'MatMul', inputs: [pick(), read], outputs: [output] }));
    } else if (kind === 2) nodes.push(makeNode({ opType: 'Add', inputs: [pick(), pick()], outputs: [output] }));
    else if (kind === 3) nodes.push(makeNode({ opType: 'Tanh', inputs: [pick()], outputs: [output] }));
    else nodes.push(makeNode({ opType: 'Mul', inputs: [pick(), pick()], outputs: [output] }));
    values.push(output);
  }
  const model = makeModel({
    graph: makeGraph({
      nodes,
      inputs: [valueInfo('x', 'float32', ['n', WIDTH]), valueInfo('u', 'float32', ['n', WIDTH])],
      outputs: [valueInfo('v13', 'float32')],
      initializers,
    }),
  });
  return { model, values };
}

const lengths = [2, 5, 1];
const twoInputs = source(
  ...lengths.map(
    (n, i): Feeds =>
      new Map([
        ['x', float([n, WIDTH], i + 1)],
        ['u', float([n, WIDTH], i + 11)],
      ]),
  ),
);

describe('walkLayers', () => {
  it('shows bit for bit what the whole model computes, however it is cut', async () => {
    const { runEach: _, warm: __, open: ___, ...single } = native;
    for (let seed = 1; seed <= 6; seed += 1) {
      const { model, values } = randomModel(seed);
      const rng = createRng(seed + 100);
      const wanted = values.filter(() => rng.int(3) > 0);
      const expected = await whole(model, twoInputs, wanted);
      const tight = { partWeightBytes: 1, partValueBytes: 1, cutBytes: 0 };
      const ways: Partial<WalkRequest>[] = [
        { mode: 'read' },
        { mode: 'read', limits: tight, store: memoryStore },
        { mode: 'edit' },
        { mode: 'edit', limits: tight, executor: single },
      ];
      for (const way of ways) {
        const { seen, outcome } = await walk({ model, source: twoInputs, wanted, mode: 'read', ...way });
        expect(seen).toEqual(expected);
        expect(outcome).toMatchObject({ samples: 3, repeated: 0 });
      }
    }
  });

  it('reads many values in one part, and stops at each to edit', async () => {
    const { model } = randomModel(3);
    const wanted = ['v2', 'v7', 'v12'];
    const reading = await walk({ model, source: twoInputs, wanted, mode: 'read' });
    expect(reading.stops).toEqual([wanted]);
    expect(reading.outcome.parts).toBe(1);
    const editing = await walk({ model, source: twoInputs, wanted, mode: 'edit' });
    expect(editing.stops).toEqual(wanted.map((name) => [name]));
  });

  it('computes later stops with the edited nodes, and once more what was edited behind the stop', async () => {
    const nodes = ['a', 'b', 'c'].map((name, i) =>
      makeNode({ opType: 'MatMul', name, inputs: [i === 0 ? 'x' : 'abc'[i - 1]!, `w_${name}`], outputs: [name] }),
    );
    const weight = (name: string, factor: number) => floatTensor(name, [2, 2], [factor, 0, 0, factor]);
    const model = makeModel({
      graph: makeGraph({
        nodes,
        inputs: [valueInfo('x', 'float32', ['n', 2])],
        outputs: [valueInfo('c', 'float32')],
        initializers: [weight('w_a', 2), weight('w_b', 3), weight('w_c', 5)],
      }),
    });
    const one = source(
      new Map([['x', { dtype: 'float32' as const, dims: [1, 2], data: bytesOf(Float32Array.of(1, -1)) }]]),
    );
    const edit = async (change: (draft: Model, stop: string) => void) => {
      const draft = cloneModel(model);
      const seen: Record<string, number> = {};
      const outcome = await walkLayers({
        model: draft,
        executor: native,
        source: one,
        wanted: ['x', 'a', 'b', 'c'],
        mode: 'edit',
        job: quietJob,
        visitor: {
          observe: ({ name, values }) => {
            seen[name] = values[0]!;
          },
          leave: ({ values }) => change(draft, values[0]!),
        },
      });
      return { seen, outcome };
    };
    const untouched = await edit(() => {});
    expect(untouched.seen).toEqual({ x: 1, a: 2, b: 6, c: 30 });
    // Ahead: the weight that reads `a` is replaced, and `b` is made with it; no node runs twice.
    const ahead = await edit(({ graph }, stop) => {
      if (stop === 'a') graph.initializers.set('w_b', weight('w_b', 7));
    });
    expect(ahead.seen).toEqual({ x: 1, a: 2, b: 14, c: 70 });
    expect(ahead.outcome).toMatchObject({ parts: 4, repeated: 0 });
    // Behind: what made `a` changes after `a` was seen.
    const behind = await edit(({ graph }, stop) => {
      if (stop === 'a') graph.initializers.set('w_a', weight('w_a', 20));
    });
    expect(behind.seen).toEqual({ x: 1, a: 2, b: 60, c: 300 });
    expect(behind.outcome.repeated).toBe(1);
    // New nodes ahead, which read an input that nothing else needed any more.
    const grown = await edit((draft, stop) => {
      if (stop !== 'b') return;
      const editor = GraphEditor.forModel(draft);
      const reader = draft.graph.nodes.find(({ name }) => name === 'c')!;
      editor.addNode(makeNode({ opType: 'Add', inputs: ['b', 'a'], outputs: ['ba'] }), { before: reader });
      editor.setInputs(reader, ['ba', 'w_c']);
      editor.finish();
    });
    expect(grown.seen).toEqual({ x: 1, a: 2, b: 6, c: 40 });
    expect(grown.outcome.repeated).toBe(1);
  });

  it('holds one cut of a deep chain: a few tensors a sample, and one weight in a session', async () => {
    const depth = 24;
    const size = 32;
    const names = Array.from({ length: depth }, (_, i) => `h${i}`);
    const nodes = names.map((name, i) =>
      makeNode({ opType: 'MatMul', inputs: [i === 0 ? 'x' : names[i - 1]!, `w${i}`], outputs: [name] }),
    );
    const model = makeModel({
      graph: makeGraph({
        nodes,
        inputs: [valueInfo('x', 'float32', ['n', size])],
        outputs: [valueInfo(names.at(-1)!, 'float32')],
        initializers: names.map((_, i) => floatTensor(`w${i}`, [size, size], sampleValues(size * size, i + 1))),
      }),
    });
    let largest = 0;
    const counting: Executor = {
      ...native,
      open: (bytes) => {
        largest = Math.max(largest, bytes.byteLength);
        return native.open(bytes);
      },
    };
    const samples = source(...[1, 2, 3].map((seed): Feeds => new Map([['x', float([4, size], seed)]])));
    const limits = { partWeightBytes: size * size * 4 };
    for (const mode of ['read', 'edit'] as const) {
      const { outcome } = await walk({ model, source: samples, wanted: names, mode, executor: counting, limits });
      expect(outcome.peakCutTensors).toBe(3);
      expect(outcome.peakCutBytes).toBeLessThanOrEqual(2 * 3 * 4 * size * 4);
      expect(outcome.parts).toBe(depth);
    }
    expect(largest).toBeLessThan(2 * size * size * 4);
    const spilling = { ...limits, cutBytes: 0 };
    const wide = source(new Map([['x', float([600, size], 1)]]));
    const spilled = await walk({
      model,
      source: wide,
      wanted: names,
      mode: 'read',
      store: memoryStore,
      limits: spilling,
    });
    expect(spilled.outcome.peakCutBytes).toBe(0);
    expect(spilled.outcome.spilledBytes).toBe((depth - 1) * 600 * size * 4);
    expect(spilled.seen).toEqual(await whole(model, wide, names));
  });

  it('runs nodes with subgraphs as a whole, with what they capture', async () => {
    const model = ifModel(4, 3, sampleValues(12, 1), sampleValues(12, 2));
    const flagged = (flag: number, seed: number): Feeds =>
      new Map([
        ['x', float([1, 4], seed)],
        ['c', { dtype: 'bool' as const, dims: [], data: Uint8Array.of(flag) }],
      ]);
    const samples = source(flagged(1, 1), flagged(0, 2));
    const wanted = ['x', 'branch_y', 'outer_y', 'y'];
    const expected = await whole(model, samples, wanted);
    for (const mode of ['read', 'edit'] as const)
      expect((await walk({ model, source: samples, wanted, mode })).seen).toEqual(expected);
  });

  it('carries integers and booleans over a cut, and makes sequences and constants anew', async () => {
    const model = makeModel({
      graph: makeGraph({
        nodes: [
          makeNode({ opType: 'Shape', inputs: ['x'], outputs: ['shape'] }),
          makeNode({ opType: 'SequenceConstruct', inputs: ['x', 'x'], outputs: ['pair'] }),
          makeNode({ opType: 'Tanh', inputs: ['x'], outputs: ['early'] }),
          makeNode({ opType: 'Greater', inputs: ['early', 'zero'], outputs: ['mask'] }),
          makeNode({ opType: 'Exp', inputs: ['early'], outputs: ['middle'] }),
          makeNode({ opType: 'SequenceAt', inputs: ['pair', 'one'], outputs: ['second'] }),
          makeNode({ opType: 'Where', inputs: ['mask', 'second', 'middle'], outputs: ['chosen'] }),
          makeNode({ opType: 'Expand', inputs: ['chosen', 'shape'], outputs: ['y'] }),
        ],
        inputs: [valueInfo('x', 'float32', ['n', 3])],
        outputs: [valueInfo('y', 'float32')],
        initializers: [floatTensor('zero', [], [0]), tensorFromInts('one', [], [1])],
      }),
    });
    const samples = source(new Map([['x', float([2, 3], 4)]]), new Map([['x', float([1, 3], 5)]]));
    const wanted = ['early', 'middle', 'y'];
    const expected = await whole(model, samples, wanted);
    expect((await walk({ model, source: samples, wanted, mode: 'edit' })).seen).toEqual(expected);
  });

  it('says what is wrong, and can be cancelled', async () => {
    const { model } = randomModel(1);
    const base = { model, source: twoInputs, wanted: ['v3'], mode: 'edit' } as const;
    await expect(walk({ ...base, source: source() })).rejects.toMatchObject({ code: 'calib/too-few-samples' });
    await expect(walk({ ...base, wanted: ['nowhere'] })).rejects.toMatchObject({ code: 'calib/missing-value' });
    const short = source(new Map([['x', float([2, WIDTH], 1)]]));
    await expect(walk({ ...base, source: short })).rejects.toMatchObject({ code: 'task/shape-mismatch' });
    const controller = new AbortController();
    const job = { ...quietJob, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(walk({ ...base, job })).rejects.toMatchObject({ code: 'job/cancelled' });
    expect((await walk({ ...base, maxSamples: 2 })).outcome.samples).toBe(2);
    expect((await walk({ ...base, wanted: [] })).outcome).toMatchObject({ samples: 3, parts: 0 });
  });
});
