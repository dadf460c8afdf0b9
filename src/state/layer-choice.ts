/** Bits of a single layer in a recipe: an entry of the step that stores weights, written as a person would. */
import { exactPattern } from '../core/precision/mixed-recipe.ts';
import { stepRegistry } from '../core/recipe/registry.ts';
import type { Recipe, RecipeStep } from '../core/recipe/schema.ts';
import { entryProblems, setParam } from './recipe-edit.ts';

/** `keep` leaves the layer in floating point; the others are bits. */
export type LayerChoice = 'keep' | '8' | '4' | '3' | '2';

const CHOICES: readonly LayerChoice[] = ['keep', '8', '4', '3', '2'];

export interface LayerSetting {
  readonly step: RecipeStep;
  /** The parameter that takes it. */
  readonly key: 'overrides' | 'exclude' | 'nodeBlockList';
  readonly choices: readonly LayerChoice[];
}

/** Where the recipe can say something of a single layer; null where no step of it can. */
export function layerSetting({ steps }: Recipe): LayerSetting | null {
  for (const key of ['overrides', 'exclude', 'nodeBlockList'] as const)
    for (const step of steps) {
      const definition = stepRegistry.get(step.id);
      if (definition?.precision !== 'lossy' || !(key in definition.params.shape)) continue;
      if (key !== 'overrides') return { step, key, choices: ['keep'] };
      const wrong = entryProblems(
        definition,
        key,
        CHOICES.map((choice) => `x=${choice}`),
      ).byIndex;
      return { step, key, choices: CHOICES.filter((_, index) => !wrong.has(index)) };
    }
  return null;
}

/** What the recipe says of exactly this layer; undefined where only its general settings hold. */
export function layerChoice(recipe: Recipe, layer: string): LayerChoice | undefined {
  const setting = layerSetting(recipe);
  if (!setting) return undefined;
  const pattern = exactPattern(layer);
  if (setting.key !== 'overrides') return entriesOf(setting).includes(pattern) ? 'keep' : undefined;
  const entry = entriesOf(setting).findLast((candidate) => candidate.startsWith(`${pattern}=`));
  return CHOICES.find((choice) => entry === `${pattern}=${choice}`);
}

/** @param choice undefined: what holds for all layers */
export function setLayerChoice(recipe: Recipe, layer: string, choice: LayerChoice | undefined): Recipe {
  const setting = layerSetting(recipe);
  if (!setting) return recipe;
  const pattern = exactPattern(layer);
  const isOfLayer = (entry: string) =>
    setting.key === 'overrides' ? entry.slice(0, entry.lastIndexOf('=')) === pattern : entry === pattern;
  const others = entriesOf(setting).filter((entry) => !isOfLayer(entry));
  const own = choice === undefined ? [] : [setting.key === 'overrides' ? `${pattern}=${choice}` : pattern];
  return setParam(recipe, setting.step.id, setting.key, [...others, ...own]);
}

function entriesOf({ step, key }: LayerSetting): readonly string[] {
  const entries = step.params[key];
  return Array.isArray(entries) ? (entries as string[]) : [];
}
