/** Measures all variants on one target. */
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError, toErrorRecord } from '../base/errors/index.ts';
import type { Evaluation, Feeds } from '../eval/types.ts';
import { checkParity } from './check-parity.ts';
import { summarizeLatency } from './latency.ts';
import type { InferPort, OpenedSession } from './ports.ts';
import { collectReferences, showAgreementMetrics } from './references.ts';
import type { MemoryReading, TargetMeasurement } from './results.ts';
import { orCancelled, rethrowIfCancelled, targetLabel } from './run.ts';
import { type Contestant, laneJob, openPlace, type TargetRequest } from './target-request.ts';

/** Sessions of all variants are open at once, so that they can take turns; beyond this sum of files they are not. */
const INTERLEAVE_LIMIT_BYTES = 1_500_000_000;

/** A contestant with its open session. */
interface Lane<Handle> {
  readonly contestant: Contestant<Handle>;
  readonly port: InferPort<Handle>;
  readonly opened: OpenedSession;
  readonly firstRunMs: number;
  readonly firstOutputs: Feeds;
  readonly samplesMs: number[];
  spentMs: number;
}

export async function measureTarget<Handle>(request: TargetRequest<Handle>): Promise<void> {
  const { run, contestants, task } = request;
  const { host, ignoreCache } = run.request;
  const fresh: Contestant<Handle>[] = [];
  for (const contestant of contestants) {
    const cached = ignoreCache ? undefined : await host.cached(measurementKey(request, contestant));
    if (cached) run.setMeasurement(contestant.index, cached);
    else fresh.push(contestant);
  }
  showAgreementMetrics(request);
  if (fresh.length === 0) return;

  const total = fresh.reduce((sum, { variant }) => sum + variant.facts.fileBytes, 0);
  const groups = total <= INTERLEAVE_LIMIT_BYTES ? [fresh] : fresh.map((contestant) => [contestant]);
  const { source } = task;
  const needsReferences = source.kind === 'agreement' && source.references === null && !request.originals.source;
  if (needsReferences) await collectReferences(request);
  for (const group of groups) await measureGroup(request, group, groups.length === 1);
}

async function measureGroup<Handle>(
  request: TargetRequest<Handle>,
  group: readonly Contestant<Handle>[],
  interleaved: boolean,
): Promise<void> {
  const { run } = request;
  const { job } = run.request;
  const ports: InferPort<Handle>[] = [];
  try {
    const lanes: Lane<Handle>[] = [];
    for (const contestant of group) {
      const lane = await openLane(request, contestant, ports);
      if (lane) lanes.push(lane);
    }
    const turnsBeganAt = run.request.host.wallClock();
    await timeLanes(request, lanes);
    for (const lane of lanes) {
      const measurement = await finishLane(request, lane, {
        interleaved: interleaved && lanes.length > 1,
        turnsBeganAt,
      });
      run.setMeasurement(lane.contestant.index, measurement);
      if (!measurement.error) await run.request.host.remember(measurementKey(request, lane.contestant), measurement);
      lane.port.dispose();
    }
  } finally {
    for (const port of ports) port.dispose();
  }
  if (job.signal.aborted) throw new StudioError('job/cancelled', {});
}

/** Opens a session and makes its first run. A failure becomes the card's error and the lane is left out. */
async function openLane<Handle>(
  request: TargetRequest<Handle>,
  contestant: Contestant<Handle>,
  ports: InferPort<Handle>[],
): Promise<Lane<Handle> | null> {
  const { run, target, task } = request;
  const job = laneJob(request, contestant);
  job.onProgress({ stage: 'creating the session', done: 0, total: null, unit: 'runs' });
  try {
    const port = await openPlace(run, job, target);
    ports.push(port);
    const opened = await orCancelled(
      job,
      port.open(contestant.variant.files, { target, settings: contestant.recipe.runtime, inspect: true }, job),
    );
    job.onProgress({ stage: 'first run', done: 0, total: 1, unit: 'runs' });
    const first = await orCancelled(job, port.run(task.summary.latencyFeeds));
    return { contestant, port, opened, firstRunMs: first.ms, firstOutputs: first.outputs, samplesMs: [], spentMs: 0 };
  } catch (error) {
    rethrowIfCancelled(error);
    run.setMeasurement(contestant.index, failedMeasurement(request, error));
    return null;
  }
}

