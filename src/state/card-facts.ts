/** What the rest of the page asks of a model card. */
import type { CardValue, ModelCard } from '../core/analysis/card.ts';
import type { FreeInput } from '../core/analysis/default-inputs.ts';
import { StudioError } from '../core/base/errors/index.ts';
import type { ValueSpec } from '../core/eval/tasks/user-arrays.ts';
import { RECIPE_METADATA_KEY } from '../core/recipe/apply.ts';
import { parseRecipe } from '../core/recipe/parse.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { Sample } from '../core/study/samples.ts';
import type { TaskRef } from '../core/study/schema.ts';

/** Inputs that are tensors of a known type, as random inputs and arrays need them. */
export function tensorInputs(card: ModelCard): FreeInput[] {
  return card.inputs.filter(isTyped).map(({ name, dtype, shape }) => ({ name, dtype, shape }));
}

/** @throws StudioError task/bad-inputs for sequences, maps and inputs without a type */
export function requireTensorInputs(card: ModelCard): FreeInput[] {
  const odd = card.inputs.find((value) => !isTyped(value));
  if (odd)
    throw new StudioError('task/bad-inputs', {
      reason: `input "${odd.name}" is ${odd.kind === 'tensor' ? 'a tensor of unknown type' : `a ${odd.kind}`}, for which no inputs can be made`,
    });
  return tensorInputs(card);
}

export function arraySignature(card: ModelCard): { inputs: ValueSpec[]; outputs: ValueSpec[] } {
  const outputs = card.outputs.filter(isTyped).map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  return { inputs: tensorInputs(card), outputs };
}

function isTyped(value: CardValue): value is CardValue & { readonly dtype: NonNullable<CardValue['dtype']> } {
  return value.kind === 'tensor' && value.dtype !== undefined;
}

/** Values of the model's free dimensions in the chosen task, for predictions. */
export function taskDims(card: ModelCard, task: TaskRef, sample: Sample | undefined): Record<string, number> {
  if (task.kind !== 'random') return { ...sample?.dims };
  const dims: Record<string, number> = {};
  for (const { symbol, uses } of card.freeDims)
    for (const { input, axis } of uses) {
      const size = task.inputs.find(({ name }) => name === input)?.dims[axis];
      if (size !== undefined) dims[symbol] ??= size;
    }
  return dims;
}

/** The share of the work that is matrix products, as far as the kind of network tells before anything is measured. */
export function matmulShare({ architecture }: ModelCard): number {
  if (architecture.kind === 'transformer' || architecture.kind === 'dense') return 1;
  return architecture.kind === 'hybrid' ? 0.5 : 0;
}

/** A file that Whittle made carries its recipe. @returns null for other files and for recipes that cannot be read */
export function carriedRecipe({ metadata }: ModelCard): Recipe | null {
  const text = metadata[RECIPE_METADATA_KEY];
  if (text === undefined) return null;
  try {
    const recipe = parseRecipe(JSON.parse(text));
    return recipe.ok ? recipe.value : null;
  } catch {
    return null;
  }
}
