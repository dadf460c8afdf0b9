/** Measures all variants on one target. */
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { classOutputs } from '../eval/agreement.ts';
import { agreementMetrics, collectOutputs } from '../eval/tasks/agreement-task.ts';
import type { Evaluation, Feeds } from '../eval/types.ts';
import type { Recipe } from '../recipe/schema.ts';
import { summarizeLatency } from './latency.ts';
import { comparePlaces } from './parity.ts';
import type { BuiltVariant, InferPort, OpenedSession, PreparedTask } from './ports.ts';
import type { Parity, TargetMeasurement } from './results.ts';
import { type OriginalOutputs, orCancelled, rethrowIfCancelled, type StudyRun, targetLabel } from './run.ts';
import type { Target } from './schema.ts';

/** Sessions of all variants are open at once, so that they can take turns; beyond this sum of files they are not. */
const INTERLEAVE_LIMIT_BYTES = 1_500_000_000;

export interface Contestant<Handle> {
  /** Position among the study's variants; 0 is the baseline. */
  readonly index: number;
  readonly recipe: Recipe;
  readonly variant: BuiltVariant<Handle>;
}

interface TargetRequest<Handle> {
  readonly run: StudyRun<Handle>;
  readonly target: Target;
  readonly contestants: readonly Contestant<Handle>[];
  readonly task: PreparedTask;
  readonly originals: OriginalOutputs;
}

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
    await timeLanes(request, lanes);
    for (const lane of lanes) {
      const measurement = await finishLane(request, lane, interleaved && lanes.length > 1);
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
    const port = await orCancelled(job, run.request.host.openInfer(target));
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
  interleaved: boolean,
): Promise<TargetMeasurement> {
  const { run, task } = request;
  const job = laneJob(request, lane.contestant);
  const base = laneMeasurement(request, lane);
  const latency = lane.samplesMs.length > 0 ? summarizeLatency(lane.samplesMs, interleaved) : null;
  try {
    const memory = await orCancelled(job, lane.port.memory());
    run.setMeasurement(lane.contestant.index, { ...base, latency, memory });
    const parity = await checkParity(request, lane);
    const source = request.originals.source ?? task.source;
    const evaluation: Evaluation = await orCancelled(job, lane.port.evaluate(source, job, sampleLimit(request)));
    return { ...base, latency, memory, parity, evaluation: evaluation as TargetMeasurement['evaluation'] };
  } catch (error) {
    rethrowIfCancelled(error);
    return { ...base, latency, error: toErrorRecord(error) };
  }
}

/** Runs the same file on WASM with the same input and compares. WASM itself needs no check. */
async function checkParity<Handle>(request: TargetRequest<Handle>, lane: Lane<Handle>): Promise<Parity | null> {
  const { run, target, task } = request;
  if (target.provider === 'wasm' || target.provider === 'cpu') return null;
  const job = laneJob(request, lane.contestant);
  job.onProgress({ stage: 'checking against WASM', done: 0, total: 1, unit: 'runs' });
  const reference: Target = { provider: 'wasm', threads: 0 };
  let port: InferPort<Handle> | undefined;
  try {
    port = await orCancelled(job, run.request.host.openInfer(reference));
    const settings = lane.contestant.recipe.runtime;
    await orCancelled(
      job,
      port.open(lane.contestant.variant.files, { target: reference, settings, inspect: false }, job),
    );
    const { outputs } = await orCancelled(job, port.run(task.summary.latencyFeeds));
    return comparePlaces('WASM', [{ got: lane.firstOutputs, expected: outputs }]);
  } catch (error) {
    // A variant that WASM cannot run has nothing to be compared with; the target's own figures stand.
    rethrowIfCancelled(error);
    return null;
  } finally {
    port?.dispose();
  }
}

/** Runs the original once over the task's inputs, on WASM (or the first target of a host that has none). */
async function collectReferences<Handle>(request: TargetRequest<Handle>): Promise<void> {
  const { run, contestants, task, originals } = request;
  const baseline = contestants.find(({ index }) => index === 0);
  if (task.source.kind !== 'agreement' || !baseline) return;
  const job = laneJob(request, baseline);
  const target: Target = request.target.provider === 'cpu' ? request.target : { provider: 'wasm', threads: 0 };
  const port = await orCancelled(job, run.request.host.openInfer(target));
  try {
    const settings = baseline.recipe.runtime;
    await orCancelled(job, port.open(baseline.variant.files, { target, settings, inspect: false }, job));
    const runner = { run: async (feeds: Feeds) => (await orCancelled(job, port.run(feeds))).outputs };
    const references = await collectOutputs(runner, task.source.feeds, job);
    const classes = classOutputs(references);
    originals.source = { ...task.source, references, classOutputs: classes };
    run.setTask({ ...task, summary: { ...task.summary, metrics: agreementMetrics(classes) } });
  } catch (error) {
    // Without the original's outputs nothing can be compared; each card says so when its evaluation fails.
    rethrowIfCancelled(error);
  } finally {
    port.dispose();
  }
}

function sampleLimit<Handle>(request: TargetRequest<Handle>): number | undefined {
  const { task } = request.run.request.study;
  return task.kind === 'sample-task' ? task.limit : undefined;
}

function laneJob<Handle>(request: TargetRequest<Handle>, contestant: Contestant<Handle>): JobContext {
  const { job } = request.run.request;
  const prefix = `${contestant.recipe.name} on ${targetLabel(request.target)}`;
  return { ...job, onProgress: (progress) => job.onProgress({ ...progress, stage: `${prefix}: ${progress.stage}` }) };
}

function measurementKey<Handle>(request: TargetRequest<Handle>, { variant, recipe }: Contestant<Handle>): string {
  const { host, study } = request.run.request;
  return canonicalHash({
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