/** Warm-up, then rounds in which every variant runs once, until each has its runs or has used up its time. */
async function timeLanes<Handle>(request: TargetRequest<Handle>, lanes: Lane<Handle>[]): Promise<void> {
  const { run, target, task } = request;
  const { job, study } = run.request;
  const { warmupRuns, latencyRuns, latencyBudgetMs } = study.plan;
  const feeds = task.summary.latencyFeeds;
  const failed = new Set<Lane<Handle>>();
  for (let round = -warmupRuns; round < latencyRuns; round++) {
    job.onProgress({
      stage: `${targetLabel(target)}: ${round < 0 ? 'warming up' : 'timing in turns'}`,
      done: Math.max(0, round),
      total: latencyRuns,
      unit: 'runs',
    });
    let active = false;
    for (const lane of lanes) {
      // Three runs at least, whatever they cost: fewer say nothing about spread.
      const enough = lane.spentMs > latencyBudgetMs && (round < 0 || lane.samplesMs.length >= 3);
      if (failed.has(lane) || enough) continue;
      active = true;
      try {
        const [ms] = await orCancelled(job, lane.port.time(feeds, 1));
        if (round >= 0) lane.samplesMs.push(ms!);
        lane.spentMs += ms!;
      } catch (error) {
        rethrowIfCancelled(error);
        failed.add(lane);
        run.setMeasurement(lane.contestant.index, failedMeasurement(request, error, lane));
      }
    }
    if (!active && round >= 0) break;
  }
  for (const lane of failed) lanes.splice(lanes.indexOf(lane), 1);
}

async function finishLane<Handle>(
  request: TargetRequest<Handle>,
  lane: Lane<Handle>,
  { interleaved, turnsBeganAt }: { readonly interleaved: boolean; readonly turnsBeganAt: string },
): Promise<TargetMeasurement> {
  const { run, task } = request;
  const job = laneJob(request, lane.contestant);
  const base = laneMeasurement(request, lane);
  const latency = lane.samplesMs.length > 0 ? summarizeLatency(lane.samplesMs, interleaved, turnsBeganAt) : null;
  // What is known stays known when a later stage fails.
  let known: TargetMeasurement = { ...base, latency };
  try {
    const memory = await orCancelled(job, lane.port.memory());
    known = { ...known, memory };
    run.setMeasurement(lane.contestant.index, known);
    known = { ...known, parity: await checkParity(request, lane.contestant, lane.firstOutputs) };
    const source = request.originals.source ?? task.source;
    const evaluation: Evaluation = await orCancelled(job, lane.port.evaluate(source, job, sampleLimit(request)));
    known = { ...known, evaluation: evaluation as TargetMeasurement['evaluation'] };
    return { ...known, memory: peakOf(memory, await orCancelled(job, lane.port.memory())) };
  } catch (error) {
    rethrowIfCancelled(error);
    return { ...known, error: toErrorRecord(error) };
  }
}

/**
 * The runtime's own memory after everything ran, since larger samples grow it. A process's resident set is taken before
 * the evaluation, whose data would be counted as the model's.
 */
function peakOf(afterTiming: MemoryReading, afterAll: MemoryReading): MemoryReading {
  return { ...afterAll, processPeakBytes: afterTiming.processPeakBytes };
}

function sampleLimit<Handle>(request: TargetRequest<Handle>): number | undefined {
  const { task } = request.run.request.study;
  return task.kind === 'sample-task' ? task.limit : undefined;
}

function measurementKey<Handle>(request: TargetRequest<Handle>, { variant, recipe }: Contestant<Handle>): string {
  const { host, study } = request.run.request;
  const { source } = request.task;
  // Agreement is with what the baseline computed, so its file and settings matter too.
  const baseline = source.kind === 'agreement' && source.references === null ? study.variants[0]! : null;
  return canonicalHash({
    ...(baseline ? { baseline: { steps: baseline.steps, runtime: baseline.runtime } } : {}),
    variant: variant.facts.key,
    runtime: recipe.runtime,
    target: request.target,
    task: request.task.key,
    limit: sampleLimit(request) ?? null,
    plan: study.plan,
    engine: host.engineKey,
  });
}

function laneMeasurement<Handle>(request: TargetRequest<Handle>, lane: Lane<Handle>): TargetMeasurement {
  const { opened, firstRunMs } = lane;
  return {
    ...emptyMeasurement(request),
    engine: { ...opened.engine },
    threads: opened.threads,
    createMs: opened.createMs,
    firstRunMs,
    placement: opened.placement,
    optimizers: opened.optimizers,
  };
}

function failedMeasurement<Handle>(
  request: TargetRequest<Handle>,
  error: unknown,
  lane?: Lane<Handle>,
): TargetMeasurement {
  return { ...(lane ? laneMeasurement(request, lane) : emptyMeasurement(request)), error: toErrorRecord(error) };
}

function emptyMeasurement<Handle>(request: TargetRequest<Handle>): TargetMeasurement {
  return {
    target: request.target,
    engine: { name: '', version: '' },
    threads: 0,
    measuredAt: request.run.request.host.wallClock(),
    createMs: null,
    firstRunMs: null,
    latency: null,
    memory: null,
    placement: null,
    optimizers: null,
    parity: null,
    evaluation: null,
    verdict: null,
    error: null,
  };
}
