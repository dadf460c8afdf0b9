import { findPreset, presets } from '../../core/recipe/presets.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { type ReportFormat, renderReport, reportFormatOf, reportFormats } from '../../core/report/render.ts';
import { overallVerdict } from '../../core/report/rows.ts';
import { reportText } from '../../core/report/text.ts';
import { runStudy } from '../../core/study/run.ts';
import { type Study, studySchema } from '../../core/study/schema.ts';
import { type OptionSpec, type Parsed, parseCommandLine, parseDrop, UsageError } from '../args.ts';
import { chooseModel, chosenTarget, modelFacts, targetOptions, taskOptions } from '../model-choice.ts';
import { createNodeHost, nodeEnvironment } from '../node-host.ts';
import { terminalJob } from '../progress.ts';
import { recipeFromFile, recipeFromPreset, studyFromLink } from '../recipes.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', multiple: true, value: 'FILE', help: 'a recipe.json; may be given several times' },
  preset: { type: 'string', multiple: true, value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  link: { type: 'string', value: 'URL', help: 'variants, task and gate of a link from the page' },
  ...taskOptions,
  samples: { type: 'string', value: 'N', help: 'how many samples to evaluate' },
  ...targetOptions,
  runs: { type: 'string', value: 'N', help: 'timed runs a variant (default 20)' },
  'max-drop': {
    type: 'string',
    value: 'DROP',
    help: 'the gate: 2%, 0.02, or abs:0.5 in the metric’s own unit (default 2%)',
  },
  report: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'write the report there; .html, .md, .csv, .json or .txt',
  },
  json: {
    type: 'string',
    value: 'REPORT',
    help: 'write the report as JSON ("-" for standard output instead of the table)',
  },
} satisfies Record<string, OptionSpec>;

export const compare: Command = {
  name: 'compare',
  usage:
    'whittle compare (MODEL | --sample ID) --recipe A --recipe B [--task NAME | --inputs FILE...] [--runs N] [--max-drop 2%] [--json REPORT]',
  summary: 'Builds, runs and evaluates variants side by side; exit code 1 unless the gate passes.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const written = parsed.strings('report').map((path) => ({ path, format: formatOf(path) }));
    const job = terminalJob();
    const link = parsed.string('link');
    const chosen = await chooseModel('compare', parsed, job, (modelKey) => {
      const study = link ? studyFromLink(link) : undefined;
      warnOfOtherModel(study, modelKey);
      return study;
    });
    const { file, modelKey, task, linked } = chosen;
    const study: Study = studySchema.parse({
      model: chosen.ref,
      variants: [baseline(linked), ...(await chosenRecipes(parsed, linked))],
      targets: [await chosenTarget(parsed)],
      task: task.ref,
      gate: {
        ...task.gate,
        ...linked?.gate,
        ...(parsed.string('max-drop') ? parseDrop(parsed.string('max-drop')!) : {}),
      },
      plan: {
        ...linked?.plan,
        latencyRuns: parsed.number('runs', linked?.plan.latencyRuns ?? 20, { min: 3, max: 1000, integer: true }),
      },
    });
    const report = await runStudy({
      study,
      host: createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims }),
      job,
      environment: nodeEnvironment(),
      model: await modelFacts(chosen),
    });
    job.done();
    for (const { path, format } of written) await writeTextFile(path, renderReport(report, format, { link }));
    const json = parsed.string('json');
    if (json === '-') process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else {
      if (json) await writeTextFile(json, `${JSON.stringify(report, null, 2)}\n`);
      process.stdout.write(`${reportText(report)}\n`);
    }
    // Too few samples is no pass either: a release must not go out because nobody could tell.
    return overallVerdict(report) === 'pass' ? 0 : 1;
  },
};

function formatOf(path: string): ReportFormat {
  const format = reportFormatOf(path);
  if (!format)
    throw new UsageError(
      `--report ${path}: its ending must be one of ${reportFormats.map((name) => `.${name}`).join(', ')}.`,
    );
  return format;
}

/** The original, with the runtime settings that the link has for it. */
function baseline(linked: Study | undefined): Recipe {
  const first = linked?.variants[0];
  return first?.steps.length === 0 ? first : findPreset('original')!.recipe;
}

function warnOfOtherModel(linked: Study | undefined, sha256: string): void {
  const model = linked?.model;
  if (model?.kind === 'file' && model.sha256 !== undefined && model.sha256 !== sha256)
    process.stderr.write(`The link was made for another model (${model.name}); its recipes are applied to this one.\n`);
}

async function chosenRecipes(parsed: Parsed, linked: Study | undefined): Promise<Recipe[]> {
  const recipes: Recipe[] = linked ? linked.variants.filter(({ steps }, index) => index > 0 || steps.length > 0) : [];
  for (const path of parsed.strings('recipe')) recipes.push(await recipeFromFile(path));
  for (const id of parsed.strings('preset')) recipes.push(recipeFromPreset(id));
  if (recipes.length === 0)
    throw new UsageError('nothing to compare with the original: give --recipe, --preset or --link.');
  if (recipes.length > 7)
    throw new UsageError(`at most seven variants beside the original; ${recipes.length} were given.`);
  return recipes;
}
