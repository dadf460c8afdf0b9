/**
 * From untrusted JSON to a Recipe whose every parameter is known and in range; and from a Recipe to the steps to run.
 */
import type { z } from 'zod';
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError } from '../base/errors/index.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { StepDefinition } from '../step/define.ts';
import { migrateRecipe } from './migrate.ts';
import { stepRegistry } from './registry.ts';
import { type Recipe, type RecipeStep, recipeSchema } from './schema.ts';

/** A step of a recipe, resolved: its declaration and its checked parameters. */
export interface ResolvedStep {
  readonly definition: StepDefinition;
  readonly params: Record<string, unknown>;
}

/** The first problem of a failed zod parse, as a StudioError that names the field. */
export function fromZodError(error: z.ZodError, prefix = ''): StudioError {
  const issue = error.issues[0]!;
  const path = [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.') || 'the top level';
  return new StudioError('recipe/invalid', { path, reason: issue.message });
}

/**
 * Checks a recipe read from a file, a link or a form: format, version, steps, every parameter.
 * @returns the recipe in canonical form: all defaults filled in, steps in canonical order
 */
export function parseRecipe(json: unknown): Result<Recipe> {
  const migrated = migrateRecipe(json);
  if (!migrated.ok) return migrated;
  const parsed = recipeSchema.safeParse(migrated.value);
  if (!parsed.success) return err(fromZodError(parsed.error));
  return canonicalRecipe(parsed.data);
}

/** Fills in every default, checks parameters against the registry, and orders the steps. */
export function canonicalRecipe(recipe: Recipe): Result<Recipe> {
  const resolved = resolveSteps(recipe.steps);
  if (!resolved.ok) return resolved;
  const steps = resolved.value.map(({ definition, params }) => ({
    id: definition.id,
    params: params as RecipeStep['params'],
  }));
  return ok({ ...recipe, steps });
}

/**
 * Looks every step up and checks its parameters.
 * @returns the steps in canonical order (each step at most once, at most one of an exclusive group)
 */
export function resolveSteps(steps: readonly RecipeStep[]): Result<ResolvedStep[]> {
  const resolved: ResolvedStep[] = [];
  const groups = new Map<string, string>();
  for (const [index, step] of steps.entries()) {
    const definition = stepRegistry.get(step.id);
    if (!definition) return err(new StudioError('recipe/unknown-step', { step: step.id }));
    const unknown = Object.keys(step.params).find((key) => !(key in definition.params.shape));
    if (unknown !== undefined)
      return err(
        new StudioError('recipe/invalid', {
          path: `steps.${index}.params.${unknown}`,
          reason: `step "${step.id}" has no parameter of this name; it has: ${Object.keys(definition.params.shape).join(', ') || 'none'}`,
        }),
      );
    const params = definition.params.safeParse(step.params);
    if (!params.success) return err(fromZodError(params.error, `steps.${index}.params`));
    const clash = groups.get(definition.exclusiveGroup ?? `step:${definition.id}`);
    if (clash !== undefined)
      return err(
        new StudioError('recipe/invalid', {
          path: `steps.${index}`,
          reason:
            clash === step.id ? `step "${step.id}" is there twice` : `"${step.id}" cannot be combined with "${clash}"`,
        }),
      );
    groups.set(definition.exclusiveGroup ?? `step:${definition.id}`, step.id);
    resolved.push({ definition, params: params.data });
  }
  resolved.sort((a, b) => a.definition.order - b.definition.order);
  return ok(resolved);
}

/** What a variant's file depends on: the model and the steps, not the name and not the runtime settings. */
export function variantKey(modelKey: string, recipe: Recipe): string {
  return canonicalHash({ model: modelKey, steps: recipe.steps });
}
