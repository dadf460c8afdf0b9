/**
 * Times many files of one model in turns, each in a place of its own, with as many open at once as memory allows. Where
 * that is not all of them they form groups, and the original runs in each, so that every file has it beside itself.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import { type ErrorRecord, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Feeds } from '../eval/types.ts';
import type { RuntimeSettings } from '../recipe/schema.ts';
import { summarizeLatency } from './latency.ts';
import type { BuiltVariant, InferPort, OpenedSession, StudyHost } from './ports.ts';
import type { Latency } from './results.ts';
import { orCancelled, rethrowIfCancelled, targetLabel } from './run.ts';
import type { RunPlan, Target } from './schema.ts';
import { warmUp } from './warm-up.ts';

/** A place is a worker with a heap and threads of its own: more of them at once than this would crowd each other. */
export const MOST_PLACES = 10;
/** Sum of the files that are open at once; a group of two may be larger. */
const OPEN_LIMIT_BYTES = 1_500_000_000;

export interface TurnsRequest<Handle> {
  readonly host: Pick<StudyHost<Handle>, 'openInfer' | 'wallClock'>;
  readonly target: Target;
  readonly settings: RuntimeSettings;
  readonly plan: RunPlan;
  readonly feeds: Feeds;
  readonly job: JobContext;
}

export interface Contender<Handle> {
  readonly name: string;
  readonly built: BuiltVariant<Handle>;
}

export interface TurnsOutcome {
  readonly opened: OpenedSession | null;
  readonly latency: Latency | null;
  /** The original in the same turns. */
  readonly original: Latency | null;
  readonly error: ErrorRecord | null;
}

interface Lane<Handle> {
  readonly contender: Contender<Handle>;
  port: InferPort<Handle> | null;
  opened: OpenedSession | null;
  readonly samplesMs: number[];
  spentMs: number;
  error: ErrorRecord | null;
}

/**
 * @param contenders the original first
 * @returns one outcome each: a failure is its error and does not stop the others; and how many groups there were
 * @throws StudioError job/cancelled
 */
export async function timeInTurns<Handle>(
  request: TurnsRequest<Handle>,
  [original, ...others]: readonly [Contender<Handle>, ...Contender<Handle>[]],
): Promise<{ outcomes: TurnsOutcome[]; groups: number }> {
  const groups = groupsOf(original, others);
  const outcomes: TurnsOutcome[] = [];
  for (const [index, group] of groups.entries()) {
    const stage = `${targetLabel(request.target)}${groups.length > 1 ? `, part ${index + 1} of ${groups.length}` : ''}`;
    const [anchor, ...lanes] = await timeGroup(request, [original, ...group], stage);
    const originalLatency = anchor!.latency;
    // The first group speaks for the original.
    if (index === 0) outcomes.push({ ...anchor!, original: originalLatency });
    outcomes.push(...lanes.map((lane) => ({ ...lane, original: originalLatency })));
  }
  return { outcomes, groups: groups.length };
}

function groupsOf<Handle>(
  original: Contender<Handle>,
  others: readonly Contender<Handle>[],
): readonly (readonly Contender<Handle>[])[] {
  const groups: Contender<Handle>[][] = [[]];
  const anchorBytes = original.built.facts.fileBytes;
  let bytes = anchorBytes;
  for (const contender of others) {
    const own = contender.built.facts.fileBytes;
    const isFull = groups.at(-1)!.length + 1 >= MOST_PLACES || bytes + own > OPEN_LIMIT_BYTES;
    if (isFull && groups.at(-1)!.length > 0) {
      groups.push([]);
      bytes = anchorBytes;
    }
    groups.at(-1)!.push(contender);
    bytes += own;
  }
  return groups;
}

async function timeGroup<Handle>(
  request: TurnsRequest<Handle>,
  group: readonly Contender<Handle>[],
  stage: string,
): Promise<Omit<TurnsOutcome, 'original'>[]> {
  const { host, job, plan, feeds } = request;
  const lanes = group.map(
    (contender): Lane<Handle> => ({ contender, port: null, opened: null, samplesMs: [], spentMs: 0, error: null }),
  );
  try {
    for (const [index, lane] of lanes.entries()) {
      job.onProgress({ stage: `${stage}: opening`, done: index, total: lanes.length, unit: 'files' });
      await attempt(lane, () => open(request, lane, stage));
    }
    const turnsBeganAt = host.wallClock();
    for (let round = 0; round < plan.latencyRuns; round += 1) {
      job.onProgress({ stage: `${stage}: timing in turns`, done: round, total: plan.latencyRuns, unit: 'runs' });
      // Three runs at least, whatever they cost: fewer say nothing about spread.
      const waiting = lanes.filter(
        ({ error, spentMs, samplesMs }) => !error && (spentMs <= plan.latencyBudgetMs || samplesMs.length < 3),
      );
      if (waiting.length === 0) break;
      for (const lane of waiting)
        await attempt(lane, async () => {
          const [ms] = await orCancelled(job, lane.port!.time(feeds, 1));
          lane.samplesMs.push(ms!);
          lane.spentMs += ms!;
        });
    }
    return lanes.map(({ opened, samplesMs, error }) => ({
      opened,
      latency: error || samplesMs.length === 0 ? null : summarizeLatency(samplesMs, lanes.length > 1, turnsBeganAt),
      error,
    }));
  } finally {
    for (const { port } of lanes) port?.dispose();
  }
}

async function open<Handle>(request: TurnsRequest<Handle>, lane: Lane<Handle>, stage: string): Promise<void> {
  const { host, target, settings, job, plan, feeds } = request;
  throwIfCancelled(job.signal);
  const opening = host.openInfer(target);
  // One that is ready only after the job was cancelled is nobody's.
  opening.then((port) => job.signal.aborted && port.dispose()).catch(() => {});
  lane.port = await orCancelled(job, opening);
  const quiet = { ...job, onProgress: () => {} };
  const { files } = lane.contender.built;
  lane.opened = await orCancelled(job, lane.port.open(files, { target, settings, inspect: false }, quiet));
  await warmUp(lane.port, feeds, { job, plan, stage: `${stage}: warming up ${lane.contender.name}` });
}

async function attempt<Handle>(lane: Lane<Handle>, action: () => Promise<void>): Promise<void> {
  if (lane.error) return;
  try {
    await action();
  } catch (error) {
    rethrowIfCancelled(error);
    lane.error = toErrorRecord(error);
    lane.port?.dispose();
    lane.port = null;
  }
}
