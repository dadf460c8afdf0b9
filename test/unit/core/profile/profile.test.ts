// Profiles of models that onnxruntime really ran, and traces that are damaged.
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model, Tensor } from '../../../../src/core/ir/types.ts';
import { profileByOp } from '../../../../src/core/profile/by-op.ts';
import { readTraceLine } from '../../../../src/core/profile/trace-line.ts';
import { TraceReader } from '../../../../src/core/profile/trace-reader.ts';
import type { ModelProfile } from '../../../../src/core/profile/types.ts';
import { profiled, profileModel, type RealTrace, ramp, realTrace } from './support.ts';

const weights = (name: string, dims: number[]): Tensor =>
  tensorFromNumbers(name, 'float32', dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.01));

/** One large product and one small addition. */
const lopsided = makeModel({
  graph: makeGraph({
    nodes: [
      makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['h'], name: 'big' }),
      makeNode({ opType: 'Neg', inputs: ['h'], outputs: ['y'], name: 'small' }),
    ],
    inputs: [valueInfo('x', 'float32', [128, 512])],
    outputs: [valueInfo('y', 'float32', [128, 128])],
    initializers: [weights('w', [512, 128])],
  }),
});
const lopsidedFeeds = new Map([['x', ramp([128, 512])]]);

/** Conv and Relu, product and addition: what onnxruntime fuses; a Shape chain that it computes while loading. */
const fusible = makeModel({
  graph: makeGraph({
    nodes: [
      makeNode({
        opType: 'Conv',
        inputs: ['x', 'k'],
        outputs: ['c'],
        name: 'conv',
        attributes: { pads: { type: 'ints', value: [1n, 1n, 1n, 1n] } },
      }),
      makeNode({ opType: 'Relu', inputs: ['c'], outputs: ['r'], name: 'relu' }),
      makeNode({ opType: 'Identity', inputs: ['shape'], outputs: ['target'], name: 'copied' }),
      makeNode({ opType: 'Reshape', inputs: ['r', 'target'], outputs: ['f'], name: 'flat' }),
      makeNode({ opType: 'MatMul', inputs: ['f', 'w'], outputs: ['m'], name: 'product' }),
      makeNode({ opType: 'Add', inputs: ['m', 'b'], outputs: ['y'], name: 'bias' }),
    ],
    inputs: [valueInfo('x', 'float32', [1, 3, 16, 16])],
    outputs: [valueInfo('y', 'float32', [1, 8])],
    initializers: [
      weights('k', [4, 3, 3, 3]),
      weights('w', [1024, 8]),
      weights('b', [8]),
      tensorFromInts('shape', [2], [1, 1024]),
    ],
  }),
});
const fusibleFeeds = new Map([['x', ramp([1, 3, 16, 16])]]);

const nodeOf = ({ nodes }: ModelProfile, file: string) => nodes.find(({ fileNodes }) => fileNodes.includes(file));

