/**
 * What each step of a recipe bought in latency. For the n steps that changed something it builds the recipe cut off after
 * each of them (cumulated), and each step by itself (alone); equal files are measured once; then all take turns on one
 * target with the recipe's runtime settings, every file in a place of its own, like the variants of a study.
 *
 * Cumulated effects depend on the order: a step gets what the steps before it left. Effects alone do not add up to the
 * whole. Both are told.
 */
import { type ErrorRecord, StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { stepRegistry } from '../recipe/registry.ts';
import type { Recipe, RecipeStep } from '../recipe/schema.ts';
import { compareLatency, type LatencyDifference } from './latency.ts';
import type { StudyHost } from './ports.ts';
import { type BuiltPart, RecipeParts } from './recipe-parts.ts';
import type { Latency, LedgerStep } from './results.ts';
import { orCancelled } from './run.ts';
import type { RunPlan, Target } from './schema.ts';
import { type Contender, type TurnsOutcome, timeInTurns } from './take-turns.ts';

export interface StepLatencyRequest<Handle> {
  readonly host: Pick<StudyHost<Handle>, 'build' | 'openInfer' | 'task' | 'wallClock'>;
  readonly recipe: Recipe;
  readonly target: Target;
  readonly plan: RunPlan;
  readonly job: JobContext;
}

/** One file that was measured. */
export interface TimedFile {
  /** Titles of the steps that changed something in it, in the order of running; none: the original. */
  readonly steps: readonly string[];
  readonly nodes: number;
  readonly fileBytes: number;
  readonly latency: Latency | null;
  /** Why it could not be built or run. */
  readonly error: ErrorRecord | null;
}

/** A difference of two files. */
export interface Effect {
  /** Indices in `files`. */
  readonly file: number;
  readonly baseline: number;
  /** The baseline's median in the same turns; of the original that may be another group's than in `files`. */
  readonly baselineMs: number | null;
  /** Of the medians, negative is faster; null where one of them failed. */
  readonly deltaMs: number | null;
  /** By the rule of the variants' cards (latency.ts, compareLatency). */
  readonly difference: LatencyDifference | null;
}

export interface StepEffect {
  readonly step: string;
  readonly title: string;
  /** How often it changed something in the whole recipe. */
  readonly fired: number;
  /** Against the recipe cut off before it; where that failed, before the last cut that ran. */
  readonly cumulated: Effect;
  /** Against the original, or the original after the steps that it needs. null: it does nothing without the others. */
  readonly alone: (Effect & { readonly fired: number; readonly needed: readonly string[] }) | null;
}

export interface StepLatency {
  readonly target: Target;
  readonly engine: { readonly name: string; readonly version: string };
  readonly threads: number;
  /** ISO 8601. */
  readonly measuredAt: string;
  /** The original first. */
  readonly files: readonly TimedFile[];
  /** Those that changed something, in the order of running. */
  readonly steps: readonly StepEffect[];
  /** The whole recipe against the original; null without a step that changed something. */
  readonly total: Effect | null;
  /** Groups that took turns; more than one where not all sessions could be open at once. */
  readonly groups: number;
}

/** @throws StudioError job/cancelled; errors of the task's data; what the recipe as a whole cannot be built for */
export async function measureSteps<Handle>(request: StepLatencyRequest<Handle>): Promise<StepLatency> {
  const { host, job, target, recipe } = request;
  const measuredAt = host.wallClock();
  const parts = new RecipeParts<Handle>(recipe, host, job);
  const plans = await planEffects(request, parts);
  job.onProgress({ stage: 'loading the task', done: 0, total: null, unit: 'samples' });
  const { latencyFeeds } = (await orCancelled(job, host.task(job))).summary;
  // The cuts first: neighbours are compared, so they should take turns with each other.
  const cuts = plans.map(({ cut }) => cut);
  const order = [...new Set([0, ...cuts, ...parts.all.keys()])].filter((index) => parts.all[index]!.built);
  const contenders = order.map((index) => contenderOf(parts.all[index]!));
  const turns = { host, target, settings: recipe.runtime, plan: request.plan, feeds: latencyFeeds, job };
  const { outcomes, groups } = await timeInTurns(turns, contenders as [Contender<Handle>, ...Contender<Handle>[]]);
  const timed = new Map(order.map((index, at) => [index, outcomes[at]!]));
  const opened = outcomes.find((outcome) => outcome.opened)?.opened;
  return {
    target,
    engine: { name: opened?.engine.name ?? '', version: opened?.engine.version ?? '' },
    threads: opened?.threads ?? 0,
    measuredAt,
    files: parts.all.map((part, index): TimedFile => {
      const { latency, error } = timed.get(index) ?? { latency: null, error: part.error };
      const { nodes, fileBytes } = part.built?.facts ?? { nodes: 0, fileBytes: 0 };
      return { steps: part.titles, nodes, fileBytes, latency, error };
    }),
    steps: effectsOf(plans, timed),
    total: cuts.length > 0 ? effect(timed, cuts.at(-1)!, 0) : null,
    groups,
  };
}

function contenderOf<Handle>({ titles, built }: BuiltPart<Handle>): Contender<Handle> {
  return { name: titles.length > 0 ? `“${titles.at(-1)}”` : 'the original', built: built! };
}

interface EffectPlan {
  readonly row: LedgerStep;
  /** Index of the recipe cut off after the step. */
  readonly cut: number;
  readonly alone: {
    readonly file: number;
    readonly baseline: number;
    readonly fired: number;
    readonly needed: readonly string[];
  } | null;
}

/** Builds every cut and every step alone. */
async function planEffects<Handle>(
  { recipe, job }: StepLatencyRequest<Handle>,
  parts: RecipeParts<Handle>,
): Promise<EffectPlan[]> {
  const original = parts.all[await parts.of([])]!;
  const whole = parts.all[await parts.of(recipe.steps)]!;
  // Nothing can be said of the steps of a recipe that cannot be built.
  const error = original.error ?? whole.error;
  if (error) throw new StudioError(error.code, error.data);
  const rows = new Map(whole.ledger.filter(({ fired }) => fired > 0).map((row) => [row.step, row]));
  const order = runningOrder(recipe.steps);
  const busy = order.filter(({ id }) => rows.has(id));
  const plans: EffectPlan[] = [];
  for (const [index, step] of busy.entries()) {
    job.onProgress({ stage: 'building the recipe step by step', done: index, total: busy.length, unit: 'steps' });
    const isLast = index === busy.length - 1;
    const cut = await parts.of(isLast ? recipe.steps : order.slice(0, order.indexOf(step) + 1));
    const before = busy.slice(0, index);
    plans.push({ row: rows.get(step.id)!, cut, alone: await aloneOf(step, before, parts) });
  }
  return plans;
}

/** By itself; where it finds nothing there, after the clean-up; where it still does not, after all before it. */
async function aloneOf<Handle>(
  step: RecipeStep,
  before: readonly RecipeStep[],
  parts: RecipeParts<Handle>,
): Promise<EffectPlan['alone']> {
  const cleanup = before.filter(({ id }) => stepRegistry.get(id)?.section === 'cleanup');
  for (const needed of [[], cleanup, before]) {
    const file = await parts.of([...needed, step]);
    const { ledger, error } = parts.all[file]!;
    const fired = ledger.find((row) => row.step === step.id)?.fired ?? 0;
    if (fired === 0 && !error) continue;
    const baseline = await parts.of(needed);
    return { file, baseline, fired, needed: needed.map(({ id }) => stepRegistry.get(id)?.title ?? id) };
  }
  return null;
}

/** As run-steps.ts runs them: what must follow quantization comes last. */
function runningOrder(steps: readonly RecipeStep[]): RecipeStep[] {
  const rank = ({ id }: RecipeStep) => (stepRegistry.get(id)?.afterQuantization ? 1 : 0);
  return [...steps].sort((a, b) => rank(a) - rank(b));
}

type Timed = ReadonlyMap<number, TurnsOutcome>;

function effectsOf(plans: readonly EffectPlan[], timed: Timed): StepEffect[] {
  let baseline = 0;
  return plans.map(({ row, cut, alone }) => {
    const cumulated = effect(timed, cut, baseline);
    if (timed.get(cut)?.latency) baseline = cut;
    const { fired, needed } = alone ?? {};
    return {
      step: row.step,
      title: row.title,
      fired: row.fired,
      cumulated,
      alone: alone && { ...effect(timed, alone.file, alone.baseline), fired: fired!, needed: needed! },
    };
  });
}

function effect(timed: Timed, file: number, baseline: number): Effect {
  const outcome = timed.get(file);
  const own = outcome?.latency;
  // The original ran in every group: the one of the same turns is the one to compare with.
  const other = baseline === 0 ? outcome?.original : timed.get(baseline)?.latency;
  if (!own || !other) return { file, baseline, baselineMs: null, deltaMs: null, difference: null };
  const difference = file === baseline ? 'within noise' : compareLatency(own, other);
  const deltaMs = file === baseline ? 0 : own.medianMs - other.medianMs;
  return { file, baseline, baselineMs: other.medianMs, deltaMs, difference };
}
