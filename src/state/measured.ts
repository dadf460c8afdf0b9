/**
 * Results are kept by what they depend on, never by position: toggling a setting back finds its figures again, and a
 * card whose settings have changed can still show, marked stale, what was measured before.
 */

import type { ErrorRecord } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { Report, TargetMeasurement, VariantFacts } from '../core/study/results.ts';
import type { RunPlan, Study, Target, TaskRef } from '../core/study/schema.ts';
import type { StudyDraft } from './study-slice.ts';

export interface MeasuredVariant {
  readonly recipe: Recipe;
  readonly facts: VariantFacts | null;
  /** Why the variant could not be built. */
  readonly error: ErrorRecord | null;
  /** By `targetKey`. */
  readonly byTarget: Readonly<Record<string, TargetMeasurement>>;
}

export function targetKey(target: Target): string {
  return target.threads === 0 ? target.provider : `${target.provider}:${target.threads}`;
}

/** A recipe without its name: renaming a variant makes no figure stale. */
function recipeIdentity(recipe: Recipe) {
  return { steps: recipe.steps, runtime: recipe.runtime };
}

export function measuredKey(recipe: Recipe, task: TaskRef, plan: RunPlan): string {
  return canonicalJson({ recipe: recipeIdentity(recipe), task, plan });
}

interface StudyKey {
  readonly id: string;
  readonly key: string;
  readonly recipe: Recipe;
}

// Asked for after every report of progress; drafts never change.
const keysOfDrafts = new WeakMap<StudyDraft, readonly StudyKey[]>();

export function studyKeys(draft: StudyDraft): readonly StudyKey[] {
  const known = keysOfDrafts.get(draft);
  if (known) return known;
  const { study, ids } = draft;
  const keys = ids.map((id, index) => {
    const recipe = study.variants[index]!;
    return { id, recipe, key: measuredKey(recipe, study.task, study.plan) };
  });
  keysOfDrafts.set(draft, keys);
  return keys;
}

interface Merged {
  readonly measured: Readonly<Record<string, MeasuredVariant>>;
  readonly lastMeasuredKey: Readonly<Record<string, string>>;
}

/** Files a report's variants under the settings they were run with. */
export function mergeReport(before: Merged, report: Report, used: StudyDraft): Merged {
  const measured: Record<string, MeasuredVariant> = { ...before.measured };
  const lastMeasuredKey: Record<string, string> = { ...before.lastMeasuredKey };
  for (const [index, { id, key, recipe }] of studyKeys(used).entries()) {
    const result = report.variants[index];
    if (!result || (!result.facts && !result.error)) continue;
    const byTarget: Record<string, TargetMeasurement> = { ...measured[key]?.byTarget };
    for (const measurement of result.measurements) {
      const target = targetKey(measurement.target);
      // What a run has only begun to measure anew takes the place of finished figures when it is finished too.
      if (isFinished(measurement) || !isFinished(byTarget[target])) byTarget[target] = measurement;
    }
    measured[key] = {
      recipe,
      facts: result.facts,
      error: result.error as ErrorRecord | null,
      byTarget: result.error ? {} : byTarget,
    };
    lastMeasuredKey[id] = key;
  }
  return { measured, lastMeasuredKey };
}

/** True when every variant has been built and measured on every target, or has an error that says why not. */
export function isComplete(entry: MeasuredVariant | undefined, targets: Study['targets']): boolean {
  if (!entry) return false;
  if (entry.error) return true;
  return targets.every((target) => isFinished(entry.byTarget[targetKey(target)]));
}

/**
 * Whether running would tell something new: figures are missing, or failed for a reason that may not come again (a
 * worker that died, memory that was short).
 */
export function wantsRun(entry: MeasuredVariant | undefined, targets: Study['targets']): boolean {
  if (!entry || !isComplete(entry, targets)) return true;
  const errors = [entry.error, ...targets.map((target) => entry.byTarget[targetKey(target)]?.error)];
  return errors.some((error) => error && /^worker\/|out-of-memory$/.test(error.code));
}

/** While a run is under way, memory and latency come before the evaluation. */
function isFinished(measurement: TargetMeasurement | undefined): boolean {
  return measurement !== undefined && (measurement.evaluation !== null || measurement.error !== null);
}

/** True when some target's figures are from before this moment (ISO 8601): a run that measures anew is not there yet. */
export function isOlderThan(entry: MeasuredVariant | undefined, moment: string, targets: Study['targets']): boolean {
  return targets.some((target) => (entry?.byTarget[targetKey(target)]?.measuredAt ?? '') < moment);
}
