/** Model + recipe = variant. */

import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import { type Advisory, type CalibrationSource, type Executor, needsOf, type TensorStore } from '../step/define.ts';
import type { ProofRecord } from '../step/proof.ts';
import { runSteps, type StepRecord } from '../step/run-steps.ts';
import { resolveSteps } from './parse.ts';
import type { Recipe } from './schema.ts';

export interface ApplyRequest {
  readonly model: Model;
  readonly recipe: Recipe;
  readonly job: JobContext;
  readonly store: TensorStore;
  readonly executor: Executor | undefined;
  /** For steps that measure activations; see `StepDefinition.needs`. */
  readonly calibration?: CalibrationSource | undefined;
  /** Values of free dimensions by symbol: for the ledger's figures and the inputs of the proof. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /**
   * Comparing the model after clean-up and fusion with the original, on the executor: 'on' unless said otherwise. Only
   * worth switching off where nobody keeps the result.
   */
  readonly proof?: 'on' | 'off';
  /** The task's inputs for the proof, beside generated ones; the calibration's serve too. */
  readonly proofInputs?: CalibrationSource | undefined;
  /** Milliseconds, monotonic: for the ledger's durations. */
  readonly now?: () => number;
  /** SHA-256 of the source file, where it is known: noted in the variant's metadata. */
  readonly sourceSha256?: string;
}

export interface AppliedRecipe {
  readonly model: Model;
  readonly ledger: readonly StepRecord[];
  readonly advisories: readonly Advisory[];
  readonly proof?: ProofRecord;
}

/** Keys in metadata_props under which a variant carries where it came from; dropping it back recovers the recipe. */
export const RECIPE_METADATA_KEY = 'whittle.recipe';
export const SOURCE_METADATA_KEY = 'whittle.source_sha256';

/**
 * Runs the recipe's steps on a copy of the model. A recipe without steps returns the model as it is.
 * @throws StudioError recipe/*, pass/*, job/cancelled
 */
export async function applyRecipe(request: ApplyRequest): Promise<AppliedRecipe> {
  const { model, recipe, job, store, executor, calibration } = request;
  const steps = resolveSteps(recipe.steps);
  if (!steps.ok) throw steps.error;
  if (steps.value.length === 0) return { model, ledger: [], advisories: [] };

  const advisories: Advisory[] = [];
  for (const { definition, params } of steps.value) {
    const found = definition.check?.(model, params) ?? [];
    const refusal = found.find((advisory) => advisory.level === 'error');
    if (refusal) throw new StudioError('pass/refused', { step: definition.title, reason: refusal.message });
    advisories.push(...found);
    const needs = needsOf(definition, params);
    if (needs.execution && !executor)
      throw new StudioError('pass/refused', { step: definition.title, reason: 'this host cannot run models' });
    if (needs.calibration && !calibration) throw new StudioError('calib/no-data', { step: definition.title });
  }

  const result = await runSteps({
    model,
    steps: steps.value,
    job,
    store,
    executor,
    calibration,
    dims: request.dims,
    ...(request.proof !== 'off' && { proof: { dims: request.dims, inputs: request.proofInputs ?? calibration } }),
    ...(request.now ? { now: request.now } : {}),
  });
  const carried = {
    format: recipe.format,
    version: recipe.version,
    name: recipe.name,
    steps: recipe.steps,
    runtime: recipe.runtime,
  };
  result.model.metadataProps.set(RECIPE_METADATA_KEY, JSON.stringify(carried));
  if (request.sourceSha256) result.model.metadataProps.set(SOURCE_METADATA_KEY, request.sourceSha256);
  return {
    model: result.model,
    ledger: result.ledger,
    advisories: dedupe([...advisories, ...result.advisories]),
    ...(result.proof && { proof: result.proof }),
  };
}

function dedupe(advisories: readonly Advisory[]): Advisory[] {
  const seen = new Set<string>();
  return advisories.filter((advisory) => {
    const key = canonicalHash(advisory);
    return !seen.has(key) && seen.add(key);
  });
}

/** What each provider will make of a recipe, before anything is built: the worst level of its steps, with reasons. */
export function recipeSupport(
  recipe: Recipe,
): Record<'wasm' | 'webgpu' | 'webnn' | 'cpu', { level: 'full' | 'partial' | 'none'; reasons: string[] }> {
  const rank = { full: 0, partial: 1, none: 2 } as const;
  const support = {
    wasm: { level: 'full' as 'full' | 'partial' | 'none', reasons: [] as string[] },
    webgpu: { level: 'full' as 'full' | 'partial' | 'none', reasons: [] as string[] },
    webnn: { level: 'full' as 'full' | 'partial' | 'none', reasons: [] as string[] },
    cpu: { level: 'full' as 'full' | 'partial' | 'none', reasons: [] as string[] },
  };
  const steps = resolveSteps(recipe.steps);
  if (!steps.ok) return support;
  for (const { definition, params } of steps.value) {
    const runsOn = definition.runsOn(params);
    for (const provider of ['wasm', 'webgpu', 'webnn', 'cpu'] as const) {
      const { level, reason } = runsOn[provider];
      if (rank[level] > rank[support[provider].level]) support[provider].level = level;
      if (level !== 'full' && reason) support[provider].reasons.push(`${definition.title}: ${reason}`);
    }
  }
  return support;
}
