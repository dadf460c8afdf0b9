/** The comparison as the screen shows it: one row a variant, in order, with everything that is known about it. */
import type { ErrorRecord } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import type { MetricDefinition } from '../core/eval/types.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import { verdictOf } from '../core/study/judge.ts';
import { compareLatency, type LatencyDifference } from '../core/study/latency.ts';
import type { Report, TargetMeasurement, VariantFacts, Verdict } from '../core/study/results.ts';
import { targetLabel } from '../core/study/run.ts';
import type { Gate, Target } from '../core/study/schema.ts';
import { isComplete, isOlderThan, type MeasuredVariant, studyKeys, targetKey, wantsRun } from './measured.ts';
import { memoize } from './memoize.ts';
import type { StudioState } from './store.ts';

/**
 * unmeasured: never run with this model and task. stale: the figures shown are of earlier settings. running: part of
 * the run in progress and not finished. fresh: figures of exactly these settings. failed: could not be built.
 */
export type RowState = 'unmeasured' | 'stale' | 'running' | 'fresh' | 'failed';

export interface Change {
  /** variant / baseline - 1 */
  readonly fraction: number;
}

export interface TargetCell {
  readonly target: Target;
  readonly key: string;
  readonly label: string;
  readonly measurement: TargetMeasurement | null;
  readonly verdict: Verdict | null;
  /** Against the baseline on the same target; null for the baseline and while either is missing. */
  readonly latency: { readonly fraction: number; readonly difference: LatencyDifference } | null;
}

export interface VariantRow {
  readonly id: string;
  readonly index: number;
  /** "Original" is told apart by its name; the others are A, B, C. */
  readonly letter: string;
  readonly name: string;
  readonly recipe: Recipe;
  readonly isBaseline: boolean;
  readonly state: RowState;
  readonly facts: VariantFacts | null;
  readonly error: ErrorRecord | null;
  readonly cells: readonly TargetCell[];
  readonly size: Change | null;
}

export interface Comparison {
  readonly rows: readonly VariantRow[];
  readonly targets: readonly Target[];
  readonly metrics: readonly MetricDefinition[];
  readonly gate: Gate;
  readonly task: Report['task'] | null;
}

const LETTERS = 'ABCDEFGH';

export function rowLetter(index: number): string {
  return index === 0 ? 'O' : (LETTERS[index - 1] ?? String(index));
}

const EMPTY: Comparison = {
  rows: [],
  targets: [],
  metrics: [],
  gate: { mode: 'relative', maxWorse: 0, confidence: 0.95 },
  task: null,
};

const compare = memoize(
  (
    history: StudioState['history'],
    measured: StudioState['measured'],
    lastMeasuredKey: StudioState['lastMeasuredKey'],
    jobIds: readonly string[] | null,
    freshSince: string | null,
    task: Report['task'] | null,
  ): Comparison => {
    if (!history) return EMPTY;
    const { study } = history.present;
    const metrics = task?.metrics ?? [];
    const entries = studyKeys(history.present).map(({ id, key, recipe }) => {
      const exact = measured[key];
      const last = measured[lastMeasuredKey[id] ?? ''];
      return { id, recipe, exact, shown: exact ?? last };
    });
    const baseline = entries[0]?.shown;
    const drawn = entries.map(({ id, recipe, exact, shown }, index): KnownRow => {
      const unfinished =
        !isComplete(exact, study.targets) || (freshSince !== null && isOlderThan(exact, freshSince, study.targets));
      const running = jobIds?.includes(id) === true && unfinished;
      const state = rowState(exact, shown, running);
      return rowOf(id, index, recipe, state, shown, baseline, study.targets, metrics[0], study.gate);
    });
    lastRows = new Map(drawn.map((known) => [known.row.id, known]));
    const rows = drawn.map(({ row }) => row);
    return { rows, targets: study.targets, metrics, gate: study.gate, task };
  },
);

interface KnownRow {
  readonly inputs: Parameters<typeof variantRow>;
  readonly row: VariantRow;
}
/** Of the last comparison, by id. */
let lastRows: ReadonlyMap<string, KnownRow> = new Map();

