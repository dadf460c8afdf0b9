/**
 * Profiles variants on one target. Each has two sessions: one as it runs in earnest, and one whose nodes the runtime
 * times. All take turns, so that what profiling costs, and what differs between variants, is not the machine's drift.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { type ErrorRecord, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Feeds } from '../eval/types.ts';
import type { ModelProfile } from '../profile/types.ts';
import type { Recipe } from '../recipe/schema.ts';
import { summarizeLatency } from './latency.ts';
import type { BuiltVariant, InferPort, OpenedSession, StudyHost } from './ports.ts';
import type { Latency } from './results.ts';
import { orCancelled, rethrowIfCancelled, targetLabel } from './run.ts';
import type { RunPlan, Target } from './schema.ts';
import { warmUp } from './warm-up.ts';

/** deployed: as the recipe's runtime settings say. disabled: the runtime leaves the graph as it is in the file. */
export type ProfileLevel = 'deployed' | 'disabled';

export interface ProfileRunRequest<Handle> {
  readonly host: Pick<StudyHost<Handle>, 'build' | 'openInfer' | 'task' | 'wallClock'>;
  /** Usually the original and one variant. */
  readonly recipes: readonly Recipe[];
  readonly target: Target;
  readonly level: ProfileLevel;
  readonly plan: RunPlan;
  readonly job: JobContext;
}

export interface VariantProfile {
  readonly engine: OpenedSession['engine'];
  readonly threads: number;
  /** The level that the session was created with. */
  readonly graphOptimizationLevel: string;
  /** Not profiled: inputs copied in, run, outputs read back. */
  readonly latency: Latency;
  readonly profile: ModelProfile;
}

export interface ProfileOutcome {
  readonly value: VariantProfile | null;
  readonly error: ErrorRecord | null;
}

export interface ProfileRun {
  readonly target: Target;
  readonly level: ProfileLevel;
  /** ISO 8601. */
  readonly measuredAt: string;
  /** One for each recipe. */
  readonly outcomes: readonly ProfileOutcome[];
}

/** onnxruntime keeps a million events and drops those beyond. */
const MOST_EVENTS = 900_000;
/** All sessions are open at once, so that they can take turns; beyond this sum of files they are not. */
const INTERLEAVE_LIMIT_BYTES = 1_500_000_000;

interface Lane<Handle> {
  readonly recipe: Recipe;
  readonly built: BuiltVariant<Handle> | null;
  latencyMs: readonly number[];
  opened: OpenedSession | null;
  profile: ModelProfile | null;
  error: ErrorRecord | null;
}

/** One session of a lane. */
interface Place<Handle> {
  readonly lane: Lane<Handle>;
  readonly profiled: boolean;
  port: InferPort<Handle> | null;
  warmupRuns: number;
  readonly samplesMs: number[];
  totalMs: number;
}

/** @throws StudioError job/cancelled; errors of the task's data. What one variant fails at is in its outcome. */
export async function runProfile<Handle>(request: ProfileRunRequest<Handle>): Promise<ProfileRun> {
  const { host, target, level, job } = request;
  const measuredAt = host.wallClock();
  const lanes: Lane<Handle>[] = [];
  for (const recipe of request.recipes) lanes.push(await build(request, recipe));
  job.onProgress({ stage: 'loading the task', done: 0, total: null, unit: 'samples' });
  const { latencyFeeds } = (await orCancelled(job, host.task(job))).summary;
  const places = lanes.flatMap((lane) => [newPlace(lane, false), newPlace(lane, true)]);
  const bytes = places.reduce((sum, { lane }) => sum + (lane.built?.facts.fileBytes ?? 0), 0);
  const interleaved = bytes <= INTERLEAVE_LIMIT_BYTES;
  for (const group of interleaved ? [places] : places.map((place) => [place])) {
    try {
      await runGroup(request, group, latencyFeeds);
    } finally {
      for (const { port } of group) port?.dispose();
    }
  }
  throwIfCancelled(job.signal);
  return { target, level, measuredAt, outcomes: lanes.map((lane) => outcomeOf(request, lane, interleaved)) };
}

async function build<Handle>({ host, job }: ProfileRunRequest<Handle>, recipe: Recipe): Promise<Lane<Handle>> {
  const lane = { recipe, built: null, latencyMs: [], opened: null, profile: null, error: null };
  try {
    return { ...lane, built: await orCancelled(job, host.build(recipe, stageOf(job, recipe.name))) };
  } catch (error) {
    rethrowIfCancelled(error);
    return { ...lane, error: toErrorRecord(error) };
  }
}

