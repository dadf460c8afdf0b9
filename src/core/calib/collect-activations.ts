/**
 * Runs a model over calibration inputs and hands the wanted values to whoever observes them. Neither all values nor all
 * samples are in memory at once: values are taken in groups, samples in batches, within a budget of bytes.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { elementCount, floatsOf } from '../ir/tensor.ts';
import type { Model, ValueInfo } from '../ir/types.ts';
import { inferShapes } from '../shape/infer.ts';
import type { CalibrationSource, Executor, HostTensor } from '../step/define.ts';
import { probeModel } from './probe-model.ts';

type Feeds = ReadonlyMap<string, HostTensor>;

export interface CollectRequest {
  /** Its nodes in topological order; left as it is. Up to 1 GB of weights. */
  readonly model: Model;
  readonly executor: Executor;
  readonly source: CalibrationSource;
  /** Values of the main graph with dtype float32: inputs, or made by nodes. */
  readonly tensors: readonly string[];
  /** Called for each tensor once a sample, samples in their order. The values are valid during the call only. */
  readonly observe: (tensor: string, values: Float32Array) => void;
  readonly job: JobContext;
  /** Only the first so many samples. */
  readonly maxSamples?: number;
  /** How many bytes of activations may be held at once; a single larger one is held all the same. */
  readonly budgetBytes?: number;
}

const DEFAULT_BUDGET_BYTES = 64 << 20;
const MAX_BATCH = 64;
/** For a value whose shape inference cannot tell. */
const ASSUMED_BYTES = 4 << 20;

/**
 * @returns how many samples there were
 * @throws StudioError calib/too-few-samples, calib/missing-value, calib/model-too-large, task/shape-mismatch,
 *   job/cancelled, runtime/*
 */
export async function collectActivations(request: CollectRequest): Promise<number> {
  const { model, tensors, source, maxSamples = Number.POSITIVE_INFINITY } = request;
  const first = await firstOf(source);
  checkFeeds(model, first);
  const inputs = new Set(model.graph.inputs.map(({ name }) => name));
  const given = tensors.filter((name) => inputs.has(name));
  const groups = groupBySize(request, first, new Set(tensors.filter((name) => !inputs.has(name))));
  // With nothing to compute, the inputs themselves are looked at all the same.
  if (groups.length === 0) groups.push({ wanted: new Set(), batch: MAX_BATCH });
  let samples = 0;
  for (const [index, { wanted, batch }] of groups.entries()) {
    const probe = wanted.size > 0 ? await probeModel(model, wanted) : undefined;
    const stage =
      groups.length > 1
        ? `running calibration samples (part ${index + 1} of ${groups.length})`
        : 'running calibration samples';
    samples = 0;
    for await (const feeds of batches(source, Math.min(maxSamples, Number.MAX_SAFE_INTEGER), batch)) {
      throwIfCancelled(request.job.signal);
      await request.job.yield();
      request.job.onProgress({ stage, done: samples, total: null, unit: 'samples' });
      for (const one of feeds) checkFeeds(model, one);
      if (index === 0) for (const one of feeds) observeAll(request, given, one);
      if (probe) for (const one of await runEach(request.executor, probe, feeds)) observeAll(request, wanted, one);
      samples += feeds.length;
    }
  }
  return samples;
}

export async function firstOf(source: CalibrationSource): Promise<Feeds> {
  for await (const feeds of source.feeds()) return feeds;
  throw new StudioError('calib/too-few-samples', { tensor: 'the inputs', count: 0, needed: 1 });
}

async function* batches(source: CalibrationSource, maxSamples: number, size: number): AsyncGenerator<Feeds[]> {
  let batch: Feeds[] = [];
  let taken = 0;
  for await (const feeds of source.feeds()) {
    if (taken >= maxSamples) break;
    taken += 1;
    batch.push(feeds);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function runEach(executor: Executor, probe: Uint8Array, feeds: readonly Feeds[]): Promise<readonly Feeds[]> {
  if (executor.runEach) return executor.runEach(probe, feeds);
  const outputs: Feeds[] = [];
  for (const one of feeds) outputs.push(await executor.run(probe, one));
  return outputs;
}

function observeAll({ observe }: CollectRequest, tensors: Iterable<string>, values: Feeds): void {
  for (const name of tensors) {
    const tensor = values.get(name);
    if (tensor?.dtype !== 'float32') throw new StudioError('calib/missing-value', { tensor: name });
    observe(name, floatsOf('float32', tensor.data, elementCount(tensor.dims), name));
  }
}

/** Every input that has no default must be there, in the declared type and rank and with the declared sizes. */
export function checkFeeds(model: Model, feeds: Feeds): void {
  const { inputs, initializers } = model.graph;
  for (const input of inputs) {
    const feed = feeds.get(input.name);
    if (!feed && initializers.has(input.name)) continue;
    const { type } = input;
    if (!feed) throw mismatch(input, 'no such input');
    if (type?.kind !== 'tensor') continue;
    const actual = `${feed.dtype}[${feed.dims.join(', ')}]`;
    if (feed.dtype !== type.dtype) throw mismatch(input, actual);
    const fits =
      type.shape === undefined ||
      (type.shape.length === feed.dims.length &&
        type.shape.every((dim, axis) => typeof dim !== 'number' || dim === feed.dims[axis]));
    if (!fits) throw mismatch(input, actual);
  }
}

function mismatch({ name, type }: ValueInfo, actual: string): StudioError {
  const expected =
    type?.kind === 'tensor'
      ? `${type.dtype}${type.shape ? `[${type.shape.map((dim) => dim ?? '?').join(', ')}]` : ''}`
      : 'a value';
  return new StudioError('task/shape-mismatch', { input: name, expected, actual });
}

interface Group {
  readonly wanted: ReadonlySet<string>;
  /** Samples a session. */
  readonly batch: number;
}

/** Groups of values of which several samples fit into the budget, so that a session is made once for many samples. */
function groupBySize(
  { model, budgetBytes = DEFAULT_BUDGET_BYTES }: CollectRequest,
  first: Feeds,
  wanted: Set<string>,
): Group[] {
  const inputShapes = Object.fromEntries([...first].map(([name, { dims }]) => [name, dims]));
  const shapes = inferShapes(model, { inputShapes });
  const bytesOf = (name: string): number => {
    const shape = shapes.get(name)?.shape;
    const isKnown = shape?.every((dim) => typeof dim === 'number');
    return isKnown ? 4 * elementCount(shape as number[]) : ASSUMED_BYTES;
  };
  const groups: { wanted: Set<string>; bytes: number }[] = [];
  for (const name of wanted) {
    const bytes = bytesOf(name);
    const last = groups.at(-1);
    // A quarter of the budget a sample: at least four samples a session.
    if (last && last.bytes + bytes <= budgetBytes / 4) {
      last.wanted.add(name);
      last.bytes += bytes;
    } else groups.push({ wanted: new Set([name]), bytes });
  }
  return groups.map((group) => ({
    wanted: group.wanted,
    batch: Math.min(MAX_BATCH, Math.max(1, Math.floor(budgetBytes / Math.max(1, group.bytes)))),
  }));
}
