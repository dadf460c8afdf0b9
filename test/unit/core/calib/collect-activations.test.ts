import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../src/core/base/progress.ts';
import { calibrate } from '../../../../src/core/calib/calibrate.ts';
import { collectActivations } from '../../../../src/core/calib/collect-activations.ts';
import { RangeCache } from '../../../../src/core/calib/range-cache.ts';
import { RangeObserver } from '../../../../src/core/calib/range-observer.ts';
import { calibrationMethodIds } from '../../../../src/core/calib/types.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { bytesOf } from '../../../../src/core/ir/tensor.ts';
import type { CalibrationSource, Executor, HostTensor } from '../../../../src/core/step/define.ts';
import { createExecutor } from '../../../../src/runtime/executor.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';
import { floatTensor } from '../quant/support/models.ts';

type Feeds = ReadonlyMap<string, HostTensor>;
const target = { provider: 'cpu', threads: 1 } as const;
const native = createExecutor(async () => (await openNodeRuntime(target)).port, target);

/** y = relu(x * 2) + 10, and a branch that nobody asks for. */
const model = makeModel({
  graph: makeGraph({
    nodes: [
      makeNode({ opType: 'Mul', inputs: ['x', 'two'], outputs: ['doubled'] }),
      makeNode({ opType: 'Relu', inputs: ['doubled'], outputs: ['positive'] }),
      makeNode({ opType: 'Add', inputs: ['positive', 'ten'], outputs: ['y'] }),
      makeNode({ opType: 'Div', inputs: ['x', 'unused'], outputs: ['z'] }),
    ],
    inputs: [valueInfo('x', 'float32', ['n', 2])],
    outputs: [valueInfo('y', 'float32', ['n', 2]), valueInfo('z', 'float32', ['n', 2])],
    initializers: [floatTensor('two', [], [2]), floatTensor('ten', [], [10]), floatTensor('unused', [], [3])],
  }),
});

const feed = (...values: number[]): Feeds =>
  new Map([
    ['x', { dtype: 'float32' as const, dims: [values.length / 2, 2], data: bytesOf(Float32Array.from(values)) }],
  ]);
const source = (...feeds: Feeds[]): CalibrationSource => ({
  origin: 'calibration-split',
  async *feeds() {
    yield* feeds;
  },
});
const three = source(feed(-1, 2), feed(3, -4), feed(0.5, 1, -8, 0));
const tensors = ['x', 'doubled', 'positive', 'y'];

async function collect(executor: Executor, options: object = {}) {
  const seen: Record<string, number[][]> = Object.fromEntries(tensors.map((name) => [name, []]));
  const samples = await collectActivations({
    model,
    executor,
    source: three,
    tensors,
    observe: (name, values) => void seen[name]!.push([...values]),
    job: quietJob,
    ...options,
  });
  return { samples, seen };
}

