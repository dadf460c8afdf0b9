/** What a search tells while it runs, what it can be resumed from, and what it ends with. Everything here is JSON. */
import { z } from 'zod';
import { sensitivityResultSchema } from '../precision/results.ts';
import { recipeSchema } from '../recipe/schema.ts';
import {
  errorRecordSchema,
  evaluationSchema,
  latencySchema,
  reportSchema,
  variantFactsSchema,
} from '../study/results.ts';

export const objectives = ['size', 'latency'] as const;
export type Objective = (typeof objectives)[number];

export const pointStatuses = [
  'original',
  /** Built or being built, not judged yet. */
  'open',
  /** Within the gate on all samples. */
  'passed',
  /** Beyond the gate, perhaps after a part of the samples. */
  'failed',
  /** All samples cannot tell. */
  'inconclusive',
  /** Could not be built or run. */
  'broken',
  /** Not evaluated, since something better was already within the gate. */
  'skipped',
] as const;

/** Beside each of the report's variants: how the search came to it and what became of it. */
export const searchPointSchema = z.object({
  /** The same recipe has the same id. */
  id: z.string(),
  /** family: a ready recipe. mixed: bits chosen for each layer from sensitivities. */
  origin: z.enum(['original', 'family', 'mixed']),
  status: z.enum(pointStatuses),
  /** One plain sentence. */
  reason: z.string(),
  /** Samples that the verdict rests on. */
  samples: z.number().int(),
  /** Of a mixed recipe: the sum of its layers' losses, as far as it was measured. */
  predictedLoss: z.number().nullable(),
});
export type SearchPoint = z.output<typeof searchPointSchema>;

export const triedSchema = z.object({
  id: z.string(),
  recipe: recipeSchema,
  facts: variantFactsSchema.nullable(),
  error: errorRecordSchema.nullable(),
  /** By number of samples, rising. */
  evaluations: z.array(z.object({ limit: z.number().int(), evaluation: evaluationSchema })),
  latency: latencySchema.nullable(),
});
export type Tried = z.output<typeof triedSchema>;

export const SEARCH_STATE_VERSION = 1;
/** Measurements only: decisions are made again from them, and are the same. */
export const searchStateSchema = z.object({
  format: z.literal('whittle-search-state'),
  version: z.number().int(),
  /** Of model, task, target and versions: a state of another key is of no use. */
  key: z.string(),
  tried: z.array(triedSchema),
  /** Perhaps partial. */
  sensitivities: z.array(sensitivityResultSchema),
});
export type SearchState = z.output<typeof searchStateSchema>;

/** Everything known so far, a fresh snapshot each time. */
export interface SearchUpdate {
  /** Its first variant is the original; the others are the recipes tried, in the order of trying. */
  readonly report: z.output<typeof reportSchema>;
  /** Parallel to the report's variants. */
  readonly points: readonly SearchPoint[];
  /** Evaluations used, of the budget. */
  readonly evaluations: number;
  readonly budget: number;
  readonly state: SearchState;
}

export const SEARCH_VERSION = 1;
export const searchResultSchema = z.object({
  format: z.literal('whittle-search'),
  version: z.number().int(),
  objective: z.enum(objectives),
  report: reportSchema,
  points: z.array(searchPointSchema),
  /** Index among the report's variants; null when nothing within the gate beats the original. */
  recommended: z.number().int().nullable(),
  /** The next best within the gate, best first. */
  runnersUp: z.array(z.number().int()),
  /** Why this one, in plain words with the figures that decided. */
  reason: z.string(),
  evaluations: z.number().int(),
  budget: z.number().int(),
});
export type SearchResult = z.output<typeof searchResultSchema>;
