import { presets } from '../../core/recipe/presets.ts';
import { targetLabel } from '../../core/study/run.ts';
import { runPlanSchema } from '../../core/study/schema.ts';
import { type Effect, measureSteps, type StepLatency, type TimedFile } from '../../core/study/step-latency.ts';
import { type OptionSpec, parseCommandLine } from '../args.ts';
import { formatBytes, formatMs, formatTable } from '../format.ts';
import { ledgerTable } from '../ledger-table.ts';
import { chooseModel, chosenTarget, targetOptions, taskOptions } from '../model-choice.ts';
import { createNodeHost } from '../node-host.ts';
import { terminalJob } from '../progress.ts';
import { chosenRecipe } from '../recipes.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  recipe: { type: 'string', value: 'FILE', help: 'a recipe.json' },
  preset: { type: 'string', value: 'NAME', help: presets.map(({ id }) => id).join(', ') },
  link: { type: 'string', value: 'URL', help: 'a link from the page' },
  ...taskOptions,
  ...targetOptions,
  runs: { type: 'string', value: 'N', help: 'timed runs of each file (default 20; fewer where they take long)' },
  json: { type: 'string', value: 'FILE', help: 'write all of it as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const waterfall: Command = {
  name: 'waterfall',
  usage:
    'whittle waterfall (MODEL | --sample ID) (--recipe FILE | --preset NAME | --link URL) [--runs N] [--json FILE]',
  summary: 'What each step of a recipe bought in latency: cumulated in its order, and alone.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const recipe = await chosenRecipe(parsed.string('recipe'), parsed.string('preset'), parsed.string('link'));
    const latencyRuns = parsed.number('runs', 20, { min: 3, max: 1000, integer: true });
    const target = await chosenTarget(parsed);
    const job = terminalJob();
    const { file, modelKey, task } = await chooseModel('waterfall', parsed, job);
    const host = createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims });
    const result = await measureSteps({ host, recipe, target, plan: runPlanSchema.parse({ latencyRuns }), job });
    const { ledger } = (await host.build(recipe, job)).facts;
    job.done();
    const json = parsed.string('json');
    const whole = `${JSON.stringify({ format: 'whittle-waterfall', version: 1, recipe, ...result, ledger }, null, 2)}\n`;
    if (json === '-') process.stdout.write(whole);
    else {
      if (json) await writeTextFile(json, whole);
      process.stdout.write(`${ledgerTable(ledger)}\n\n${report(recipe.name, result)}\n`);
    }
    return 0;
  },
};

function report(name: string, { target, engine, threads, files, steps, total, groups }: StepLatency): string {
  const [original] = files;
  const lines = [
    `${name} on ${targetLabel(target)}: ${engine.name} ${engine.version}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    `${files.length} files took turns${groups > 1 ? ` in ${groups} groups, the original in each` : ''}; median (5 to 95 %), n runs`,
  ];
  if (!total) return [...lines, `  Original ${timeText(original!)}`, '  No step changed anything.'].join('\n');
  const rows = steps.map(({ title, fired, cumulated, alone }) => [
    `  + ${title}`,
    `${fired} x`,
    timeText(files[cumulated.file]!),
    effectText(cumulated),
    alone ? `${effectText(alone)}${aloneNote(alone, fired)}` : 'nothing to do alone',
  ]);
  const head = ['  file', 'changes', 'latency so far', 'against the line above', 'alone'];
  return [
    ...lines,
    formatTable([head, ['  Original', '', timeText(original!), '', ''], ...rows], 'left'),
    `  All steps: ${effectText(total)}${total.baselineMs === null ? '' : ` against ${formatMs(total.baselineMs)} of the original in the same turns`}, ${formatBytes(original!.fileBytes)} -> ${formatBytes(files[total.file]!.fileBytes)}`,
    '  What a step buys in its place depends on the steps before it: another order, other figures. Effects alone do not add up.',
  ].join('\n');
}

function timeText({ latency, error }: TimedFile): string {
  if (!latency) return `failed: ${error?.message ?? 'not measured'}`;
  const { medianMs, p5Ms, p95Ms, runs } = latency;
  return `${formatMs(medianMs)} (${formatMs(p5Ms)} to ${formatMs(p95Ms)}), n ${runs}`;
}

function effectText({ deltaMs, difference }: Effect): string {
  if (deltaMs === null) return 'not known';
  const text = `${deltaMs < 0 ? '-' : '+'}${formatMs(Math.abs(deltaMs))}`;
  return difference === 'within noise' ? `${text}, inside the noise` : text;
}

function aloneNote({ fired, needed }: { fired: number; needed: readonly string[] }, all: number): string {
  const after = needed.length > 0 ? `after ${listed(needed)}` : '';
  const less = fired === all ? '' : `${fired} of ${all} x`;
  const note = [after, less].filter((text) => text !== '').join(', ');
  return note === '' ? '' : ` (${note})`;
}

const listed = (titles: readonly string[]): string =>
  titles.length > 3 ? `${titles.slice(0, 2).join(', ')} and ${titles.length - 2} more` : titles.join(', ');
