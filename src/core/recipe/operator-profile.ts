/**
 * Which operators the fusions of a recipe may make: one choice over the parameters of all steps. It is no field of its
 * own, so a recipe says the same with and without it.
 */
import type { ExecutionProvider, StepDefinition } from '../step/define.ts';
import { stepRegistry } from './registry.ts';
import type { Recipe, RecipeStep } from './schema.ts';

export const operatorProfiles = ['onnxruntime', 'portable', 'portable-17', 'portable-20', 'portable-23'] as const;
export type OperatorProfile = (typeof operatorProfiles)[number];

export const operatorProfileTitles: Readonly<Record<OperatorProfile, string>> = {
  onnxruntime: 'ONNX Runtime’s own too',
  portable: 'standard only',
  'portable-17': 'standard only, opset 17',
  'portable-20': 'standard only, opset 20',
  'portable-23': 'standard only, opset 23',
};

export const operatorProfileHelp =
  'Which operators fusions may make. ONNX Runtime has more operators than the standard, and other tools do not know them. ' +
  'A newer opset has more standard ones: LayerNormalization from 17, Gelu from 20, RMSNormalization, RotaryEmbedding and Attention from 23. ' +
  'Operators that the model has already stay.';

const RAISE = 'raise-opset';

const standardOpset = (profile: OperatorProfile): number | undefined => {
  const opset = profile.split('-')[1];
  return opset === undefined ? undefined : Number(opset);
};

/** Whether the step offers the choice: a parameter `operators` of "any" or "standard". */
function hasChoice(definition: StepDefinition | undefined): boolean {
  const field = definition?.params.shape.operators;
  return ['any', 'standard'].every((value) => field?.safeParse(value).success);
}

/** Sets every step of the recipe that has the choice; a profile with an opset raises models to it as well. */
export function withOperatorProfile(recipe: Recipe, profile: OperatorProfile): Recipe {
  const operators = profile === 'onnxruntime' ? 'any' : 'standard';
  const opset = standardOpset(profile);
  const before = operatorProfileOf(recipe);
  // What an earlier choice of a profile put there goes with it; what the user put there stays.
  const wasOurs = before !== undefined && standardOpset(before) !== undefined;
  const steps = recipe.steps
    .filter(({ id }) => id !== RAISE || (opset === undefined && !wasOurs))
    .map((step) => (hasChoice(stepRegistry.get(step.id)) ? { ...step, params: { ...step.params, operators } } : step));
  return { ...recipe, steps: opset === undefined ? steps : insert(steps, { id: RAISE, params: { target: opset } }) };
}

/** @returns undefined for a recipe whose steps differ, or that has none with the choice */
export function operatorProfileOf(recipe: Recipe): OperatorProfile | undefined {
  const choices = recipe.steps.filter(({ id }) => hasChoice(stepRegistry.get(id)));
  const values = new Set(choices.map(({ params }) => params.operators ?? 'any'));
  if (values.size !== 1) return undefined;
  if (values.has('any')) return 'onnxruntime';
  const raise = recipe.steps.find(({ id }) => id === RAISE);
  return operatorProfiles.find((profile) => raise && standardOpset(profile) === raise.params.target) ?? 'portable';
}

export interface ForProvider {
  readonly recipe: Recipe;
  /** What was changed and why, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The recipe for one execution provider: fusions whose operator has no kernel there make standard operators instead, or
 * are left out where there is no such choice.
 */
export function forProvider(recipe: Recipe, provider: ExecutionProvider): ForProvider {
  const notes: string[] = [];
  const steps = recipe.steps.flatMap((step) => {
    const definition = stepRegistry.get(step.id);
    if (definition?.section !== 'fusion') return [step];
    const { level, reason } = supportOf(definition, step, provider);
    if (level === 'full') return [step];
    const standard = { ...step, params: { ...step.params, operators: 'standard' } };
    if (hasChoice(definition) && supportOf(definition, standard, provider).level === 'full') {
      notes.push(`"${definition.title}" makes standard operators only: ${reason}.`);
      return [standard];
    }
    notes.push(`"${definition.title}" was left out: ${reason}.`);
    return [];
  });
  return { recipe: { ...recipe, steps }, notes };
}

const supportOf = (definition: StepDefinition, { params }: RecipeStep, provider: ExecutionProvider) =>
  definition.runsOn(definition.params.parse(params))[provider];

/** In canonical order, where the recipe is. */
function insert(steps: readonly RecipeStep[], step: RecipeStep): RecipeStep[] {
  const order = (id: string) => stepRegistry.get(id)?.order ?? 0;
  const at = steps.findIndex(({ id }) => order(id) > order(step.id));
  return at < 0 ? [...steps, step] : [...steps.slice(0, at), step, ...steps.slice(at)];
}
