/** Turns a runtime's trace into a profile of the model: medians and spreads by node, traced back to the file's nodes. */
import { modelCost } from '../analysis/cost.ts';
import { opFamily } from '../analysis/op-families.ts';
import { type Spread, spreadOf } from '../base/percentile.ts';
import type { Model, Node } from '../ir/types.ts';
import { inferShapes } from '../shape/infer.ts';
import { type MappedNode, mapNodes } from './map-nodes.ts';
import { workOfMapped } from './node-work.ts';
import type { ModelProfile, ProfileNode, RuntimeTrace, TraceNode } from './types.ts';

export interface ProfileRequest {
  readonly trace: RuntimeTrace;
  /** The very model that ran. */
  readonly model: Model;
  /** Shapes of the inputs that it ran with, by name. */
  readonly inputShapes: Readonly<Record<string, readonly number[]>>;
  /** Runs at the beginning that are not counted. */
  readonly warmupRuns: number;
}

const CPU = /^CPU/;

/** Never throws on what a trace holds: a trace without runs gives a profile without nodes. */
export function profileOf({ trace, model, inputShapes, warmupRuns }: ProfileRequest): ModelProfile {
  const runs = Math.max(0, trace.runsUs.length - warmupRuns);
  const measured = <T>(times: readonly T[]) => times.slice(trace.runsUs.length - runs);
  const { mapped, absorbed, untraced } = mapNodes(trace, model);
  const costs = new Map(
    modelCost(model, inferShapes(model, { inputShapes })).nodes.map((cost) => [cost.node, cost] as const),
  );
  const ids = new Map<string, number>();
  const timed = mapped.map((node) => {
    const { trace: run } = node;
    const samplesUs = measured(run.gpuUs ?? run.ownUs);
    return { node, samplesUs, spread: spreadOf(samplesUs), dispatchUs: dispatchOf(run, measured) };
  });
  const sumOfMedians = timed.reduce((sum, { spread }) => sum + (spread.median || 0), 0);
  const nodes = timed.map(
    ({ node, samplesUs, spread, dispatchUs }): ProfileNode => ({
      ...describe(node, ids),
      ...workOfMapped(node, (file: Node) => costs.get(file)),
      samplesUs,
      ...microseconds(spread),
      share: sumOfMedians > 0 ? spread.median / sumOfMedians : 0,
      dispatchUs,
    }),
  );
  const onGpu = trace.nodes.some((node) => !CPU.test(node.provider));
  return {
    nodes,
    runs,
    runUs: spreadOf(measured(trace.runsUs)),
    sumUs: spreadOf(
      sumsOverNodes(
        timed.map(({ samplesUs }) => samplesUs),
        runs,
      ),
    ).median,
    dispatchUs: onGpu ? dispatchSum(trace, measured, runs) : null,
    hasGpuTimes: !onGpu || trace.nodes.some(({ gpuUs }) => gpuUs !== null),
    notRun: { absorbed, untraced },
    unreadableLines: trace.unreadableLines,
    lostEvents: trace.lostEvents,
  };
}

type Measured = <T>(times: readonly T[]) => T[];

function describe({ trace, origin, nodes }: MappedNode, ids: Map<string, number>) {
  const seen = (ids.get(trace.name) ?? 0) + 1;
  ids.set(trace.name, seen);
  return {
    id: seen === 1 ? trace.name : `${trace.name} (${seen})`,
    name: trace.name,
    opType: trace.opType,
    family: opFamily(trace.opType),
    provider: trace.provider,
    origin,
    fileNodes: nodes.map(fileNodeName),
    fileValues: nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '')),
    calls: trace.calls,
    onGpu: trace.gpuUs !== null,
    outputs: trace.outputs,
  };
}

/** Nodes without a name are called by their first output, which is unique. */
export function fileNodeName({ name, outputs }: Pick<Node, 'name' | 'outputs'>): string {
  return name === '' ? (outputs.find((output) => output !== '') ?? '') : name;
}

const microseconds = ({ median, p5, p95 }: Spread) => ({ medianUs: median, p5Us: p5, p95Us: p95 });

/** Copies wait for the device and CPU nodes compute: neither is handing over. */
function dispatchOf(run: TraceNode, measured: Measured): number | null {
  return isDispatch(run) ? spreadOf(measured(run.hostUs)).median : null;
}

const isDispatch = ({ provider, opType }: TraceNode) => !CPU.test(provider) && !opType.startsWith('Memcpy');

function dispatchSum(trace: RuntimeTrace, measured: Measured, runs: number): number {
  const handed = trace.nodes.filter(isDispatch).map(({ hostUs }) => measured(hostUs));
  return spreadOf(sumsOverNodes(handed, runs)).median;
}

function sumsOverNodes(times: readonly (readonly number[])[], runs: number): number[] {
  const sums = new Array<number>(runs).fill(0);
  for (const samples of times) for (const [run, us] of samples.entries()) sums[run]! += us;
  return sums;
}
