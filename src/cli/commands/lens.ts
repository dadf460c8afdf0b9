import { lensOfRecipe } from '../../core/precision/of-recipe.ts';
import type { ErrorFigures, LensResult } from '../../core/precision/results.ts';
import { presets } from '../../core/recipe/presets.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { type OptionSpec, type Parsed, parseCommandLine, UsageError } from '../args.ts';
import { formatTable } from '../format.ts';
import { chooseModel, taskOptions } from '../model-choice.ts';
import { nodeExecutor, taskCalibration } from '../node-host.ts';
import { terminalJob } from '../progress.ts';
import { recipeFromFile, recipeFromPreset } from '../recipes.ts';
import { temporaryStore } from '../store.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', value: 'FILE', help: 'the recipe.json whose variant is looked at' },
  preset: { type: 'string', value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  ...taskOptions,
  samples: { type: 'string', value: 'N', help: 'how many calibration inputs to run (default 8)' },
  rank: { type: 'string', value: 'BY', help: 'local (default), accumulated, or order' },
  top: { type: 'string', value: 'N', help: 'show only the first so many layers (default 40; 0: all)' },
  json: { type: 'string', value: 'FILE', help: 'write all of it as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const lens: Command = {
  name: 'lens',
  usage: 'whittle lens (MODEL | --sample ID) (--recipe FILE | --preset NAME) [--task NAME] [--rank BY] [--json FILE]',
  summary: 'How far each layer of a variant is from the original: the layer alone, and run from the start.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const recipe = await chosenRecipe(parsed);
    const rank = rankOf(parsed.string('rank') ?? 'local');
    const maxSamples = parsed.number('samples', 8, { min: 1, max: 10_000, integer: true });
    const top = parsed.number('top', 40, { min: 0, max: 1_000_000, integer: true });
    const job = terminalJob();
    // --samples counts calibration inputs here, not the task's own.
    const { file, task } = await chooseModel('lens', withoutSamples(parsed), job);
    const result = await lensOfRecipe({
      model: file.model,
      recipe,
      executor: nodeExecutor(),
      store: temporaryStore(),
      source: taskCalibration(await task.prepare()),
      maxSamples,
      job,
    });
    job.done();
    const json = parsed.string('json');
    const text = `${JSON.stringify(result, null, 2)}\n`;
    if (json === '-') process.stdout.write(text);
    else {
      if (json) await writeTextFile(json, text);
      process.stdout.write(`${table(result, rank, top)}\n`);
    }
    return 0;
  },
};

/** The task keeps all of its samples. */
export function withoutSamples(parsed: Parsed): Parsed {
  return {
    ...parsed,
    string: (name) => (name === 'samples' ? undefined : parsed.string(name)),
    number: (name, fallback, range) => (name === 'samples' ? fallback : parsed.number(name, fallback, range)),
  };
}

async function chosenRecipe(parsed: Parsed): Promise<Recipe> {
  const [file, preset] = [parsed.string('recipe'), parsed.string('preset')];
  if ((file === undefined) === (preset === undefined)) throw new UsageError('give one of --recipe and --preset.');
  return file === undefined ? recipeFromPreset(preset!) : recipeFromFile(file);
}

type Rank = 'local' | 'accumulated' | 'order';

function rankOf(text: string): Rank {
  if (text === 'local' || text === 'accumulated' || text === 'order') return text;
  throw new UsageError('--rank is local, accumulated or order.');
}

function table(result: LensResult, rank: Rank, top: number): string {
  const { layers, unmatched, samples, outputs } = result;
  const ranked = rank === 'order' ? layers : [...layers].sort((a, b) => a[rank].sqnrDb - b[rank].sqnrDb);
  const shown = top > 0 ? ranked.slice(0, top) : ranked;
  const rows = shown.map(({ name, opType, parameters, changed, local, accumulated }) => [
    name,
    opType,
    parameters > 0 ? parameters.toLocaleString('en') : '',
    changed ? decibels(local) : 'unchanged',
    decibels(accumulated),
    accumulated.cosine.toFixed(5),
    accumulated.maxAbs.toPrecision(3),
  ]);
  const head = ['layer', 'operator', 'parameters', 'alone', 'from the start', 'cosine', 'max error'];
  const lines = [formatTable([head, ...rows])];
  if (shown.length < layers.length) lines.push(`${layers.length - shown.length} more layers (--top 0 shows all).`);
  if (unmatched.count > 0)
    lines.push(
      `${unmatched.count} layers of the original have no value of the same name: ${unmatched.names.slice(0, 5).join(', ')}${unmatched.count > 5 ? ', ...' : ''}`,
    );
  for (const { name, ...figures } of outputs)
    lines.push(`Output ${name}: ${decibels(figures)}, cosine ${figures.cosine.toFixed(5)}`);
  lines.push(`${samples} ${originText(result.origin)}; signal to noise, higher is better.`);
  return lines.join('\n');
}

const decibels = ({ sqnrDb }: ErrorFigures) => (sqnrDb >= 200 ? 'exact' : `${sqnrDb.toFixed(1)} dB`);

export function originText(origin: LensResult['origin']): string {
  return {
    'calibration-split': 'calibration samples of the task',
    'task-inputs': 'inputs, the very ones that the task judges by',
    generated: 'generated inputs, which say little about real data',
  }[origin];
}
