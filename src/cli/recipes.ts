/** Recipes as the command line names them: files, presets, links. */
import { readFile } from 'node:fs/promises';
import { StudioError } from '../core/base/errors/index.ts';
import { forProvider, operatorProfiles, withOperatorProfile } from '../core/recipe/operator-profile.ts';
import { canonicalRecipe, parseRecipe } from '../core/recipe/parse.ts';
import { findPreset, presets } from '../core/recipe/presets.ts';
import { type Recipe, recipeSchema, recipeStepSchema, runtimeSettingsSchema } from '../core/recipe/schema.ts';
import { decodeStudy } from '../core/study/link.ts';
import type { Study } from '../core/study/schema.ts';
import { UsageError } from './args.ts';

export async function recipeFromFile(path: string): Promise<Recipe> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    // The likeliest mistake: presets have an option of their own.
    if (findPreset(path))
      throw new UsageError(`There is no file ${path}; the preset of this name is --preset ${path}.`);
    throw new StudioError('file/unreadable', { name: path, reason: (error as Error).message }, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new StudioError('recipe/invalid', { path: path, reason: (error as Error).message }, error);
  }
  refuseUnknownFields(json, path);
  return unwrap(parseRecipe(json));
}

/** Of a recipe that somebody wrote by hand: a misspelt field would go unheard, and its default be taken for the wish. */
function refuseUnknownFields(json: unknown, file: string): void {
  const known = (value: unknown, schema: { readonly shape: object }, where: string) => {
    if (typeof value !== 'object' || value === null) return;
    const fields = Object.keys(schema.shape);
    const odd = Object.keys(value).find((field) => !fields.includes(field) && !field.startsWith('$'));
    if (odd === undefined) return;
    const reason = `there is no field of this name; there are: ${fields.join(', ')}`;
    throw new StudioError('recipe/invalid', { path: `${where}${odd} in ${file}`, reason });
  };
  known(json, recipeSchema, '');
  const { steps, runtime } = (json ?? {}) as { readonly steps?: unknown; readonly runtime?: unknown };
  known(runtime, runtimeSettingsSchema, 'runtime.');
  if (Array.isArray(steps)) for (const [i, step] of steps.entries()) known(step, recipeStepSchema, `steps.${i}.`);
}

export function recipeFromPreset(id: string): Recipe {
  const preset = findPreset(id);
  if (!preset)
    throw new UsageError(
      `There is no preset "${id}". There are: ${presets.map((candidate) => candidate.id).join(', ')}.`,
    );
  return unwrap(canonicalRecipe(preset.recipe));
}

/** @param link a whole address or the part after '#' */
export function studyFromLink(link: string): Study {
  const hash = link.indexOf('#');
  return unwrap(decodeStudy(hash >= 0 ? link.slice(hash) : link));
}

/**
 * Exactly one of the three; of a link, the variant of that name, else the first that is not the original.
 * @throws UsageError, StudioError recipe/*, link/*, file/unreadable
 */
export async function chosenRecipe(file?: string, preset?: string, link?: string, variant?: string): Promise<Recipe> {
  if ([file, preset, link].filter((given) => given !== undefined).length !== 1)
    throw new UsageError('give one of --recipe, --preset and --link.');
  if (file) return recipeFromFile(file);
  if (preset) return recipeFromPreset(preset);
  const { variants } = studyFromLink(link!);
  const found = variant
    ? variants.find(({ name }) => name === variant)
    : (variants.find(({ steps }) => steps.length > 0) ?? variants[0]);
  if (!found)
    throw new UsageError(
      `the link has no variant "${variant}"; it has: ${variants.map(({ name }) => name).join(', ')}.`,
    );
  return found;
}

/**
 * What `--profile` and `--for` make of a recipe; see recipe/operator-profile.ts.
 * @returns the recipe in canonical form, and a sentence for each step that a provider changed
 * @throws UsageError for a name that is none
 */
export function withOperatorChoices(recipe: Recipe, profile?: string, provider?: string) {
  const known = operatorProfiles.find((name) => name === profile);
  if (profile !== undefined && !known)
    throw new UsageError(`there is no profile "${profile}"; there are: ${operatorProfiles.join(', ')}.`);
  const target = executionProviders.find((name) => name === provider);
  if (provider !== undefined && !target)
    throw new UsageError(`there is no provider "${provider}"; there are: ${executionProviders.join(', ')}.`);
  const profiled = known ? withOperatorProfile(recipe, known) : recipe;
  const chosen = target ? forProvider(profiled, target) : { recipe: profiled, notes: [] };
  return { ...chosen, recipe: unwrap(canonicalRecipe(chosen.recipe)) };
}

const executionProviders = ['wasm', 'webgpu', 'webnn', 'cpu'] as const;

function unwrap<T>(result: { ok: true; value: T } | { ok: false; error: StudioError }): T {
  if (!result.ok) throw result.error;
  return result.value;
}
