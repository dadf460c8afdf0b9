/** From measured sensitivities to groups that the solver takes, and from its choices to a recipe. */
import { StudioError } from '../base/errors/index.ts';
import { canonicalRecipe } from '../recipe/parse.ts';
import { type Recipe, type RecipeStep, recipeSchema } from '../recipe/schema.ts';
import { bitsOf, type CandidateSettings, candidateSteps, EMBEDDING_STEP } from './candidates.ts';
import type { LayerGroup, LayerOption } from './frontier.ts';
import type { CandidateId, SensitiveLayer, SensitivityResult } from './results.ts';

/** Candidates that one recipe can hold together. */
export const candidateFamilies = {
  /** Weights alone: in blocks, or in 8 bits. */
  weights: ['keep', '2', '3', '4', '8', 'int8-weights'],
  /** Integer arithmetic with activations quantized while it runs. */
  dynamic: ['keep', 'int8'],
  /** Integer arithmetic with calibrated scales. */
  static: ['keep', 'int8-static'],
} as const satisfies Record<string, readonly CandidateId[]>;
export type CandidateFamily = keyof typeof candidateFamilies;

export interface GroupingOptions {
  readonly family: CandidateFamily;
  /** Layers that read the same activation get the same form, so that runtimes can run them as one. */
  readonly tieInputs?: boolean;
}

/**
 * Layers that read the same stored weight are one group: different choices would store it twice.
 * @returns groups in the order of their first layers; those with no choice but `keep` are left out
 */
export function layerGroups({ layers }: Pick<SensitivityResult, 'layers'>, options: GroupingOptions): LayerGroup[] {
  const groups: SensitiveLayer[][] = [];
  const placeOf = new Map<string, SensitiveLayer[]>();
  for (const layer of layers) {
    const keys = [`weight ${layer.weightKey}`, ...(options.tieInputs ? [`input ${layer.inputKey}`] : [])];
    const known = [...new Set(keys.flatMap((key) => placeOf.get(key) ?? []).map((member) => member))];
    const homes = groups.filter((group) => group.some((member) => known.includes(member)));
    const home = homes[0] ?? [];
    if (homes.length === 0) groups.push(home);
    for (const other of homes.slice(1)) {
      home.push(...other);
      groups.splice(groups.indexOf(other), 1);
      for (const [key, place] of placeOf) if (place === other) placeOf.set(key, home);
    }
    home.push(layer);
    for (const key of keys) placeOf.set(key, home);
  }
  return groups
    .map((members) => ({ layers: members.map(({ name }) => name), options: sharedOptions(members, options.family) }))
    .filter((group) => group.options.length > 1);
}

/** What all members can be stored in; a shared weight counts once. */
function sharedOptions(members: readonly SensitiveLayer[], family: CandidateFamily): LayerOption[] {
  return candidateFamilies[family].flatMap((candidate): LayerOption[] => {
    const points = members.map(({ points: all }) => all.find((point) => point.candidate === candidate));
    if (points.some((point) => point === undefined)) return [];
    const bytesOf = new Map<string, number>();
    for (const [i, { weightKey }] of members.entries())
      bytesOf.set(weightKey, Math.max(bytesOf.get(weightKey) ?? 0, points[i]!.bytes));
    const bytes = [...bytesOf.values()].reduce((sum, value) => sum + value, 0);
    return [{ candidate, bytes, loss: points.reduce((sum, point) => sum + point!.loss, 0) }];
  });
}

/** Layer name to what it is to be stored in. */
export type LayerChoices = ReadonlyMap<string, CandidateId>;

export function choicesOf(groups: readonly LayerGroup[], options: readonly LayerOption[]): LayerChoices {
  return new Map(groups.flatMap(({ layers }, i) => layers.map((name) => [name, options[i]!.candidate] as const)));
}

export interface MixedRecipeRequest {
  readonly name: string;
  /** Before the quantizers. */
  readonly steps: readonly RecipeStep[];
  readonly choices: LayerChoices;
  /** Layers that pick rows of a table (`embeddingsOf`): they have a step of their own for blocks. */
  readonly embeddings?: ReadonlySet<string>;
  readonly settings: CandidateSettings;
}