describe('collectActivations', () => {
  const expected = {
    x: [
      [-1, 2],
      [3, -4],
      [0.5, 1, -8, 0],
    ],
    doubled: [
      [-2, 4],
      [6, -8],
      [1, 2, -16, 0],
    ],
    positive: [
      [0, 4],
      [6, 0],
      [1, 2, 0, 0],
    ],
    y: [
      [10, 14],
      [16, 10],
      [11, 12, 10, 10],
    ],
  };

  it('gives every value once a sample, whatever the budget and the executor', async () => {
    const { runEach: _, warm: __, ...single } = native;
    for (const executor of [native, single])
      for (const budgetBytes of [1, 64, 1 << 20]) {
        const { samples, seen } = await collect(executor, { budgetBytes });
        expect(samples).toBe(3);
        expect(seen).toEqual(expected);
      }
  });

  it('makes fewer sessions with a larger budget, and leaves out what the wanted values do not need', async () => {
    const sizes: number[] = [];
    const counting: Executor = {
      run: native.run,
      runEach: (bytes, feeds) => {
        sizes.push(feeds.length);
        expect(new TextDecoder('latin1').decode(bytes)).not.toContain('unused');
        return native.runEach(bytes, feeds);
      },
    };
    await collect(counting);
    expect(sizes).toEqual([3]);
    sizes.length = 0;
    await collect(counting, { budgetBytes: 1 });
    expect(sizes).toHaveLength(9);
  });

  it('stops after so many samples', async () => {
    const { samples, seen } = await collect(native, { maxSamples: 2 });
    expect(samples).toBe(2);
    expect(seen.y).toEqual(expected.y.slice(0, 2));
  });

  it('says what is wrong with the inputs', async () => {
    const empty = source();
    await expect(collect(native, { source: empty })).rejects.toMatchObject({ code: 'calib/too-few-samples' });
    const wrongName = source(new Map([['other', feed(1, 2).get('x')!]]));
    await expect(collect(native, { source: wrongName })).rejects.toMatchObject({ code: 'task/shape-mismatch' });
    const wrongShape = source(new Map([['x', { ...feed(1, 2).get('x')!, dims: [2, 1] }]]));
    await expect(collect(native, { source: wrongShape })).rejects.toMatchObject({ code: 'task/shape-mismatch' });
    const wrongType = source(new Map([['x', { dtype: 'float64' as const, dims: [0, 2], data: new Uint8Array() }]]));
    await expect(collect(native, { source: wrongType })).rejects.toMatchObject({ code: 'task/shape-mismatch' });
  });

  it('can be cancelled', async () => {
    const controller = new AbortController();
    const job = { ...quietJob, signal: controller.signal, onProgress: () => controller.abort() };
    await expect(collect(native, { job, budgetBytes: 1 })).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

describe('calibrate', () => {
  const settings = { method: 'min-max', grid: { symmetric: false, steps: 255 }, percentile: 99.999 } as const;

  it('finds the ranges', async () => {
    const { bounds, samples } = await calibrate({
      model,
      executor: native,
      source: three,
      tensors,
      job: quietJob,
      settings,
    });
    expect(samples).toBe(3);
    expect(Object.fromEntries(bounds)).toEqual({
      x: { min: -8, max: 3 },
      doubled: { min: -16, max: 6 },
      positive: { min: 0, max: 6 },
      y: { min: 10, max: 16 },
    });
  });

  it('takes a second look for histograms, and names the value that is not finite', async () => {
    const request = { model, executor: native, tensors, job: quietJob };
    const histogram = await calibrate({ ...request, source: three, settings: { ...settings, method: 'percentile' } });
    expect(histogram.bounds.get('positive')).toEqual({ min: 0, max: 6 });
    const infinite = source(feed(1, 2), feed(3e38, 1));
    await expect(calibrate({ ...request, source: infinite, settings })).rejects.toMatchObject({
      code: 'calib/not-finite',
      data: { tensor: 'doubled', sample: 2 },
    });
  });

  it('does not run the samples again for another method, and only new values for a longer list', async () => {
    const cache = new RangeCache();
    let runs = 0;
    const counting: Executor = {
      ...native,
      runEach(bytes, feeds) {
        runs += feeds.length;
        return native.runEach!(bytes, feeds);
      },
    };
    const request = { model, executor: counting, source: three, job: quietJob, cache };
    const first = await calibrate({ ...request, tensors: ['doubled'], settings: { ...settings, method: 'mse' } });
    expect([first.looks, runs]).toEqual([2, 6]);
    const symmetric = { symmetric: true, steps: 254 };
    for (const method of calibrationMethodIds) {
      const again = await calibrate({
        ...request,
        tensors: ['doubled'],
        settings: { ...settings, method, grid: symmetric },
      });
      const alone = await calibrate({
        ...request,
        cache: new RangeCache(),
        tensors: ['doubled'],
        settings: { ...settings, method, grid: symmetric },
      });
      expect([again.looks, again.samples]).toEqual([0, 3]);
      expect(again.bounds).toEqual(alone.bounds);
    }
    runs = 0;
    const more = await calibrate({ ...request, tensors, settings });
    expect([more.looks, runs]).toEqual([1, 3]);
    // Other samples, or other weights, are another collection.
    const other = await calibrate({ ...request, source: source(feed(1, 2)), tensors, settings });
    expect(other.looks).toBe(1);
    const changed = { ...model, graph: { ...model.graph, initializers: new Map(model.graph.initializers) } };
    changed.graph.initializers.set('two', floatTensor('two', [], [3]));
    expect((await calibrate({ ...request, model: changed, tensors, settings })).looks).toBe(1);
  });

  it('draws the same picture whatever the order of the samples', async () => {
    const values = [Float32Array.of(0.01, -0.5, 0, 3), Float32Array.of(-120, 7, 7.5), Float32Array.of(0.25)];
    const pictures = [values, values.toReversed()].map((order) => {
      const observer = new RangeObserver('t');
      for (const sample of order) observer.observe(sample);
      return observer.picture(64);
    });
    expect(pictures[0]).toEqual(pictures[1]);
    const { min, max, counts, total } = pictures[0]!;
    expect(counts.length).toBeLessThanOrEqual(64);
    expect(total).toBe(7);
    expect(min).toBeLessThanOrEqual(-120);
    expect(max).toBeGreaterThan(7.5);
    const width = (max - min) / counts.length;
    expect(counts[Math.floor((-120 - min) / width)]).toBe(1);
    expect(counts[Math.floor((7 - min) / width)]).toBeGreaterThanOrEqual(2);
  });
});
