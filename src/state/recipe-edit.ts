/** Edits of a recipe as the form makes them. All return a recipe in canonical order with every parameter filled in. */
import type { Json } from '../core/base/json.ts';
import { canonicalRecipe } from '../core/recipe/parse.ts';
import { stepRegistry } from '../core/recipe/registry.ts';
import type { Recipe, RuntimeSettings } from '../core/recipe/schema.ts';
import type { StepDefinition, StepSection } from '../core/step/define.ts';

export function stepsOf(section: StepSection): StepDefinition[] {
  return [...stepRegistry.values()].filter((step) => step.section === section);
}

export function hasStep(recipe: Recipe, id: string): boolean {
  return recipe.steps.some((step) => step.id === id);
}

/** Parameters of a step as the recipe has them, defaults filled in. */
export function paramsOf(recipe: Recipe, definition: StepDefinition): Record<string, unknown> {
  const step = recipe.steps.find(({ id }) => id === definition.id);
  const parsed = definition.params.safeParse(step?.params ?? {});
  return parsed.success ? parsed.data : (definition.params.parse({}) as Record<string, unknown>);
}

/** Switches a step on or off; switching one on switches off the others of its exclusive group. */
export function toggleStep(recipe: Recipe, id: string, on: boolean): Recipe {
  const definition = stepRegistry.get(id);
  if (!definition) return recipe;
  const group = definition.exclusiveGroup;
  const others = recipe.steps.filter((step) => {
    if (step.id === id) return false;
    return !on || group === undefined || stepRegistry.get(step.id)?.exclusiveGroup !== group;
  });
  return canonical({ ...recipe, steps: on ? [...others, { id, params: {} }] : others });
}

export function setParam(recipe: Recipe, stepId: string, key: string, value: unknown): Recipe {
  const steps = recipe.steps.map((step) =>
    step.id === stepId ? { ...step, params: { ...step.params, [key]: value as Json } } : step,
  ) as Recipe['steps'];
  return canonical({ ...recipe, steps });
}

export function setRuntime<K extends keyof RuntimeSettings>(recipe: Recipe, key: K, value: RuntimeSettings[K]): Recipe {
  return { ...recipe, runtime: { ...recipe.runtime, [key]: value } };
}

/** A value out of range is refused by the form before it gets here; if one does, the recipe stays as it was. */
function canonical(recipe: Recipe): Recipe {
  const result = canonicalRecipe(recipe);
  if (!result.ok) throw result.error;
  return result.value;
}

/** "Simplify, INT8 dynamic": what a recipe does, for names and summaries. */
export function recipeSummary(recipe: Recipe): string {
  const titles = recipe.steps.map(({ id }) => stepRegistry.get(id)?.title ?? id);
  if (titles.length === 0) return 'No steps';
  if (titles.length <= 2) return titles.join(', ');
  return `${titles.length} steps: ${titles.at(-1)}, …`;
}
