/** What a layer may be stored in, as the steps that do it: the real quantizers, so that what is measured is what is built. */
import { parseRecipe } from '../recipe/parse.ts';
import { type RecipeStep, recipeSchema } from '../recipe/schema.ts';
import type { CandidateId } from './results.ts';

export interface CandidateSettings {
  /** Of 2 to 8 bits. */
  readonly blockSize: number;
  /** The step that stores weights in blocks; its `bits` and `blockSize` are set for each candidate. */
  readonly weightStep: RecipeStep;
}

export const defaultCandidateSettings: CandidateSettings = {
  blockSize: 32,
  weightStep: { id: 'weight-only-rtn', params: {} },
};

/** Calibrated scales are for those who ask for them; 3 bits take the room of 4 and lose more. */
export const defaultCandidates: readonly CandidateId[] = ['2', '4', '8', 'int8-weights', 'int8'];

const integerSteps: Partial<Record<CandidateId, string>> = {
  int8: 'dynamic-int8',
  'int8-static': 'static-int8',
  'int8-weights': 'weight-int8',
};

/** Bits of a blockwise candidate; undefined for the others. */
export function bitsOf(candidate: CandidateId): 2 | 3 | 4 | 8 | undefined {
  return /^\d$/.test(candidate) ? (Number(candidate) as 2 | 3 | 4 | 8) : undefined;
}

/** The step that stores embeddings in blocks, in 4 or 8 bits. */
export const EMBEDDING_STEP = 'quantize-embeddings';

/**
 * The steps that store every layer they can in a candidate's form. The first is for most layers, others are for what it
 * leaves.
 * @returns undefined where this version has no such step, or the step no such setting
 */
export function candidateSteps(
  candidate: CandidateId,
  settings: CandidateSettings,
): readonly [RecipeStep, ...RecipeStep[]] | undefined {
  const bits = bitsOf(candidate);
  const { weightStep, blockSize } = settings;
  const integer = integerSteps[candidate];
  const first: RecipeStep | undefined = bits
    ? { id: weightStep.id, params: { ...weightStep.params, bits, blockSize } }
    : integer === undefined
      ? undefined
      : { id: integer, params: {} };
  if (!first || !isPossible([first])) return undefined;
  const embeddings: RecipeStep = { id: EMBEDDING_STEP, params: { bits: bits ?? 4, blockSize } };
  return bits && isPossible([first, embeddings]) ? [first, embeddings] : [first];
}

function isPossible(steps: RecipeStep[]): boolean {
  return parseRecipe(recipeSchema.parse({ steps })).ok;
}
