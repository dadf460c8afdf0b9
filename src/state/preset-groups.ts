/** Presets by how much they shrink weights: what somebody who looks for "smaller" goes by first. */
import type { Preset } from '../core/recipe/presets.ts';
import { presets } from '../core/recipe/presets.ts';
import { stepRegistry } from '../core/recipe/registry.ts';
import type { Recipe } from '../core/recipe/schema.ts';

export interface PresetGroup {
  readonly title: string;
  readonly presets: readonly Preset[];
}

const BANDS: readonly { readonly atLeastBits: number; readonly title: string }[] = [
  { atLeastBits: 32, title: 'Without loss: about the same size' },
  { atLeastBits: 16, title: '16 bits: half the size' },
  { atLeastBits: 8, title: '8 bits: about a quarter of the size' },
  { atLeastBits: 0, title: '4 bits and fewer: about a sixth, for layers that allow it' },
];

export function presetGroups(): PresetGroup[] {
  const bandOf = (recipe: Recipe) => BANDS.find(({ atLeastBits }) => weightBits(recipe) >= atLeastBits);
  return BANDS.map((band) => ({
    title: band.title,
    presets: presets.filter(({ recipe }) => bandOf(recipe) === band),
  })).filter((group) => group.presets.length > 0);
}

/** The fewest bits that a step of the recipe stores weights in; 32 where no step loses anything. */
export function weightBits(recipe: Recipe): number {
  return Math.min(32, ...recipe.steps.map(({ id, params }) => stepBits(id, params)));
}

function stepBits(id: string, params: Readonly<Record<string, unknown>>): number {
  const definition = stepRegistry.get(id);
  if (definition?.precision !== 'lossy') return 32;
  const parsed = definition.params.safeParse(params);
  const { bits } = (parsed.success ? parsed.data : {}) as { bits?: unknown };
  if (typeof bits === 'number') return bits;
  // Steps without the parameter have their width in their name: dynamic-int8, fp16, weight-only-bnb4.
  const width = /(?:int|fp|bf|nf|bnb|float)-?(\d+)/.exec(id)?.[1];
  return width === undefined ? 32 : Number(width);
}
