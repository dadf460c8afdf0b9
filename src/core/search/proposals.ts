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

/** How weights are stored in blocks; a method in each of these forms makes files of one size. */
export const blockForms = [
  { bits: 2, blockSize: 32 },
  { bits: 4, blockSize: 128 },
  { bits: 4, blockSize: 32 },
] as const;
export type BlockForm = (typeof blockForms)[number];

function proposals(): Proposal[] {
  const both = ['size', 'latency'] as const;
  const rest = step('weight-int8');
  const equalized = step('cross-layer-equalization');
  return [
    { name: 'Simplified', steps: [], objectives: both },
    { name: 'INT8 weights', steps: [rest], objectives: both },
    { name: 'INT8 dynamic', steps: [step('dynamic-int8')], objectives: ['latency'] },
    { name: 'INT8 dynamic, the rest INT8 weights', steps: [step('dynamic-int8'), rest], objectives: ['size'] },
    // Calibrated scales make no smaller file than INT8 weights do, and lose more: they are for speed.
    { name: 'INT8 static', steps: [step('static-int8')], objectives: ['latency'] },
    { name: 'INT8 static, channels equalized', steps: [equalized, step('static-int8')], objectives: ['latency'] },
    {
      name: 'INT8 static, activations smoothed',
      steps: [step('smoothquant'), step('static-int8')],
      objectives: ['latency'],
    },
    { name: 'FP16', steps: [step('fp16')], objectives: both },
    {
      name: 'INT4 in blocks of 32',
      steps: [step(PLAIN_BLOCK_STEP, { bits: 4, blockSize: 32 })],
      objectives: ['latency'],
    },
  ];
}

/** Weights in blocks by one method, embeddings in blocks too, every other weight in 8 bits. */
export function blockRecipe(stepId: string, { bits, blockSize }: BlockForm): Recipe | null {
  const method = stepRegistry.get(stepId)!.title.replace(/^Weight-only blocks, /, '');
  const embeddings = step('quantize-embeddings', { bits: Math.max(4, bits), blockSize });
  return canonical(`INT${bits} in blocks of ${blockSize}, ${method}`, [
    step(stepId, { bits, blockSize }),
    ...(stepRegistry.has(embeddings.id) ? [embeddings] : []),
    step('weight-int8'),
  ]);
}

/** Ready recipes for an objective, without those that this version cannot make. */
export function familyRecipes(objective: Objective): Recipe[] {
  return proposals()
    .filter(({ objectives }) => objectives.includes(objective))
    .flatMap(({ name, steps }) => canonical(name, steps) ?? []);
}

function canonical(name: string, steps: readonly RecipeStep[]): Recipe | null {
  const recipe = canonicalRecipe(recipeSchema.parse({ name, steps: [...simplifySteps, ...steps] }));
  return recipe.ok ? recipe.value : null;
}

export function originalRecipe(): Recipe {
  return findPreset('original')!.recipe;
}
