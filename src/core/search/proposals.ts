/** The ready recipes that a search begins with: every quantizer of the registry with sensible parameters. */
import { canonicalRecipe } from '../recipe/parse.ts';
import { findPreset, simplifySteps } from '../recipe/presets.ts';
import { stepRegistry } from '../recipe/registry.ts';
import { type Recipe, type RecipeStep, recipeSchema } from '../recipe/schema.ts';
import type { Objective } from './results.ts';

const step = (id: string, params: RecipeStep['params'] = {}): RecipeStep => ({ id, params });

/** Steps that store weights in blocks, with bits for single layers: whatever method they use, they can be mixed. */
export function blockStepIds(): string[] {
  return [...stepRegistry.values()]
    .filter(({ params }) => 'bits' in params.shape && 'overrides' in params.shape)
    .map(({ id }) => id);
}

/** Round to nearest is always tried: a better method that happens to be worse must not win unseen. */
export const PLAIN_BLOCK_STEP = 'weight-only-rtn';

interface Proposal {
  readonly name: string;
  readonly steps: readonly RecipeStep[];
  /** For what it is worth trying. */
  readonly objectives: readonly Objective[];
}

function proposals(): Proposal[] {
  const both = ['size', 'latency'] as const;
  const list: Proposal[] = [
    { name: 'Simplified', steps: [], objectives: both },
    { name: 'INT8 weights', steps: [step('weight-int8')], objectives: both },
    { name: 'INT8 dynamic', steps: [step('dynamic-int8')], objectives: both },
    {
      name: 'INT8 dynamic, the rest INT8 weights',
      steps: [step('dynamic-int8'), step('weight-int8')],
      objectives: ['size'],
    },
    { name: 'INT8 static', steps: [step('static-int8')], objectives: both },
    { name: 'FP16', steps: [step('fp16')], objectives: both },
  ];
  for (const id of blockStepIds())
    for (const [bits, blockSize] of [
      [4, 32],
      [4, 128],
      [2, 32],
    ] as const) {
      // Two bits by other methods than rounding are worth a try once rounding has shown that it can be near.
      if (bits === 2 && id !== PLAIN_BLOCK_STEP) continue;
      const method = stepRegistry.get(id)!.title.replace(/^Weight-only blocks, /, '');
      const name = `INT${bits} in blocks of ${blockSize}, ${method}`;
      const blocks = step(id, { bits, blockSize });
      if (bits === 4 && blockSize === 32) list.push({ name, steps: [blocks], objectives: ['latency'] });
      list.push({ name: `${name}, the rest INT8`, steps: [blocks, step('weight-int8')], objectives: ['size'] });
    }
  return list;
}

/**
 * Ready recipes for an objective, without those that this version cannot make.
 * @param canCalibrate whether there are inputs to calibrate with
 */
export function familyRecipes(objective: Objective): Recipe[] {
  return proposals()
    .filter(({ objectives }) => objectives.includes(objective))
    .flatMap(({ name, steps }) => {
      const recipe = canonicalRecipe(recipeSchema.parse({ name, steps: [...simplifySteps, ...steps] }));
      return recipe.ok ? [recipe.value] : [];
    });
}

export function originalRecipe(): Recipe {
  return findPreset('original')!.recipe;
}
