/** The error lens and sensitivity for a model as it was loaded: the steps that lose nothing come first. */
import { canonicalHash } from '../base/canonical-hash.ts';
import type { JobContext } from '../base/progress.ts';
import type { Model } from '../ir/types.ts';
import { applyRecipe } from '../recipe/apply.ts';
import { simplifySteps } from '../recipe/presets.ts';
import { stepRegistry } from '../recipe/registry.ts';
import { type Recipe, recipeSchema } from '../recipe/schema.ts';
import { type CalibrationSource, type Executor, isBeforeQuantization, type TensorStore } from '../step/define.ts';
import { errorLens } from './error-lens.ts';
import type { LensResult, SensitivityResult } from './results.ts';
import { measureSensitivity, type SensitivityRequest } from './sensitivity.ts';

interface Surroundings {
  /** As it was loaded. */
  readonly model: Model;
  readonly executor: Executor;
  readonly store: TensorStore;
  readonly source: CalibrationSource;
  readonly job: JobContext;
}

export interface RecipeLensRequest extends Surroundings {
  readonly recipe: Recipe;
  readonly maxSamples?: number | undefined;
}

/**
 * The recipe's variant against the model after those of its steps that lose nothing, which has nearly all values of the
 * variant; what lies between is what the other steps have lost.
 * @throws StudioError as `applyRecipe` and `errorLens` do
 */
export async function lensOfRecipe(request: RecipeLensRequest): Promise<LensResult> {
  const { model, recipe, executor, store, source, job } = request;
  const apply = (steps: Recipe['steps']) =>
    applyRecipe({ model, recipe: { ...recipe, steps }, job, store, executor, calibration: source });
  const original = await apply(recipe.steps.filter(({ id }) => stepRegistry.get(id)?.precision !== 'lossy'));
  const variant = await apply(recipe.steps);
  const { maxSamples } = request;
  return errorLens({ original: original.model, variant: variant.model, executor, source, job, maxSamples });
}

export type ModelSensitivityRequest = Surroundings &
  Pick<SensitivityRequest, 'candidates' | 'settings' | 'maxSamples' | 'budgetBytes' | 'resume' | 'onPartial'> & {
    /** Identifies the model. */
    readonly modelKey: string;
    /** Identifies the inputs. */
    readonly inputsKey: string;
    /** Steps before quantization; those that are lossy are left out. Default: all that lose nothing. */
    readonly recipe?: Recipe | undefined;
  };

/** @throws StudioError as `applyRecipe` and `measureSensitivity` do */
export async function sensitivityOfModel(request: ModelSensitivityRequest): Promise<SensitivityResult> {
  const { model, modelKey, inputsKey, recipe, executor, store, source, job } = request;
  const steps = (recipe?.steps ?? simplifySteps).filter(({ id }) => {
    const definition = stepRegistry.get(id);
    return definition?.precision !== 'lossy' && isBeforeQuantization(definition);
  });
  const named = recipeSchema.parse({ name: 'Simplified', steps });
  const applied = await applyRecipe({ model, recipe: named, job, store, executor, calibration: source });
  const key = canonicalHash({ model: modelKey, inputs: inputsKey, steps });
  return measureSensitivity({ ...request, model: applied.model, key });
}
