import { defaultCandidateSettings, defaultCandidates } from '../../core/precision/candidates.ts';
import { sensitivityOfModel } from '../../core/precision/of-recipe.ts';
import {
  type CandidateId,
  candidateIds,
  type SensitivityResult,
  sensitivityResultSchema,
} from '../../core/precision/results.ts';
import { type OptionSpec, type Parsed, parseCommandLine, UsageError } from '../args.ts';
import { formatBytes, formatTable } from '../format.ts';
import { chooseModel, taskOptions } from '../model-choice.ts';
import { nodeExecutor, taskCalibration } from '../node-host.ts';
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
  usage: 'whittle sensitivity (MODEL | --sample ID) [--task NAME] [--candidates 2,4,8] [--state FILE] [--json FILE]',
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
    const state = parsed.string('state');
    const resume = state ? await readState(state, sensitivityResultSchema) : undefined;
    const job = terminalJob();
    const { file, modelKey, task } = await chooseModel('sensitivity', withoutSamples(parsed), job);
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
      job.done();
      await show(parsed, result, top);
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

async function show(parsed: Parsed, result: SensitivityResult, top: number): Promise<void> {
  const json = parsed.string('json');
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (json === '-') {
    process.stdout.write(text);
    return;
  }
  if (json) await writeTextFile(json, text);
  process.stdout.write(`${table(result, top)}\n`);
}

function table(result: SensitivityResult, top: number): string {
  const { candidates, layers, lossKind, samples } = result;
  const others = candidates.filter((id) => id !== 'keep');
  const worst = (layer: SensitivityResult['layers'][number]) => Math.max(...layer.points.map(({ loss }) => loss));
  const ranked = [...layers].sort((a, b) => worst(b) - worst(a));
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
