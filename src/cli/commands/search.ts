import { formatMetric } from '../../core/eval/format.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { type Objective, objectives, type SearchResult, searchStateSchema } from '../../core/search/results.ts';
import { runSearch } from '../../core/search/search.ts';
import { gateSchema } from '../../core/study/schema.ts';
import { type OptionSpec, type Parsed, parseCommandLine, parseDrop, UsageError } from '../args.ts';
import { formatBytes, formatChange, formatMs, formatTable } from '../format.ts';
import { chooseModel, chosenTarget, modelFacts, targetOptions, taskOptions } from '../model-choice.ts';
import { createNodeHost, nodeEnvironment } from '../node-host.ts';
import { terminalJob } from '../progress.ts';
import { readState, stateWriter } from '../state-file.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';

const options = {
  ...taskOptions,
  samples: { type: 'string', value: 'N', help: 'how many samples of the task to evaluate at most' },
  'max-drop': {
    type: 'string',
    value: 'DROP',
    help: 'the gate: 2%, 0.02, or abs:0.5 in the metric’s own unit (default: the task’s, else 2%)',
  },
  objective: { type: 'string', value: 'WHAT', help: 'size (default) or latency' },
  budget: { type: 'string', value: 'N', help: 'how many recipes to evaluate at most (default 24)' },
  'calibration-samples': { type: 'string', value: 'N', help: 'inputs for sensitivities (default 8)' },
  ...targetOptions,
  state: { type: 'string', value: 'FILE', help: 'keeps what was measured; a later run goes on from it' },
  recipe: { type: 'string', value: 'FILE', help: 'write the recommended recipe, for optimize --recipe' },
  json: {
    type: 'string',
    value: 'FILE',
    help: 'write the result as JSON ("-" for standard output instead of the table)',
  },
} satisfies Record<string, OptionSpec>;

export const search: Command = {
  name: 'search',
  usage:
    'whittle search (MODEL | --sample ID) [--task T] [--max-drop 2%] [--objective size|latency] [--budget N] [--state FILE] [--recipe FILE] [--json FILE]',
  summary: 'Finds the smallest or fastest recipe within the gate; exit code 1 when there is none.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const objective = chosenObjective(parsed);
    const budget = parsed.number('budget', 24, { min: 1, max: 10_000, integer: true });
    const drop = parsed.string('max-drop');
    const gate = drop === undefined ? undefined : parseDrop(drop);
    const target = await chosenTarget(parsed);
    const calibrationSamples = parsed.number('calibration-samples', 8, { min: 1, max: 10_000, integer: true });
    const statePath = parsed.string('state');
    const state = statePath ? await readState(statePath, searchStateSchema) : undefined;
    const job = terminalJob();
    const chosen = await chooseModel('search', parsed, job);
    const { file, modelKey, task } = chosen;
    const writer = statePath ? stateWriter(statePath) : undefined;
    let result: SearchResult;
    try {
      result = await runSearch({
        host: createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims }),
        job,
        environment: nodeEnvironment(),
        model: await modelFacts(chosen),
        task: task.ref,
        gate: gateSchema.parse({ ...task.gate, ...gate }),
        target,
        objective,
        budget,
        calibrationSamples,
        state,
        onUpdate: (update) => writer?.put(update.state),
      });
    } finally {
      await writer?.close();
    }
    job.done();
    await show(parsed, result);
    return result.recommended === null ? 1 : 0;
  },
};

function chosenObjective(parsed: Parsed): Objective {
  const text = parsed.string('objective') ?? 'size';
  const found = objectives.find((objective) => objective === text);
  if (!found) throw new UsageError('--objective is size or latency.');
  return found;
}

async function show(parsed: Parsed, result: SearchResult): Promise<void> {
  const recipePath = parsed.string('recipe');
  const recommended: Recipe | undefined =
    result.recommended === null ? undefined : result.report.variants[result.recommended]!.recipe;
  if (recipePath && recommended) await writeTextFile(recipePath, `${JSON.stringify(recommended, null, 2)}\n`);
  const json = parsed.string('json');
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (json === '-') {
    process.stdout.write(text);
    return;
  }
  if (json) await writeTextFile(json, text);
  process.stdout.write(`${table(result)}\n`);
}

const marks: Record<SearchResult['points'][number]['status'], string> = {
  original: 'original',
  open: 'not evaluated',
  passed: 'pass',
  failed: 'fail',
  inconclusive: 'inconclusive',
  broken: 'failed to run',
  skipped: 'skipped',
};

function table({ report, points, recommended, runnersUp, reason }: SearchResult): string {
  const [metric] = report.task.metrics;
  const originalBytes = report.variants[0]?.facts?.fileBytes ?? Number.NaN;
  const rows = points.map((point, index) => {
    const { recipe, facts, measurements } = report.variants[index]!;
    const value = measurements[0]?.evaluation?.metrics.find(({ metric: id }) => id === metric?.id)?.value;
    const latency = measurements[0]?.latency;
    const place = index === recommended ? '*' : runnersUp.includes(index) ? '+' : '';
    return [
      `${place} ${recipe.name}`.trimStart(),
      facts ? formatBytes(facts.fileBytes) : '',
      facts && index > 0 ? formatChange(facts.fileBytes, originalBytes) : '',
      value === undefined || !metric ? '' : formatMetric(value, metric),
      point.samples > 0 ? String(point.samples) : '',
      latency ? formatMs(latency.medianMs) : '',
      marks[point.status],
    ];
  });
  const head = ['recipe', 'size', 'change', metric?.short ?? 'metric', 'samples', 'median', 'gate'];
  return [formatTable([head, ...rows]), '', reason].join('\n');
}
