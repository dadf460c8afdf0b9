/**
 * Recipes of older format versions are brought forward one version at a time; recipes from the future are refused.
 * `upgraders[n]` takes version n to n + 1. Never edit one that has shipped: links live for ever.
 */
import { StudioError } from '../base/errors/index.ts';
import { err, ok, type Result } from '../base/result.ts';
import { RECIPE_VERSION } from './schema.ts';

type Upgrader = (recipe: Record<string, unknown>) => Record<string, unknown>;

const upgraders: Readonly<Record<number, Upgrader>> = {};

for (let version = 1; version < RECIPE_VERSION; version++)
  if (!upgraders[version]) throw new Error(`There is no upgrader from recipe version ${version}.`);

/** @returns the JSON at the current version, still unchecked */
export function migrateRecipe(json: unknown): Result<unknown> {
  if (json === null || typeof json !== 'object' || Array.isArray(json))
    return err(new StudioError('recipe/invalid', { path: 'the top level', reason: 'a recipe is a JSON object' }));
  let recipe = json as Record<string, unknown>;
  if (recipe.format !== undefined && recipe.format !== 'whittle-recipe')
    return err(
      new StudioError('recipe/invalid', {
        path: 'format',
        reason: `expected "whittle-recipe", saw ${JSON.stringify(recipe.format)?.slice(0, 80)}`,
      }),
    );
  const seen = recipe.version ?? RECIPE_VERSION;
  if (typeof seen !== 'number' || !Number.isInteger(seen) || seen < 1)
    return err(new StudioError('recipe/invalid', { path: 'version', reason: 'a whole number is needed' }));
  if (seen > RECIPE_VERSION)
    return err(new StudioError('recipe/from-the-future', { what: 'recipe', seen, supported: RECIPE_VERSION }));
  for (let version = seen; version < RECIPE_VERSION; version++)
    recipe = { ...upgraders[version]!(recipe), version: version + 1 };
  return ok(recipe);
}
