/** What `profile` and `roofline` share: options, and the profile itself. */

import { StudioError } from '../core/base/errors/index.ts';
import type { JobContext } from '../core/base/progress.ts';
import { findPreset, presets } from '../core/recipe/presets.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import { type ProfileRun, runProfile, type VariantProfile } from '../core/study/profile-run.ts';
import { runPlanSchema } from '../core/study/schema.ts';
import type { OptionSpec, Parsed } from './args.ts';
import { UsageError } from './args.ts';
import { chooseModel, chosenTarget, targetOptions, taskOptions } from './model-choice.ts';
import { createNodeHost } from './node-host.ts';
import { recipeFromFile, recipeFromPreset } from './recipes.ts';

export const profileOptions = {
  recipe: { type: 'string', value: 'FILE', help: 'a recipe.json: its variant is profiled beside the original' },
  preset: { type: 'string', value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  ...taskOptions,
  ...targetOptions,
  level: {
    type: 'string',
    value: 'LEVEL',
    help: 'deployed (default: as the recipe says), or disabled (the graph as it is in the file)',
  },
  runs: { type: 'string', value: 'N', help: 'timed runs (default 20; fewer where they take long)' },
  top: { type: 'string', value: 'N', help: 'show only the first so many rows (default 15; 0: all)' },
} satisfies Record<string, OptionSpec>;

export interface NamedProfile {
  readonly name: string;
  readonly value: VariantProfile;
}

export interface ChosenProfile {
  readonly run: ProfileRun;
  /** The original, and the variant if one was asked for. */
  readonly profiles: readonly NamedProfile[];
}

/** @throws StudioError what a variant failed at */
export async function profileChosen(command: string, parsed: Parsed, job: JobContext): Promise<ChosenProfile> {
  const level = parsed.string('level') ?? 'deployed';
  if (level !== 'deployed' && level !== 'disabled') throw new UsageError('--level is deployed or disabled.');
  const latencyRuns = parsed.number('runs', 20, { min: 3, max: 1000, integer: true });
  const variant = await chosenRecipe(parsed);
  const target = await chosenTarget(parsed);
  const { file, modelKey, task } = await chooseModel(command, parsed, job);
  const recipes = [findPreset('original')!.recipe, ...(variant ? [variant] : [])];
  const run = await runProfile({
    host: createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims }),
    recipes,
    target,
    level,
    plan: runPlanSchema.parse({ latencyRuns }),
    job,
  });
  const profiles = run.outcomes.map(({ value, error }, index) => {
    if (error) throw new StudioError(error.code, error.data);
    return { name: recipes[index]!.name, value: value! };
  });
  return { run, profiles };
}

async function chosenRecipe(parsed: Parsed): Promise<Recipe | undefined> {
  const [file, preset] = [parsed.string('recipe'), parsed.string('preset')];
  if (file !== undefined && preset !== undefined) throw new UsageError('give one of --recipe and --preset.');
  if (file !== undefined) return recipeFromFile(file);
  return preset === undefined ? undefined : recipeFromPreset(preset);
}

/** "onnxruntime-node 1.30.0, 2 threads, optimization level all". */
export function profileConditions({ run }: ChosenProfile, { value }: NamedProfile): string {
  const { engine, threads, graphOptimizationLevel, profile } = value;
  const level =
    run.level === 'disabled' ? 'level disabled: the graph as in the file' : `level ${graphOptimizationLevel}`;
  const plural = threads === 1 ? 'thread' : 'threads';
  return `${engine.name} ${engine.version}, ${threads} ${plural}, ${level}, ${profile.runs} runs`;
}
