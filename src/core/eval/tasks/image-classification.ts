/**
 * Classifying small grey images (Fashion-MNIST, Xiao et al. 2017, official test split): uint8 pixels, normalized with the
 * mean and deviation of the training images. Primary metric: top-1 accuracy.
 */
import { StudioError } from '../../base/errors/index.ts';
import type { JobContext } from '../../base/progress.ts';
import { argmax } from '../accuracy.ts';
import { gunzipIfNeeded } from '../arrays/unpack.ts';
import { float32Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { parseJson } from './parse-json.ts';

const ID = 'image-classification';
const INPUT = 'input';
const OUTPUT = 'logits';
const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Of Fashion-MNIST's training images on the 0..1 scale; the models were trained with them (see their card.json). */
const MEAN = 0.286;
const DEVIATION = 0.353;
const MAX_EXAMPLES = 20;

interface LabelledImage {
  /** 28 x 28, 0 to 255. */
  readonly pixels: Uint8Array;
  readonly label: number;
}

const top1: MetricDefinition = {
  id: 'top1',
  title: 'Images whose class is right (top-1 accuracy)',
  short: 'Top-1',
  direction: 'higher-is-better',
  format: 'percent',
  decimals: 1,
};

export const imageClassification: TaskDefinition = {
  id: ID,
  title: 'Classify Fashion-MNIST',
  async load(files: TaskFiles): Promise<Task> {
    const [evaluation, calibration, about] = await Promise.all([
      loadImages(files, 'test'),
      loadImages(files, 'calib'),
      files('about.json'),
    ]);
    const { classes } = parseJson(about, ID) as { classes: string[] };
    return {
      id: ID,
      title: imageClassification.title,
      metrics: [top1],
      sampleCount: evaluation.length,
      latencyFeeds: () => imageFeeds(calibration[0]!),
      async *calibrationFeeds() {
        for (const image of calibration) yield imageFeeds(image);
      },
      evaluate: (runner, job, limit) => evaluateImages(evaluation, classes, runner, job, limit),
    };
  },
};

async function loadImages(files: TaskFiles, split: string): Promise<LabelledImage[]> {
  const [images, labels] = await Promise.all([files(`${split}-images.bin.gz`), files(`${split}-labels.bin.gz`)]);
  const pixels = gunzipIfNeeded(images, ID);
  const classes = gunzipIfNeeded(labels, ID);
  if (pixels.length !== classes.length * PIXELS)
    throw new StudioError('task/data-missing', {
      task: ID,
      reason: `there are ${pixels.length} pixels for ${classes.length} images of ${PIXELS}`,
    });
  return Array.from(classes, (label, i) => ({ pixels: pixels.subarray(i * PIXELS, (i + 1) * PIXELS), label }));
}

async function evaluateImages(
  images: readonly LabelledImage[],
  classes: readonly string[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const sheet = new ScoreSheet();
  const examples: { expected: string; got: string }[] = [];
  const done = await evaluateEach(images, limit, job, async (image) => {
    const { values } = readOutput(await runner.run(imageFeeds(image)), OUTPUT, 2);
    const got = argmax(values);
    sheet.add(got === image.label ? 1 : 0, 1);
    if (got !== image.label && examples.length < MAX_EXAMPLES)
      examples.push({ expected: classes[image.label] ?? '', got: classes[got] ?? String(got) });
  });
  return { metrics: [sheet.value(top1)], scores: sheet.scores(), n: done.length, examples };
}

/** One image a run: see lineFeeds in ocr-recognition.ts. */
function imageFeeds({ pixels }: LabelledImage): Feeds {
  const values = Float32Array.from(pixels, (p) => (p / 255 - MEAN) / DEVIATION);
  return new Map([[INPUT, float32Tensor([1, 1, SIDE, SIDE], values)]]);
}
