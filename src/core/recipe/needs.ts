import { needsOf } from '../step/define.ts';
import { resolveSteps } from './parse.ts';
import type { Recipe } from './schema.ts';

/** Whether a step of the recipe measures activations. An invalid recipe does not: building it says what is wrong. */
export function needsCalibration(recipe: Recipe): boolean {
  const steps = resolveSteps(recipe.steps);
  return steps.ok && steps.value.some(({ definition, params }) => needsOf(definition, params).calibration);
}