function newPlace<Handle>(lane: Lane<Handle>, profiled: boolean): Place<Handle> {
  return { lane, profiled, port: null, warmupRuns: 0, samplesMs: [], totalMs: 0 };
}

function outcomeOf<Handle>(
  request: ProfileRunRequest<Handle>,
  lane: Lane<Handle>,
  interleaved: boolean,
): ProfileOutcome {
  const { opened, profile, latencyMs, error } = lane;
  if (error || !opened || !profile) return { value: null, error };
  const { graphOptimizationLevel } = settingsOf(request, lane.recipe);
  const latency = summarizeLatency(latencyMs, interleaved);
  const { engine, threads } = opened;
  return { value: { engine, threads, graphOptimizationLevel, latency, profile }, error: null };
}

/** Opens the sessions and runs them in turns. A failure becomes the lane's error. */
async function runGroup<Handle>(
  request: ProfileRunRequest<Handle>,
  group: readonly Place<Handle>[],
  feeds: Feeds,
): Promise<void> {
  const { job, plan, target } = request;
  for (const place of group) {
    await attempt(place.lane, async () => {
      await open(request, place);
      const stage = `${place.lane.recipe.name} on ${targetLabel(target)}: warming up`;
      place.warmupRuns = await warmUp(place.port!, feeds, { job, plan, stage });
    });
  }
  for (let round = 0; round < plan.latencyRuns; round += 1) {
    job.onProgress({ stage: `${targetLabel(target)}: running`, done: round, total: plan.latencyRuns, unit: 'runs' });
    const waiting = group.filter((place) => !place.lane.error && !isDone(place, plan));
    for (const place of waiting) {
      await attempt(place.lane, async () => {
        const [ms] = await orCancelled(job, place.port!.time(feeds, 1));
        place.samplesMs.push(ms!);
        place.totalMs += ms!;
      });
    }
    if (waiting.length === 0) break;
  }
  for (const place of group) {
    if (!place.profiled) place.lane.latencyMs = place.samplesMs;
    else await attempt(place.lane, () => finish(request, place, feeds));
  }
}

function isDone<Handle>({ lane, profiled, samplesMs, totalMs, warmupRuns }: Place<Handle>, plan: RunPlan): boolean {
  if (samplesMs.length === 0) return false;
  const events = (warmupRuns + samplesMs.length + 1) * (lane.built?.facts.nodes ?? 0);
  return (profiled && events > MOST_EVENTS) || (totalMs > plan.latencyBudgetMs && samplesMs.length >= 3);
}

async function open<Handle>(request: ProfileRunRequest<Handle>, place: Place<Handle>): Promise<void> {
  const { host, target, job } = request;
  const { lane, profiled } = place;
  throwIfCancelled(job.signal);
  const opening = host.openInfer(target);
  // One that is ready only after the job was cancelled is nobody's.
  opening.then((port) => job.signal.aborted && port.dispose()).catch(() => {});
  place.port = await orCancelled(job, opening);
  const settings = settingsOf(request, lane.recipe);
  const options = { target, settings, inspect: false, profile: profiled };
  lane.opened = await orCancelled(job, place.port.open(lane.built!.files, options, stageOf(job, lane.recipe.name)));
}

function settingsOf<Handle>({ level }: ProfileRunRequest<Handle>, { runtime }: Recipe): Recipe['runtime'] {
  return level === 'disabled' ? { ...runtime, graphOptimizationLevel: 'disabled' } : runtime;
}

async function finish<Handle>(
  { job }: ProfileRunRequest<Handle>,
  { lane, port, warmupRuns }: Place<Handle>,
  feeds: Feeds,
): Promise<void> {
  const inputShapes = Object.fromEntries([...feeds].map(([name, { dims }]) => [name, [...dims]]));
  const named = stageOf(job, lane.recipe.name);
  lane.profile = await orCancelled(job, port!.profile({ inputShapes, warmupRuns }, named));
}

async function attempt<Handle>(lane: Lane<Handle>, action: () => Promise<void>): Promise<void> {
  if (lane.error) return;
  try {
    await action();
  } catch (error) {
    rethrowIfCancelled(error);
    lane.error = toErrorRecord(error);
  }
}

function stageOf(job: JobContext, name: string): JobContext {
  return { ...job, onProgress: (progress) => job.onProgress({ ...progress, stage: `${name}: ${progress.stage}` }) };
}
