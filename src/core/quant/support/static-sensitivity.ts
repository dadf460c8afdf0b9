/**
 * Leaves in floating point what quantization hurts most, until the outputs stay close enough. Every planned node is
 * measured alone (signal-to-quantization-noise ratio of its output on calibration samples); nodes are left from the worst
 * upwards, as few as the outputs of the whole model need, found by bisection with the model really quantized and run.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Bounds } from '../../calib/types.ts';
import { elementCount, floatsOf } from '../../ir/tensor.ts';
import type { Model } from '../../ir/types.ts';
import { modelToBytes } from '../../onnx/write.ts';
import type { ShapeTable } from '../../shape/types.ts';
import type { HostTensor, StepContext } from '../../step/define.ts';
import { localErrorModel } from './local-error.ts';
import { nodeLabel } from './patterns.ts';
import type { QdqSettings } from './qdq-rewrite.ts';
import { someOf } from './report.ts';
import { quantizedCopy } from './static-build.ts';
import type { StaticParams } from './static-params.ts';

type Feeds = ReadonlyMap<string, HostTensor>;

const MOST_SAMPLES = 16;
const FEWEST_SAMPLES = 2;
/** Outputs of the floating-point model that are kept to compare with. */
const BUDGET_BYTES = 8 << 20;

export interface SensitivityRequest {
  readonly ctx: StepContext;
  readonly settings: StaticParams;
  readonly qdq: QdqSettings;
  readonly shapes: ShapeTable;
  /** Of every value of the whole plan. */
  readonly bounds: ReadonlyMap<string, Bounds>;
}

interface Candidate {
  readonly index: number;
  /** Of its output, alone, in dB. */
  readonly sqnr: number;
  /** Of its output where only what it reads is rounded, in dB. */
  readonly inputSqnr: number;
}

/** @returns positions in `ctx.model.graph.nodes` of the nodes to leave */
export async function chooseLeft(request: SensitivityRequest): Promise<ReadonlySet<number>> {
  const { ctx, settings } = request;
  const goal = settings.minOutputSqnr;
  const samples = await someSamples(ctx);
  const references = await run(ctx, ctx.model, samples);
  const progress = (done: number) =>
    ctx.onProgress({ stage: 'measuring sensitivity', done, total: null, unit: 'runs' });
  let measured = 0;
  const outputSqnr = async (left: ReadonlySet<number>): Promise<number> => {
    throwIfCancelled(ctx.signal);
    progress(measured++);
    const { model } = await quantizedCopy(ctx, { ...request, left }, request.qdq, request.bounds);
    return worstSqnr(references, await run(ctx, model, samples));
  };
  const before = await outputSqnr(new Set());
  if (before >= goal) {
    ctx.leave({ sensitivity: { goal, before: decibels(before), after: decibels(before), samples: references.length } });
    return new Set();
  }
  const candidates = await measureAlone(request, samples);
  const leave = (count: number) => new Set(candidates.slice(0, count).map(({ index }) => index));
  let [failing, passing] = [0, candidates.length];
  let after = Number.POSITIVE_INFINITY;
  while (passing - failing > 1) {
    const middle = (passing + failing) >> 1;
    const sqnr = await outputSqnr(leave(middle));
    if (sqnr >= goal) [passing, after] = [middle, sqnr];
    else failing = middle;
  }
  report(ctx, candidates, passing, { goal, before, after, samples: references.length });
  return leave(passing);
}

/** As many as fit the budget with their outputs, which a first run shows. */
async function someSamples(ctx: StepContext): Promise<Feeds[]> {
  const samples: Feeds[] = [];
  for await (const feeds of ctx.calibration!.feeds()) {
    samples.push(feeds);
    if (samples.length === MOST_SAMPLES) break;
  }
  const [outputs] = await run(ctx, ctx.model, samples.slice(0, 1));
  let bytes = 1;
  for (const { byteLength } of outputs!.values()) bytes += byteLength;
  return samples.slice(0, Math.max(FEWEST_SAMPLES, Math.floor(BUDGET_BYTES / bytes)));
}

type Outputs = ReadonlyMap<string, Float32Array>;

/** Float outputs of each sample. */
async function run(ctx: StepContext, model: Model, samples: readonly Feeds[]): Promise<Outputs[]> {
  const executor = ctx.executor!;
  const bytes = await modelToBytes(model);
  const all = executor.runEach
    ? await executor.runEach(bytes, samples)
    : await each(samples, (one) => executor.run(bytes, one));
  return all.map((outputs) => {
    const floats = [...outputs].filter(([, { dtype, data }]) => dtype === 'float32' && data.byteLength > 0);
    return new Map(floats.map(([name, { data, dims }]) => [name, floatsOf('float32', data, elementCount(dims), name)]));
  });
}

