/** Edits of a recipe as the form makes them. All return a recipe in canonical order with every parameter filled in. */
import type { Json } from '../core/base/json.ts';
import { canonicalRecipe } from '../core/recipe/parse.ts';
import { stepRegistry } from '../core/recipe/registry.ts';
import type { Recipe, RecipeStep, RuntimeSettings } from '../core/recipe/schema.ts';
import type { StepDefinition, StepSection } from '../core/step/define.ts';

export function stepsOf(section: StepSection): StepDefinition[] {
  return [...stepRegistry.values()].filter((step) => step.section === section);
}

/** A row of the form: a step to switch, or several of which at most one may be in a recipe. */
export type StepChoice =
  | { readonly kind: 'switch'; readonly step: StepDefinition }
  | { readonly kind: 'one-of'; readonly group: string; readonly steps: readonly StepDefinition[] };

/** Rows in canonical order; a group stands where its first step does. */
export function stepChoices(section: StepSection): StepChoice[] {
  const steps = stepsOf(section);
  const members = (group: string) => steps.filter(({ exclusiveGroup }) => exclusiveGroup === group);
  return steps.flatMap((step): StepChoice[] => {
    const group = step.exclusiveGroup;
    if (group === undefined || members(group).length === 1) return [{ kind: 'switch', step }];
    const [first] = members(group);
    return first === step ? [{ kind: 'one-of', group, steps: members(group) }] : [];
  });
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

/**
 * Puts one step of an exclusive group in the place of another, or none. Settings that both have (bits, block size, name
 * patterns) are taken along where the user has changed them.
 * @param id of the step; null for none of the group
 */
export function chooseStep(recipe: Recipe, group: string, id: string | null): Recipe {
  const isMember = (step: RecipeStep) => stepRegistry.get(step.id)?.exclusiveGroup === group;
  const before = recipe.steps.find(isMember);
  const definition = id === null ? undefined : stepRegistry.get(id);
  const others = recipe.steps.filter((step) => !isMember(step));
  if (!definition) return canonical({ ...recipe, steps: others });
  const params = before ? sharedSettings(before, definition) : {};
  return canonical({ ...recipe, steps: [...others, { id: definition.id, params }] });
}

function sharedSettings(before: RecipeStep, next: StepDefinition): RecipeStep['params'] {
  const old = stepRegistry.get(before.id);
  if (!old || old === next) return before.params;
  const shared: RecipeStep['params'] = {};
  for (const [key, value] of Object.entries(before.params)) {
    const isChanged = JSON.stringify(value) !== JSON.stringify(defaultOf(old, key));
    if (isChanged && key in next.params.shape && next.params.safeParse({ [key]: value }).success) shared[key] = value;
  }
  return shared;
}

function defaultOf(definition: StepDefinition, key: string): unknown {
  return (definition.params.parse({}) as Record<string, unknown>)[key];
}

/** How many parameters differ from what they are by default. */
export function changedParams(definition: StepDefinition, params: Readonly<Record<string, unknown>>): string[] {
  const defaults = definition.params.parse({}) as Record<string, unknown>;
  return Object.keys(defaults).filter((key) => JSON.stringify(params[key]) !== JSON.stringify(defaults[key]));
}

/** What is wrong with single entries of a list parameter, by index; entries that are fine have none. */
export function entryProblems(
  definition: StepDefinition,
  key: string,
  entries: readonly string[],
): { readonly byIndex: ReadonlyMap<number, string>; readonly whole: string | null } {
  const parsed = definition.params.safeParse({ [key]: entries });
  const byIndex = new Map<number, string>();
  let whole: string | null = null;
  for (const { path, message } of parsed.success ? [] : parsed.error.issues) {
    const [, index] = path;
    if (typeof index === 'number') byIndex.set(index, byIndex.get(index) ?? message);
    else whole ??= message;
  }
  return { byIndex, whole };
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
