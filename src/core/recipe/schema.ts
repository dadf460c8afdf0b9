/**
 * The Recipe: plain JSON that says which steps make a variant and how the runtime is set up for it. This file is the
 * format; bump `RECIPE_VERSION` only for a change that defaults cannot absorb, and add a migration.
 */
import '../step/zod-jitless.ts';
import { z } from 'zod';

export const RECIPE_VERSION = 1;

export const graphOptimizationLevels = ['disabled', 'basic', 'extended', 'layout', 'all'] as const;

export const runtimeSettingsSchema = z.object({
  graphOptimizationLevel: z.enum(graphOptimizationLevels).default('all').meta({
    title: 'Graph optimization level',
    description: "How far onnxruntime's own optimizer goes when it loads the model.",
  }),
  disabledOptimizers: z.array(z.string().min(1).max(80)).max(100).default([]).meta({
    title: 'Switched-off optimizers',
    description:
      "Names of onnxruntime's passes to switch off, level suffix included (GeluFusionL2). A name that did nothing is reported.",
  }),
  disablePrepacking: z.boolean().default(false).meta({
    title: 'No weight prepacking',
    description: 'Saves memory, usually costs latency.',
  }),
  weightsAtLoad: z
    .enum(['as-stored', 'dequantize'])
    .default('as-stored')
    .meta({
      title: 'Packed weights',
      description:
        'What happens to weights in 2 to 8 bits when a session is made. As stored: small in memory, unpacked in every run. Expanded: plain weights, so the speed and the memory of the original from a small file. The file is the same.',
      optionTitles: { 'as-stored': 'as stored', dequantize: 'expanded when the model loads' },
    }),
});

export type RuntimeSettings = z.output<typeof runtimeSettingsSchema>;

export const recipeStepSchema = z.object({
  id: z.string().min(1).max(64),
  params: z.record(z.string().max(64), z.json()).default({}),
});

export const recipeSchema = z.object({
  format: z.literal('whittle-recipe').default('whittle-recipe'),
  version: z.number().int().min(1).default(RECIPE_VERSION),
  name: z.string().max(120).default('Untitled'),
  steps: z.array(recipeStepSchema).max(64).default([]),
  runtime: runtimeSettingsSchema.prefault({}),
});

/** Parsed but with step parameters still unchecked; `parseRecipe` (recipe/parse.ts) checks them against the registry. */
export type Recipe = z.output<typeof recipeSchema>;
export type RecipeStep = z.output<typeof recipeStepSchema>;