async function each<T, R>(items: readonly T[], make: (item: T) => Promise<R>): Promise<R[]> {
  const made: R[] = [];
  for (const item of items) made.push(await make(item));
  return made;
}

/** Of the output that suffers most, over all samples, in dB. */
function worstSqnr(references: readonly Outputs[], actual: readonly Outputs[]): number {
  const sums = new Map<string, { noise: number; signal: number }>();
  for (const [sample, outputs] of references.entries())
    for (const [name, values] of outputs) {
      const sum = sums.get(name) ?? { noise: 0, signal: 0 };
      const other = actual[sample]!.get(name)!;
      for (let i = 0; i < values.length; i += 1) {
        sum.signal += values[i]! * values[i]!;
        sum.noise += (values[i]! - other[i]!) ** 2;
      }
      sums.set(name, sum);
    }
  return Math.min(...[...sums.values()].map(({ noise, signal }) => sqnrOf(noise, signal)));
}

function sqnrOf(noise: number, signal: number): number {
  if (noise === 0) return Number.POSITIVE_INFINITY;
  return Number.isNaN(noise) ? Number.NEGATIVE_INFINITY : 10 * Math.log10(signal / noise);
}

/** Worst first. */
async function measureAlone(request: SensitivityRequest, samples: readonly Feeds[]): Promise<Candidate[]> {
  const { ctx, qdq, bounds } = request;
  const copy = await quantizedCopy(ctx, request, qdq, bounds);
  const { model, nodes } = localErrorModel(ctx.model, copy);
  const sums = new Map<string, number>();
  for (const outputs of await run(ctx, model, samples))
    for (const [name, [value]] of outputs) sums.set(name, (sums.get(name) ?? 0) + value!);
  const sqnr = ({ noise, signal }: { noise: string; signal: string }) => sqnrOf(sums.get(noise)!, sums.get(signal)!);
  return [...nodes]
    .map(([index, { all, read }]) => ({ index, sqnr: sqnr(all), inputSqnr: sqnr(read) }))
    .sort((a, b) => a.sqnr - b.sqnr);
}

function report(
  ctx: StepContext,
  candidates: readonly Candidate[],
  count: number,
  { goal, before, after, samples }: { goal: number; before: number; after: number; samples: number },
): void {
  const { nodes } = ctx.model.graph;
  const rows: JsonObject[] = candidates.slice(0, Math.max(count, 100)).map(({ index, sqnr, inputSqnr }, rank) => ({
    node: nodeLabel(nodes[index]!),
    op: nodes[index]!.opType,
    sqnr: decibels(sqnr),
    inputSqnr: decibels(inputSqnr),
    left: rank < count,
  }));
  ctx.leave({ sensitivity: { goal, before: decibels(before), after: decibels(after), samples, nodes: rows } });
  // Half of the noise or more comes with what it reads: outliers stretch its range.
  const [outliers, others] = [true, false].map((wanted) =>
    candidates.slice(0, count).filter(({ sqnr, inputSqnr }) => inputSqnr < sqnr + 3 === wanted),
  ) as [Candidate[], Candidate[]];
  const list = (some: readonly Candidate[]) =>
    someOf(some.map(({ index, sqnr }) => `${nodeLabel(nodes[index]!)} (${sqnr.toFixed(1)} dB)`));
  const why = [
    ...(outliers.length > 0 ? [`${list(outliers)} because of outliers in what they read`] : []),
    ...(others.length > 0 ? [`${list(others)} because of their weights and their own output`] : []),
  ].join('; ');
  ctx.advise({
    level: count === candidates.length ? 'warning' : 'info',
    code: 'quant/sensitive-left',
    message: `${count} of ${candidates.length} nodes stay in floating point, so that the outputs keep ${goal} dB on calibration samples (${before.toFixed(1)} dB with all quantized, ${Number.isFinite(after) ? `${after.toFixed(1)} dB now` : 'nothing is left quantized'}): ${why}.`,
  });
}

/** JSON has no infinity: 200 dB is beyond float32. */
function decibels(value: number): number {
  return Math.round(Math.min(Math.max(value, -200), 200) * 100) / 100;
}