describe('profiles of real runs', () => {
  test.each(['cpu', 'wasm'] as const)('on %s one large product takes most of the time', async (provider) => {
    const { profile, runsMs } = await profileModel(lopsided, lopsidedFeeds, { provider, runs: 6 });
    expect(profile.runs).toBe(5);
    expect(profile.nodes.map(({ name, origin }) => [name, origin])).toEqual([
      ['big', 'file'],
      ['small', 'file'],
    ]);
    const big = nodeOf(profile, 'big')!;
    expect(big.share).toBeGreaterThan(0.6);
    expect(big.samplesUs).toHaveLength(5);
    expect(big.p5Us).toBeLessThanOrEqual(big.medianUs);
    expect(big.p95Us).toBeGreaterThanOrEqual(big.medianUs);
    expect(big.macs).toBe(128 * 512 * 128);
    expect(big.bytes).toBe(4 * (128 * 512 + 512 * 128 + 128 * 128));
    // All nodes together are within the run, and the run within what the caller waited.
    expect(profile.sumUs).toBeLessThanOrEqual(profile.runUs.median);
    expect(profile.sumUs).toBeGreaterThan(0.3 * profile.runUs.median);
    expect(profile.runUs.median / 1000).toBeLessThanOrEqual(Math.max(...runsMs.slice(1)));
  });

  test('what onnxruntime fuses is traced back to the nodes it was made of, and nothing is dropped', async () => {
    const { profile, lines } = await profileModel(fusible, fusibleFeeds, { provider: 'wasm' });
    const conv = nodeOf(profile, 'conv')!;
    expect(conv).toMatchObject({ opType: 'FusedConv', origin: 'rewritten', fileNodes: ['conv', 'relu'] });
    const gemm = nodeOf(profile, 'product')!;
    expect(gemm).toMatchObject({ name: 'product/MatMulAddFusion', opType: 'Gemm', origin: 'rewritten' });
    expect(gemm.fileNodes).toContain('bias');
    expect(gemm.macs).toBe(1024 * 8);
    expect(profile.notRun).toEqual({ absorbed: 2, untraced: 1 });
    expect(totalOfEvents(lines, 1)).toBe(totalOfNodes(profile));
  });

  test('on a native processor, layouts of its own are named after values, and what it adds is its own', async () => {
    const { profile } = await profileModel(fusible, fusibleFeeds);
    expect(nodeOf(profile, 'conv')!.origin).toBe('rewritten');
    for (const { origin, fileNodes } of profile.nodes) expect(fileNodes.length > 0).toBe(origin !== 'runtime');
  });

  test('with optimization off every node of the file stands for itself', async () => {
    const { profile } = await profileModel(fusible, fusibleFeeds, { level: 'disabled' });
    expect(profile.nodes.map(({ name, origin }) => [name, origin])).toEqual(
      ['copied', 'conv', 'relu', 'flat', 'product', 'bias'].map((name) => [name, 'file']).toSorted(byFile(profile)),
    );
    expect(profile.notRun).toEqual({ absorbed: 0, untraced: 0 });
    expect(nodeOf(profile, 'flat')!.bytes).toBe(0);
  });

  test('the body of a loop is timed in its own nodes, not once more in the loop', async () => {
    const { profile, lines } = await profileModel(loopModel(), new Map([['x', ramp([64, 64])]]), { provider: 'wasm' });
    const body = nodeOf(profile, 'inner')!;
    expect(body.calls).toBe(5);
    expect(body.macs).toBe(5 * 64 ** 3);
    const loop = profile.nodes.find(({ opType }) => opType === 'Loop')!;
    expect(loop.medianUs).toBeLessThan(largestLoopEvent(lines));
    expect(profile.sumUs).toBeLessThanOrEqual(profile.runUs.median);
  });

  test('sums by operator add up to the sum of the nodes', async () => {
    const { profile } = await profileModel(fusible, fusibleFeeds, { level: 'disabled' });
    const ops = profileByOp(profile);
    expect(ops.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(profile.nodes.length);
    for (let run = 0; run < profile.runs; run += 1) {
      const byOp = ops.reduce((sum, { samplesUs }) => sum + samplesUs[run]!, 0);
      expect(byOp).toBe(profile.nodes.reduce((sum, { samplesUs }) => sum + samplesUs[run]!, 0));
    }
  });
});

const byFile =
  ({ nodes }: ModelProfile) =>
  ([a]: readonly string[], [b]: readonly string[]) =>
    nodes.findIndex(({ name }) => name === a) - nodes.findIndex(({ name }) => name === b);

function events(lines: readonly string[]) {
  return JSON.parse(lines.join('\n')) as { cat: string; name: string; dur: number; args: Record<string, unknown> }[];
}

/** Microseconds of all nodes from a run on, as JSON.parse and a loop see it. */
function totalOfEvents(lines: readonly string[], fromRun: number): number {
  let run = 0;
  let total = 0;
  for (const { cat, name, dur } of events(lines)) {
    if (cat === 'Node' && run >= fromRun) total += dur;
    if (name === 'model_run') run += 1;
  }
  return total;
}

const totalOfNodes = ({ nodes }: ModelProfile) =>
  nodes.reduce((sum, { samplesUs }) => sum + samplesUs.reduce((all, us) => all + us, 0), 0);

const largestLoopEvent = (lines: readonly string[]) =>
  Math.max(...events(lines).flatMap(({ args, dur }) => (args?.op_name === 'Loop' ? [dur] : [])));

function loopModel(): Model {
  const body = makeGraph({
    nodes: [
      makeNode({ opType: 'Identity', inputs: ['go'], outputs: ['goes'], name: 'condition' }),
      makeNode({ opType: 'MatMul', inputs: ['state', 'x'], outputs: ['next'], name: 'inner' }),
    ],
    inputs: [valueInfo('i', 'int64', []), valueInfo('go', 'bool', []), valueInfo('state', 'float32', [64, 64])],
    outputs: [valueInfo('goes', 'bool', []), valueInfo('next', 'float32', [64, 64])],
  });
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({
          opType: 'Loop',
          inputs: ['trips', '', 'x'],
          outputs: ['y'],
          name: 'loop',
          attributes: { body: { type: 'graph', value: body } },
        }),
      ],
      inputs: [valueInfo('x', 'float32', [64, 64])],
      outputs: [valueInfo('y', 'float32', [64, 64])],
      initializers: [tensorFromInts('trips', [], [5])],
    }),
  });
}