export function embeddingsOf({ layers }: Pick<SensitivityResult, 'layers'>): Set<string> {
  return new Set(layers.filter(({ opType }) => opType === 'Gather').map(({ name }) => name));
}

/**
 * Choices of one family as a recipe: the commonest number of bits for all, an override for every layer that differs; for
 * the integer forms the shorter of the two lists of nodes.
 * @throws StudioError recipe/invalid when a list of nodes is longer than a step takes, or choices of two families meet
 */
export function mixedRecipe({ name, steps, choices, embeddings, settings }: MixedRecipeRequest): Recipe {
  const quantizers: RecipeStep[] = [];
  const isInBlocks = ([, choice]: readonly [string, CandidateId]) => bitsOf(choice) !== undefined;
  const products = new Map([...choices].filter(([layer]) => !embeddings?.has(layer)));
  const tables = [...choices].filter((entry) => embeddings?.has(entry[0]) && isInBlocks(entry));
  if ([...products].some(isInBlocks)) quantizers.push(blockStep(products, settings));
  if (tables.length > 0) quantizers.push(embeddingStep(tables, settings));
  for (const candidate of ['int8-weights', 'int8', 'int8-static'] as const) {
    const chosen = [...choices].filter(([, choice]) => choice === candidate);
    if (chosen.length === 0) continue;
    const others = [...choices].filter(([, choice]) => choice === 'keep');
    quantizers.push(integerStep(candidate, chosen, others, settings));
  }
  const recipe = canonicalRecipe(recipeSchema.parse({ name, steps: [...steps, ...quantizers] }));
  if (!recipe.ok) throw recipe.error;
  return recipe.value;
}

function blockStep(choices: LayerChoices, settings: CandidateSettings): RecipeStep {
  const counts = new Map<CandidateId, number>();
  for (const choice of choices.values())
    if (bitsOf(choice) !== undefined) counts.set(choice, (counts.get(choice) ?? 0) + 1);
  const [[commonest]] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? 1 : -1)) as [[CandidateId, number]];
  const [step] = candidateSteps(commonest, settings)!;
  const overrides = [...choices]
    .filter(([, choice]) => choice !== commonest)
    .map(([layer, choice]) => `${exactPattern(layer)}=${bitsOf(choice) ?? 'keep'}`);
  return { id: step.id, params: { ...step.params, overrides } };
}

/** One number of bits for all tables: where choices differ, the larger, which loses less than was chosen. */
function embeddingStep(
  tables: readonly (readonly [string, CandidateId])[],
  { blockSize }: CandidateSettings,
): RecipeStep {
  const bits = Math.max(...tables.map(([, choice]) => bitsOf(choice)!));
  return { id: EMBEDDING_STEP, params: { bits, blockSize, include: tables.map(([layer]) => exactPattern(layer)) } };
}

/** Steps take so many patterns. */
const MOST_PATTERNS = 100;

function integerStep(
  candidate: CandidateId,
  chosen: readonly (readonly [string, CandidateId])[],
  others: readonly (readonly [string, CandidateId])[],
  settings: CandidateSettings,
): RecipeStep {
  const [step] = candidateSteps(candidate, settings)!;
  const patterns = (list: typeof chosen) => list.map(([layer]) => exactPattern(layer));
  // Nodes that the step before has replaced are none of its own any more, so only what is kept has to be excluded.
  const [key, list] = others.length <= chosen.length ? ['exclude', others] : ['include', chosen];
  if (list.length > MOST_PATTERNS)
    throw new StudioError('recipe/invalid', {
      path: `${step.id}.${key}`,
      reason: `${list.length} layers would have to be named, and ${MOST_PATTERNS} can be`,
    });
  return { id: step.id, params: { ...step.params, [key as string]: patterns(list) } };
}

/** Longest pattern that steps take. */
const PATTERN_LENGTH = 200;

/**
 * A pattern for one name. Patterns have no escapes: `?` stands for any one character, also for a star and for white space at an end,
 * which would be trimmed; of a name that is too long the end counts, which tells layers apart.
 */
export function exactPattern(name: string): string {
  const pattern = name.replaceAll('*', '?').replace(/^\s|\s$/g, '?');
  return pattern.length <= PATTERN_LENGTH ? pattern : `*${pattern.slice(-(PATTERN_LENGTH - 1))}`;
}
