import type { JobContext } from '../../core/base/progress.ts';
import { formatAmount, formatMetric, formatSampleCount } from '../../core/eval/format.ts';
import { defaultCandidateSettings, defaultCandidates } from '../../core/precision/candidates.ts';
import { sensitivityOfModel } from '../../core/precision/of-recipe.ts';
import {
  type CandidateId,
  candidateIds,
  type SensitivityResult,
  sensitivityResultSchema,
} from '../../core/precision/results.ts';
import { bySensitivity, type LayerMetricResult, measureLayerMetric } from '../../core/search/layer-metric.ts';
import { gateSchema, type Target } from '../../core/study/schema.ts';
import { type OptionSpec, type Parsed, parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatTable } from '../format.ts';
import { type ChosenModel, chooseModel, chosenTarget, targetOptions, taskOptions } from '../model-choice.ts';
import { createNodeHost, nodeExecutor, taskCalibration } from '../node-host.ts';
import { terminalJob } from '../progress.ts';
import { readState, stateWriter } from '../state-file.ts';
import { temporaryStore } from '../store.ts';
import { writeTextFile } from '../write-model.ts';
import type { Command } from './command.ts';
import { originText, withoutSamples } from './lens.ts';

const options = {
  ...taskOptions,
  candidates: {
    type: 'string',
    value: 'LIST',
    help: `what each layer is stored in, separated by commas: ${candidateIds.filter((id) => id !== 'keep').join(', ')} (default ${defaultCandidates.join(',')})`,
  },
  'block-size': { type: 'string', value: 'N', help: 'of 2 to 8 bits (default 32)' },
  samples: { type: 'string', value: 'N', help: 'how many calibration inputs to run (default 8)' },
  metric: {
    type: 'boolean',
    help: 'also the effect on the task’s metric, each layer alone in a variant of its own: minutes rather than seconds',
  },
  'metric-layers': { type: 'string', value: 'N', help: 'for --metric: only the N most sensitive layers (default 10)' },
  'metric-samples': { type: 'string', value: 'N', help: 'for --metric: samples of the task at most (default all)' },
  ...targetOptions,
  top: { type: 'string', value: 'N', help: 'show only the first so many layers (default 40; 0: all)' },
  state: {
    type: 'string',
    value: 'FILE',
    help: 'keeps what was measured; a later run with the same settings goes on from it',
  },
  json: { type: 'string', value: 'FILE', help: 'write all of it as JSON ("-" for standard output)' },
} satisfies Record<string, OptionSpec>;

export const sensitivity: Command = {
  name: 'sensitivity',
  usage:
    'whittle sensitivity (MODEL | --sample ID) [--task NAME] [--candidates 2,4,8] [--metric] [--state FILE] [--json FILE]',
  summary: 'Each layer alone in fewer bits: what that does to its output and to the model’s, most sensitive first.',
  options,
  run: async (args) => {
    const parsed = parseCommandLine(args, options);
    const candidates = chosenCandidates(parsed);
    const blockSize = parsed.number('block-size', defaultCandidateSettings.blockSize, {
      min: 16,
      max: 256,
      integer: true,
    });
    const maxSamples = parsed.number('samples', 8, { min: 1, max: 10_000, integer: true });
    const top = parsed.number('top', 40, { min: 0, max: 1_000_000, integer: true });
    const wanted = await metricOptions(parsed);
    const state = parsed.string('state');
    const resume = state ? await readState(state, sensitivityResultSchema) : undefined;
    const job = terminalJob();
    const chosen = await chooseModel('sensitivity', withoutSamples(parsed), job);
    const { file, modelKey, task } = chosen;
    const prepared = await task.prepare();
    const writer = state ? stateWriter(state) : undefined;
    try {
      const result = await sensitivityOfModel({
        model: file.model,
        modelKey,
        inputsKey: prepared.key,
        executor: nodeExecutor(),
        store: temporaryStore(),
        source: taskCalibration(prepared),
        candidates,
        settings: { blockSize },
        maxSamples,
        resume,
        onPartial: (partial) => writer?.put(partial),
        job,
      });
      writer?.put(result);
      const metric = wanted && (await metricOf(chosen, result, wanted, job));
      job.done();
      await show(parsed, result, top, metric);
    } finally {
      await writer?.close();
    }
    return 0;
  },
};

