import { basename, dirname, extname, join } from 'node:path';
import type { Model } from '../../core/ir/types.ts';
import { needsCalibration } from '../../core/recipe/needs.ts';
import { operatorProfiles } from '../../core/recipe/operator-profile.ts';
import { presets } from '../../core/recipe/presets.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { fileSuffix } from '../../core/recipe/suffix.ts';
import type { CalibrationSource } from '../../core/step/define.ts';
import { buildVariant, saveFiles } from '../../core/study/variant.ts';
import { type OptionSpec, type Parsed, parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatChange, formatMs } from '../format.ts';
import { ledgerTable, proofText } from '../ledger-table.ts';
import { chosenPath } from '../model-choice.ts';
import { nodeExecutor, taskCalibration } from '../node-host.ts';
import { openModelFile } from '../open-model.ts';
import { terminalJob } from '../progress.ts';
import { chosenRecipe, studyFromLink, withOperatorChoices } from '../recipes.ts';
import type { FoundSample } from '../samples.ts';
import { temporaryStore } from '../store.ts';
import { chooseTask } from '../tasks.ts';
import { writeModelFiles, writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', value: 'FILE', help: 'a recipe.json' },
  preset: { type: 'string', value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  link: { type: 'string', value: 'URL', help: 'a link from the page' },
  variant: {
    type: 'string',
    value: 'NAME',
    help: 'which variant of the link (default: the first that is not the original)',
  },
  profile: {
    type: 'string',
    value: 'NAME',
    help: `which operators fusions may make: ${operatorProfiles.join(', ')} (default: as the recipe says)`,
  },
  for: {
    type: 'string',
    value: 'PROVIDER',
    help: 'execution provider whose kernels fusions must have: wasm, webgpu, webnn, cpu (default: any)',
  },
  sample: { type: 'string', value: 'ID', help: 'a sample model, instead of MODEL' },
  task: {
    type: 'string',
    value: 'NAME',
    help: "whose inputs calibrate, where a step needs them: a sample task, or random (default: the link's, else random)",
  },
  dim: { type: 'string', multiple: true, value: 'NAME=N', help: 'size of a free dimension of random inputs' },
  out: { type: 'string', short: 'o', value: 'OUT', help: 'where to write (default: beside the model, with a suffix)' },
  json: { type: 'string', value: 'REPORT', help: 'write what was done as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const optimize: Command = {
  name: 'optimize',
  usage:
    'whittle optimize (MODEL | --sample ID) (--recipe FILE | --preset NAME | --link URL) [--profile NAME] [--for PROVIDER] [--task NAME] [-o OUT] [--json REPORT]',
  summary: 'Applies a recipe and writes the variant.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const { path, sample } = await chosenPath('optimize', parsed);
    const chosen = await chosenRecipe(
      parsed.string('recipe'),
      parsed.string('preset'),
      parsed.string('link'),
      parsed.string('variant'),
    );
    const { recipe, notes } = withOperatorChoices(chosen, parsed.string('profile'), parsed.string('for'));
    const out = parsed.string('out') ?? defaultOutput(sample ? basename(path) : path, recipe);

    const job = terminalJob();
    const file = await openModelFile(path, job);
    const sourceSha256 = await file.sha256();
    const { model, facts } = await buildVariant({
      model: file.model,
      modelKey: sourceSha256,
      sourceSha256,
      recipe,
      job,
      store: temporaryStore(),
      executor: nodeExecutor(),
      calibration: await chosenCalibration(recipe, parsed, file.model, sample),
      now: () => performance.now(),
    });
    const files = await saveFiles(model, basename(out));
    const outputs = [out, ...files.externalData.map((data) => join(dirname(out), data.path))];
    const own = outputs.find((candidate) => file.reads(candidate));
    if (own !== undefined)
      throw new UsageError(`${own} is a file of the model itself and would be replaced; choose another name with -o.`);
    const written = await writeModelFiles(out, files, job);
    job.done();

    const report = parsed.string('json');
    const record = { format: 'whittle-build', version: 1, model: file.name, sourceSha256, recipe, facts, written };
    if (report === '-') process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
    else {
      if (report) await writeTextFile(report, `${JSON.stringify(record, null, 2)}\n`);
      process.stdout.write(`${[...notes, summary(facts, file.fileBytes, written)].join('\n')}\n`);
    }
    return 0;
  },
};

async function chosenCalibration(
  recipe: Recipe,
  parsed: Parsed,
  model: Model,
  sample: FoundSample | undefined,
): Promise<CalibrationSource | undefined> {
  if (!needsCalibration(recipe)) return undefined;
  const link = parsed.string('link');
  const task = await chooseTask({ parsed, model, sample, linked: link ? studyFromLink(link) : undefined });
  return taskCalibration(await task.prepare());
}

function defaultOutput(path: string, recipe: Recipe): string {
  const stem = basename(path, extname(path));
  return join(dirname(path), `${stem}${fileSuffix(recipe) || '_optimized'}.onnx`);
}

type Facts = Awaited<ReturnType<typeof buildVariant>>['facts'];

function summary(facts: Facts, sourceBytes: number, written: readonly string[]): string {
  const advisories = facts.advisories.map(({ level, message }) => `  ${level}: ${message}`);
  return [
    ledgerTable(facts.ledger),
    ...advisories,
    ...(facts.proof ? [`  proof: ${proofText(facts.proof)}`] : []),
    `${written.join(', ')}: ${formatBytes(facts.fileBytes)} (${formatChange(facts.fileBytes, sourceBytes)}), ${facts.nodes} nodes, ${formatMs(facts.buildMs)}`,
  ].join('\n');
}
