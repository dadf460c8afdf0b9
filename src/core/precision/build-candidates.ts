/** The model with every layer stored in a candidate's form: built once a candidate, by the real step. */
import { StudioError } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import { applyRecipe } from '../recipe/apply.ts';
import { type RecipeStep, recipeSchema } from '../recipe/schema.ts';
import type { CalibrationSource, Executor, TensorStore } from '../step/define.ts';
import { type CandidateSettings, candidateSteps } from './candidates.ts';
import { type MatchedValues, matchValues } from './layers.ts';
import type { CandidateId } from './results.ts';

export interface BuildCandidatesRequest {
  readonly model: Model;
  readonly candidates: readonly CandidateId[];
  readonly settings: CandidateSettings;
  readonly executor: Executor;
  readonly store: TensorStore;
  readonly source: CalibrationSource;
  readonly job: JobContext;
}

export interface BuiltCandidate {
  readonly id: CandidateId;
  readonly steps: readonly RecipeStep[];
  /** With values as their readers see them. */
  readonly variant: Model;
  readonly matched: MatchedValues;
}

/** Candidates that do not fit the model at all are left out; what goes wrong otherwise is thrown. */
export async function buildCandidates(request: BuildCandidatesRequest): Promise<BuiltCandidate[]> {
  const { model, settings, executor, store, source, job } = request;
  const built: BuiltCandidate[] = [];
  for (const id of request.candidates) {
    const steps = candidateSteps(id, settings);
    if (!steps) continue;
    const named: JobContext = {
      ...job,
      onProgress: (progress) => job.onProgress({ ...progress, stage: `${id}: ${progress.stage}` }),
    };
    // What is for the rest of the layers may not fit this model; then the first does without.
    for (const some of steps.length > 1 ? [steps, steps.slice(0, 1)] : [steps]) {
      const recipe = recipeSchema.parse({ name: id, steps: some });
      const applied = await applyRecipe({ model, recipe, job: named, store, executor, calibration: source }).catch(
        refused,
      );
      if (!applied) continue;
      const matched = matchValues(model, applied.model);
      if (matched.layers.some(({ changed }) => changed))
        built.push({ id, steps: some, variant: matched.variant, matched });
      break;
    }
  }
  return built;
}

function refused(error: unknown): undefined {
  if (error instanceof StudioError && error.code === 'pass/refused') return undefined;
  throw error;
}