function chosenCandidates(parsed: Parsed): readonly CandidateId[] {
  const list = parsed.string('candidates')?.split(',');
  if (!list) return defaultCandidates;
  return list.map((text) => {
    const found = candidateIds.find((id) => id === text.trim() && id !== 'keep');
    if (!found)
      throw new UsageError(
        `--candidates are ${candidateIds.filter((id) => id !== 'keep').join(', ')}; one was "${text}".`,
      );
    return found;
  });
}

interface MetricOptions {
  readonly layers: number;
  readonly samples: number | undefined;
  readonly target: Target;
}

/** @returns undefined without --metric */
async function metricOptions(parsed: Parsed): Promise<MetricOptions | undefined> {
  const names = ['metric-layers', 'metric-samples'].filter((name) => parsed.string(name) !== undefined);
  if (!parsed.flag('metric')) {
    if (names.length > 0) throw new UsageError(`--${names[0]} goes with --metric.`);
    return undefined;
  }
  const range = { min: 1, max: 1_000_000, integer: true };
  return {
    layers: parsed.number('metric-layers', 10, range),
    samples: parsed.string('metric-samples') === undefined ? undefined : parsed.number('metric-samples', 1, range),
    target: await chosenTarget(parsed),
  };
}

function metricOf(
  { file, modelKey, task }: ChosenModel,
  sensitivity: SensitivityResult,
  options: MetricOptions,
  job: JobContext,
): Promise<LayerMetricResult> {
  const host = createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims });
  return measureLayerMetric({ ...options, host, job, gate: gateSchema.parse(task.gate ?? {}), sensitivity });
}

async function show(
  parsed: Parsed,
  result: SensitivityResult,
  top: number,
  metric: LayerMetricResult | undefined,
): Promise<void> {
  const json = parsed.string('json');
  const text = `${JSON.stringify(metric ? { ...result, metric } : result, null, 2)}\n`;
  if (json === '-') {
    process.stdout.write(text);
    return;
  }
  if (json) await writeTextFile(json, text);
  process.stdout.write(`${table(result, top)}\n`);
  if (metric) process.stdout.write(`\n${metricTable(metric)}\n`);
}

function metricTable({ metric, mode, original, samples, points }: LayerMetricResult): string {
  const amount = (value: number) => formatAmount(value, mode, metric);
  const rows = points.map(({ layer, candidate, value, worse, worseInterval, error }) => [
    layer,
    candidate,
    value === null ? '' : formatMetric(value, metric),
    worse === null ? (error ?? '') : amount(worse),
    worseInterval ? `${amount(worseInterval[0])} to ${amount(worseInterval[1])}` : '',
  ]);
  return [
    formatTable([['layer alone', 'in', metric.short, 'worse by', 'between'], ...rows]),
    `${metric.title}: the original has ${formatMetric(original, metric)}, on ${formatSampleCount(samples)}.`,
  ].join('\n');
}

function table(result: SensitivityResult, top: number): string {
  const { candidates, layers, lossKind, samples } = result;
  const others = candidates.filter((id) => id !== 'keep');
  const ranked = bySensitivity(layers);
  const shown = top > 0 ? ranked.slice(0, top) : ranked;
  const head = ['layer', 'operator', 'bytes', ...others.flatMap((id) => [`${id}: loss`, 'alone'])];
  const rows = shown.map(({ name, opType, weightBytes, points }) => [
    name,
    opType,
    formatBytes(weightBytes),
    ...others.flatMap((id) => {
      const point = points.find(({ candidate }) => candidate === id);
      return point ? [point.loss.toPrecision(2), `${point.localSqnrDb.toFixed(1)} dB`] : ['', ''];
    }),
  ]);
  const lines = [formatTable([head, ...rows])];
  if (shown.length < layers.length) lines.push(`${layers.length - shown.length} more layers (--top 0 shows all).`);
  const loss =
    lossKind === 'kl'
      ? 'mean KL divergence of the outputs, nats'
      : 'squared error of the outputs over their squared size';
  lines.push(`loss: ${loss}. alone: signal to noise of the layer itself. ${samples} ${originText(result.origin)}.`);
  return lines.join('\n');
}