/** The same row while nothing of it has changed: of a run's many reports each is about one variant. */
function rowOf(...inputs: KnownRow['inputs']): KnownRow {
  const known = lastRows.get(inputs[0]);
  if (known?.inputs.every((value, at) => Object.is(value, inputs[at]))) return known;
  return { inputs, row: variantRow(...inputs) };
}

function variantRow(
  id: string,
  index: number,
  recipe: Recipe,
  state: RowState,
  shown: MeasuredVariant | undefined,
  baseline: MeasuredVariant | undefined,
  targets: readonly Target[],
  metric: MetricDefinition | undefined,
  gate: Gate,
): VariantRow {
  const isBaseline = index === 0;
  return {
    id,
    index,
    letter: rowLetter(index),
    name: recipe.name,
    recipe,
    isBaseline,
    state,
    facts: shown?.facts ?? null,
    error: shown?.error ?? null,
    cells: targets.map((target) => targetCell(target, index, shown, baseline, metric, gate)),
    size: isBaseline ? null : change(shown?.facts?.fileBytes, baseline?.facts?.fileBytes),
  };
}

/** @returns the same object while nothing that it depends on has changed */
export function selectComparison(state: StudioState): Comparison {
  return compare(
    state.history,
    state.measured,
    state.lastMeasuredKey,
    state.job?.ids ?? null,
    state.job?.freshSince ?? null,
    state.report?.task ?? null,
  );
}

function rowState(exact: MeasuredVariant | undefined, shown: MeasuredVariant | undefined, running: boolean): RowState {
  if (running) return 'running';
  if (exact?.error) return 'failed';
  if (exact) return 'fresh';
  return shown ? 'stale' : 'unmeasured';
}

function change(value: number | undefined, base: number | undefined): Change | null {
  return value === undefined || base === undefined || base === 0 ? null : { fraction: value / base - 1 };
}

function targetCell(
  target: Target,
  index: number,
  shown: MeasuredVariant | undefined,
  baseline: MeasuredVariant | undefined,
  definition: MetricDefinition | undefined,
  gate: Gate,
): TargetCell {
  const key = targetKey(target);
  const measurement = shown?.byTarget[key] ?? null;
  const base = baseline?.byTarget[key] ?? null;
  const original =
    base?.evaluation ??
    Object.values(baseline?.byTarget ?? {}).find(({ evaluation }) => evaluation)?.evaluation ??
    null;
  const latency =
    index > 0 && measurement?.latency && base?.latency
      ? {
          fraction: measurement.latency.medianMs / base.latency.medianMs - 1,
          difference: compareLatency(measurement.latency, base.latency),
        }
      : null;
  const verdict = measurement ? judgedVerdict(index, measurement, definition, gate, original) : null;
  return { target, key, label: targetLabel(target), measurement, verdict, latency };
}

type Original = TargetMeasurement['evaluation'];
const verdicts = new WeakMap<TargetMeasurement, { key: string; original: Original; verdict: Verdict }>();

/** The gate may be moved at any time; verdicts follow without another run. Judging resamples, so the last is kept. */
function judgedVerdict(
  index: number,
  measurement: TargetMeasurement,
  definition: MetricDefinition | undefined,
  gate: Gate,
  original: Original,
): Verdict {
  const key = canonicalJson({ gate, definition, baseline: index === 0 });
  const known = verdicts.get(measurement);
  if (known && known.key === key && known.original === original) return known.verdict;
  const verdict = verdictOf(index, measurement, definition, gate, original);
  verdicts.set(measurement, { key, original, verdict });
  return verdict;
}

/** The cell that a card and the accuracy chart speak of: the first target that was evaluated, else the first. */
export function primaryCell(row: VariantRow): TargetCell | null {
  return row.cells.find(({ measurement }) => measurement?.evaluation) ?? row.cells[0] ?? null;
}

/** True when a run would add something: a variant without figures for its present settings on some target. */
export function selectNeedsRun(state: StudioState): boolean {
  if (!state.history) return false;
  const { targets } = state.history.present.study;
  return studyKeys(state.history.present).some(({ key }) => wantsRun(state.measured[key], targets));
}
