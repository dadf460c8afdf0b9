/** The tasks of our own models give the figures that their cards state, which another program computed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { scoreWindow } from '../../../../../src/core/eval/tasks/language-model.ts';
import type { Evaluation, Runner } from '../../../../../src/core/eval/types.ts';
import { expandHalfWeights } from '../../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../../src/core/onnx/write.ts';
import { collect, loadSampleTask, nodeRunner } from './support.ts';

const samples = fileURLToPath(new URL('../../../../../public/samples/', import.meta.url));
const cardOf = async (id: string) => JSON.parse(await readFile(join(samples, id, 'card.json'), 'utf8'));
const metricOf = (evaluation: Evaluation, id: string) => evaluation.metrics.find(({ metric }) => metric === id)!;

async function trained(id: string): Promise<Runner> {
  const path = join(samples, id, 'model.fp16w.onnx');
  const model = await readModel(memorySource(path, new Uint8Array(await readFile(path))));
  await expandHalfWeights(model);
  return nodeRunner(await modelToBytes(model));
}

describe('image classification', () => {
  it('agrees with the card within sampling', async () => {
    const task = await loadSampleTask('image-classification', 'fashion-data');
    expect(task.sampleCount).toBe(10_000);
    const evaluation = await task.evaluate(await trained('fashion-mobile'), quietJob, 2000);
    const [low, high] = metricOf(evaluation, 'top1').interval!;
    const { top1 } = (await cardOf('fashion-mobile')).metrics.fp32;
    expect(low).toBeLessThan(top1);
    expect(high).toBeGreaterThan(top1);
    expect(high - low).toBeLessThan(0.025);
    expect(evaluation.examples).toHaveLength(20);
  });
});

describe('language model', () => {
  it('bits per byte, perplexity and top-1 are those of the card', async () => {
    const task = await loadSampleTask('lm-draft', 'lm-data');
    const evaluation = await task.evaluate(await trained('lm-draft'), quietJob);
    const { fp32 } = (await cardOf('lm-draft')).metrics;
    const bits = metricOf(evaluation, 'bits-per-byte');
    expect(bits.value).toBeCloseTo(fp32.bits_per_byte, 4);
    expect(metricOf(evaluation, 'perplexity').value).toBeCloseTo(fp32.perplexity_per_token, 2);
    expect(metricOf(evaluation, 'top1').value).toBeCloseTo(fp32.top1, 3);
    expect(evaluation.n).toBe(fp32.windows);
    expect(evaluation.scores!.denominators.reduce((a, b) => a + b)).toBe(fp32.bytes);
    // The bootstrap's width against the card's standard error.
    const half = (bits.interval![1] - bits.interval![0]) / 2;
    expect(half / (1.984 * fp32.bits_per_byte_standard_error_over_windows)).toBeGreaterThan(0.8);
    expect(half / (1.984 * fp32.bits_per_byte_standard_error_over_windows)).toBeLessThan(1.2);
  });

  it('feeds every model the empty cache that it declares', async () => {
    for (const id of ['lm-target', 'lm-draft', 'lm-gpt2']) {
      const task = await loadSampleTask(id, 'lm-data');
      const { config } = await cardOf(id);
      const feeds = task.latencyFeeds();
      expect(feeds.size).toBe(2 + 2 * config.layers);
      expect(feeds.get('past_key_values.0.key')!.dims).toEqual([
        1,
        config.kv_heads ?? config.heads,
        0,
        config.head_dim,
      ]);
    }
  });

  it('scores worked logits', () => {
    // Two classes, logits (0, ln 3): probabilities 1/4 and 3/4. Targets 1 and 0: log2(4/3) + 2 bits, one of two right.
    const { bits, right } = scoreWindow([0, Math.log(3), 0, Math.log(3)], 2, [1, 0]);
    expect(bits).toBeCloseTo(Math.log2(4 / 3) + 2, 12);
    expect(right).toBe(1);
    expect(scoreWindow([1000, 0], 2, [0]).bits).toBeCloseTo(0, 12);
  });
});

describe('token tagging', () => {
  it('accuracy is that of the card', async () => {
    const task = await loadSampleTask('token-tagging', 'tagger');
    const evaluation = await task.evaluate(await trained('tagger'), quietJob);
    const { fp32 } = (await cardOf('tagger')).metrics;
    expect(metricOf(evaluation, 'token-accuracy').value).toBeCloseTo(fp32.token_accuracy, 3);
    expect(evaluation.scores!.denominators.reduce((a, b) => a + b)).toBe(fp32.words);
    expect((await collect(task.calibrationFeeds())).length).toBeGreaterThan(10);
  });
});
