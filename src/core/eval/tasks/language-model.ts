/**
 * Predicting the next token of a novel that the model has not seen. The text is cut into windows of tokens that do not
 * see each other; within one, every token but the first is scored. Primary metric: bits per byte, which unlike perplexity
 * does not depend on the tokenizer.
 */
import { StudioError } from '../../base/errors/index.ts';
import type { JobContext } from '../../base/progress.ts';
import type { HostTensor } from '../../step/define.ts';
import { argmax } from '../accuracy.ts';
import { gunzipIfNeeded } from '../arrays/unpack.ts';
import { float32Tensor, int64Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { parseJson } from './parse-json.ts';

const OUTPUT = 'logits';

/** Shape of the key-value cache: past_key_values.N.{key,value} are [1, heads, past, width]. */
export interface CacheShape {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

/** Window i reads ids[i W .. i W + W) and is scored on ids[i W + 1 .. i W + W + 1). */
interface Window {
  readonly inputs: readonly number[];
  readonly targets: readonly number[];
}

const metrics = {
  bits: {
    id: 'bits-per-byte',
    title: 'Bits per byte of unseen text',
    short: 'Bits/byte',
    direction: 'lower-is-better',
    format: 'decimal',
    decimals: 4,
  },
  perplexity: {
    id: 'perplexity',
    title: 'Perplexity per token',
    short: 'Perplexity',
    direction: 'lower-is-better',
    format: 'decimal',
    decimals: 2,
  },
  top1: {
    id: 'top1',
    title: 'Tokens guessed at the first try',
    short: 'Top-1',
    direction: 'higher-is-better',
    format: 'percent',
    decimals: 1,
  },
} as const satisfies Record<string, MetricDefinition>;

/** @param id also names the model: the task feeds its empty cache */
export function languageModel(id: string, cache: CacheShape): TaskDefinition {
  const title = 'Predict an unseen novel';
  return {
    id,
    title,
    async load(files: TaskFiles): Promise<Task> {
      const [windows, evaluationIds, calibrationIds, tokenizer] = await Promise.all([
        files('windows.json'),
        files('persuasion-eval.ids.bin.gz'),
        files('calib.ids.bin.gz'),
        files('tokenizer.json'),
      ]);
      const plan = parseJson(windows, id) as Record<string, { windows: number; window_tokens: number }>;
      const width = plan['persuasion-eval']!.window_tokens;
      const evaluation = cutWindows(readIds(evaluationIds, id), width);
      const calibration = cutWindows(readIds(calibrationIds, id), width);
      if (evaluation.length !== plan['persuasion-eval']!.windows)
        throw new StudioError('task/data-missing', {
          task: id,
          reason: `there are ${evaluation.length} windows of ${width} tokens`,
        });
      const tokenBytes = bytesOfTokens(parseJson(tokenizer, id));
      return {
        id,
        title,
        metrics: [metrics.bits, metrics.perplexity, metrics.top1],
        sampleCount: evaluation.length,
        latencyFeeds: () => windowFeeds(calibration[0]!, cache),
        async *calibrationFeeds() {
          for (const window of calibration) yield windowFeeds(window, cache);
        },
        evaluate: (runner, job, limit) => evaluateWindows(evaluation, tokenBytes, cache, runner, job, limit),
      };
    },
  };
}

/** uint16, little-endian. */
function readIds(packed: Uint8Array, task: string): number[] {
  const bytes = gunzipIfNeeded(packed, task);
  return Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i]! + 256 * bytes[2 * i + 1]!);
}

/** The last window may have one target less than inputs; it then feeds one token less. */
function cutWindows(ids: readonly number[], width: number): Window[] {
  return Array.from({ length: Math.floor(ids.length / width) }, (_, i) => {
    const targets = ids.slice(i * width + 1, (i + 1) * width + 1);
    return { inputs: ids.slice(i * width, i * width + targets.length), targets };
  });
}

/** Byte-level BPE (GPT-2): each character of a token in the vocabulary stands for one byte. */
function bytesOfTokens(tokenizer: unknown): ReadonlyMap<number, number> {
  const { model } = tokenizer as { model: { vocab: Record<string, number> } };
  return new Map(Object.entries(model.vocab).map(([token, id]) => [id, Array.from(token).length]));
}

async function evaluateWindows(
  windows: readonly Window[],
  tokenBytes: ReadonlyMap<number, number>,
  cache: CacheShape,
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const bitsPerByte = new ScoreSheet();
  const bitsPerToken = new ScoreSheet();
  const top1 = new ScoreSheet();
  const done = await evaluateEach(windows, limit, job, async (window) => {
    const { dims, values } = readOutput(await runner.run(windowFeeds(window, cache)), OUTPUT, 3);
    const { bits, right } = scoreWindow(values, dims[2]!, window.targets);
    const bytes = window.targets.reduce((sum, id) => sum + (tokenBytes.get(id) ?? 0), 0);
    bitsPerByte.add(bits, bytes);
    bitsPerToken.add(bits, window.targets.length);
    top1.add(right, window.targets.length);
  });
  const perToken = bitsPerToken.value(metrics.perplexity);
  return {
    metrics: [
      bitsPerByte.value(metrics.bits),
      // Perplexity rises with bits per token, so its interval is that one's, raised alike.
      {
        ...perToken,
        value: 2 ** perToken.value,
        interval: perToken.interval && [2 ** perToken.interval[0], 2 ** perToken.interval[1]],
      },
      top1.value(metrics.top1),
    ],
    scores: bitsPerByte.scores(),
    n: done.length,
  };
}

/**
 * @param logits [1, tokens, classes]
 * @returns -log2 of the probability of all targets together, and how many had the highest
 */
export function scoreWindow(
  logits: ArrayLike<number>,
  classes: number,
  targets: readonly number[],
): { readonly bits: number; readonly right: number } {
  let nats = 0;
  let right = 0;
  for (const [t, target] of targets.entries()) {
    const start = t * classes;
    const best = argmax(logits, start, start + classes);
    if (best === target) right += 1;
    const peak = logits[start + Math.max(0, best)]!;
    let sum = 0;
    for (let k = start; k < start + classes; k++) sum += Math.exp(logits[k]! - peak);
    nats += peak + Math.log(sum) - logits[start + target]!;
  }
  return { bits: nats / Math.LN2, right };
}

function windowFeeds({ inputs }: Window, { layers, heads, width }: CacheShape): Feeds {
  const dims = [1, inputs.length];
  const feeds = new Map<string, HostTensor>([
    ['input_ids', int64Tensor(dims, inputs)],
    [
      'attention_mask',
      int64Tensor(
        dims,
        inputs.map(() => 1),
      ),
    ],
  ]);
  const empty = float32Tensor([1, heads, 0, width], new Float32Array(0));
  for (let layer = 0; layer < layers; layer++)
    for (const part of ['key', 'value']) feeds.set(`past_key_values.${layer}.${part}`, empty);
  return feeds;
}
