/**
 * The Study: everything the user sets up (which model, which variants, where they run, how they are judged), and what
 * a link or a project file carries. It holds no weights and no results.
 */
import { z } from 'zod';
import { hubRefSchema } from '../hub/ref.ts';
import { recipeSchema } from '../recipe/schema.ts';

export const STUDY_VERSION = 1;
export const MAX_VARIANTS = 8;
export const MAX_TARGETS = 8;

export const executionProviders = ['wasm', 'webgpu', 'webnn', 'cpu'] as const;

/** Where variants run. `threads` 0: chosen from the machine. */
export const targetSchema = z.object({
  provider: z.enum(executionProviders).default('wasm'),
  threads: z.number().int().min(0).max(64).default(0),
});
export type Target = z.output<typeof targetSchema>;

export const modelRefSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('sample'), id: z.string().max(64) }),
  z.object({ kind: z.literal('url'), url: z.url().max(2000) }),
  /** The user's own file: a link can only say which one it was. */
  z.object({
    kind: z.literal('file'),
    name: z.string().max(260),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    /** For files too large to hash as a whole: hexadecimal digits of a hash over slices of them. */
    probe: z
      .string()
      .regex(/^[0-9a-f]{16}$/)
      .optional(),
    byteLength: z.number().int().min(0),
  }),
  hubRefSchema,
]);
export type ModelRef = z.output<typeof modelRefSchema>;

/** A rule on the task's primary metric, against the original model. */
export const gateSchema = z.object({
  /** relative: share of the original's value; absolute: in the metric's own unit. */
  mode: z.enum(['relative', 'absolute']).default('relative'),
  /** How much worse a variant may be: 0.02 is 2 % (relative) or 0.02 of the metric's unit (absolute). */
  maxWorse: z.number().min(0).max(1000).default(0.02),
  /** Two-sided confidence level of the interval that the verdict rests on. */
  confidence: z.number().min(0.5).max(0.999).default(0.95),
});
export type Gate = z.output<typeof gateSchema>;

export const inputSpecSchema = z.object({
  name: z.string().max(500),
  /** Values of the free dimensions, by their position. */
  dims: z.array(z.number().int().min(0).max(1_000_000)).max(16),
  distribution: z.enum(['normal', 'uniform', 'uniform-signed', 'integers', 'zeros', 'ones']).default('normal'),
  /** For integers: exclusive upper bound. */
  max: z.number().int().min(1).default(100),
});

export const taskRefSchema = z.discriminatedUnion('kind', [
  /** A task that belongs to a sample: real data, real metric. */
  z.object({ kind: z.literal('sample-task'), id: z.string().max(64), limit: z.number().int().min(1).optional() }),
  /** Seeded random inputs; the metric is agreement with the original. */
  z.object({
    kind: z.literal('random'),
    seed: z.number().int().min(0).default(1),
    samples: z.number().int().min(1).max(10_000).default(16),
    inputs: z.array(inputSpecSchema).max(64).default([]),
  }),
  /** The user's own arrays, known by their names and by what is in them; absent in studies of earlier versions. */
  z.object({
    kind: z.literal('files'),
    names: z.array(z.string().max(260)).max(10_000),
    digest: z
      .string()
      .regex(/^[0-9a-f]{16}$/)
      .optional(),
  }),
]);
export type TaskRef = z.output<typeof taskRefSchema>;

export const runPlanSchema = z.object({
  warmupRuns: z.number().int().min(0).max(100).default(3),
  latencyRuns: z.number().int().min(3).max(1000).default(20),
  latencyBudgetMs: z.number().min(100).default(4000),
});
export type RunPlan = z.output<typeof runPlanSchema>;

export const studySchema = z.object({
  format: z.literal('whittle-study').default('whittle-study'),
  version: z.number().int().min(1).default(STUDY_VERSION),
  model: modelRefSchema,
  /** The first is the baseline: the model as it was loaded (no steps). */
  variants: z.array(recipeSchema).min(1).max(MAX_VARIANTS),
  targets: z.array(targetSchema).min(1).max(MAX_TARGETS).prefault([{}]),
  task: taskRefSchema,
  gate: gateSchema.prefault({}),
  plan: runPlanSchema.prefault({}),
  view: z.string().max(64).default('charts'),
});
export type Study = z.output<typeof studySchema>;