describe('traces that are not whole', () => {
  let whole: RealTrace;
  beforeAll(async () => {
    whole = await realTrace(lopsided, lopsidedFeeds, { runs: 4 });
  });

  test('one that was cut off counts the runs that have an end, and says what is missing', () => {
    const ends = whole.lines.flatMap((line, index) => (line.includes('"model_run"') ? [index] : []));
    const cut = [
      ...whole.lines.slice(0, ends[2]! + 2),
      '{"cat" : "Node","pid" :1,"tid" :1,"dur" :7,"ts" :9,"ph" : "X","na',
    ];
    const profile = profiled(lopsided, lopsidedFeeds, cut);
    expect(profile).toMatchObject({ runs: 2, unreadableLines: 1, lostEvents: 1 });
    expect(nodeOf(profile, 'big')!.samplesUs).toHaveLength(2);
  });

  test('an empty one, or one that stops before the first run, is a profile without nodes', () => {
    for (const lines of [[], ['['], whole.lines.slice(0, 3)])
      expect(profiled(lopsided, lopsidedFeeds, lines)).toMatchObject({ nodes: [], runs: 0 });
  });

  test('no line makes the reader throw, whatever is changed in it', () => {
    const lines = fc.oneof(
      fc.string(),
      fc.json(),
      fc.tuple(fc.constantFrom(...whole.lines), fc.nat(), fc.string()).map(([line, at, text]) => {
        const position = at % (line.length + 1);
        return line.slice(0, position) + text + line.slice(position);
      }),
      fc
        .record({
          cat: fc.constantFrom('Node', 'Api', 'Session'),
          name: fc.string(),
          ts: fc.anything(),
          dur: fc.anything(),
          args: fc.anything(),
        })
        .map((event) => `${JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? String(value) : value))},`),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(lines, fc.constantFrom(...whole.lines)), { maxLength: 30 }), (mixed) => {
        const profile = profiled(lopsided, lopsidedFeeds, mixed, 0);
        for (const { samplesUs } of profile.nodes) expect(samplesUs.every((us) => us >= 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('GPU programs', () => {
  const node = (name: string, op: string, provider: string, ts: number, dur: number) =>
    JSON.stringify({
      cat: 'Node',
      ts,
      dur,
      name: `${name}_kernel_time`,
      args: { op_name: op, provider, node_index: '1' },
    });
  const program = (name: string, op: string, dur: number) =>
    JSON.stringify({ cat: 'Api', ts: 0, dur, name: `${name}&${op}&Program` });
  const run = (ts: number, dur: number) => JSON.stringify({ cat: 'Session', ts, dur, name: 'model_run' });
  const gpu = 'WebGpuExecutionProvider';

  test('are split among runs, those that run once go to the first, and copies are not charged with the wait', () => {
    const reader = new TraceReader();
    for (const start of [0, 1000]) {
      reader.take(node('a', 'Conv', gpu, start, 10));
      reader.take(node('b', 'MatMul', gpu, start + 10, 20));
      reader.take(node('Memcpy', 'MemcpyToHost', gpu, start + 30, 600));
      reader.take(node('c', 'QuantizeLinear', 'CPUExecutionProvider', start + 630, 5));
      reader.take(run(start, 700));
    }
    for (const dur of [50, 300, 310]) reader.take(program('a', 'Conv', dur));
    for (const dur of [100, 110]) reader.take(program('b', 'MatMul', dur));
    const { nodes } = reader.finish();
    expect(nodes.map(({ name, gpuUs, hostUs, ownUs }) => ({ name, gpuUs, hostUs, ownUs }))).toEqual([
      { name: 'a', gpuUs: [350, 310], hostUs: [10, 10], ownUs: [10, 10] },
      { name: 'b', gpuUs: [100, 110], hostUs: [20, 20], ownUs: [20, 20] },
      { name: 'Memcpy', gpuUs: null, hostUs: [600, 600], ownUs: [150, 180] },
      { name: 'c', gpuUs: null, hostUs: [5, 5], ownUs: [5, 5] },
    ]);
  });

  test('node names may hold the separator', () => {
    expect(readTraceLine(program('x&y', 'Conv', 3))).toMatchObject({ kind: 'gpu', node: 'x&y', opType: 'Conv' });
  });
});
