/**
 * Telling upright text from text upside down with PaddleOCR's direction classifier (PaddleOCR 2.7,
 * tools/infer/predict_cls.py): BGR, x / 127.5 - 1, height 48, width by aspect ratio up to 192, zeros to the right of it.
 */
import type { JobContext } from '../../base/progress.ts';
import { argmax } from '../accuracy.ts';
import { float32Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { type GreyImage, type Labelled, loadImagePack, resizeBilinear } from './image-pack.ts';

const ID = 'ocr-direction';
const INPUT = 'x';
const OUTPUT = 'softmax_0.tmp_0';
const HEIGHT = 48;
const WIDTH = 192;
const MAX_EXAMPLES = 20;
/** By class. */
const DEGREES = [0, 180] as const;

interface Snippet {
  readonly text: string;
  readonly degrees: number;
}

const accuracy: MetricDefinition = {
  id: 'accuracy',
  title: 'Snippets whose direction is right',
  short: 'Accuracy',
  direction: 'higher-is-better',
  format: 'percent',
  decimals: 1,
};

export const ocrDirection: TaskDefinition = {
  id: ID,
  title: 'Tell upright text from upside down',
  async load(files: TaskFiles): Promise<Task> {
    const [evaluation, calibration] = await Promise.all([
      loadImagePack<Snippet>(files, 'evaluation', ID),
      loadImagePack<Snippet>(files, 'calibration', ID),
    ]);
    return {
      id: ID,
      title: ocrDirection.title,
      metrics: [accuracy],
      sampleCount: evaluation.length,
      latencyFeeds: () => snippetFeeds(calibration[0]!),
      async *calibrationFeeds() {
        for (const snippet of calibration) yield snippetFeeds(snippet);
      },
      evaluate: (runner, job, limit) => evaluateSnippets(evaluation, runner, job, limit),
    };
  },
};

async function evaluateSnippets(
  snippets: readonly Labelled<Snippet>[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const sheet = new ScoreSheet();
  const examples: { expected: string; got: string }[] = [];
  const done = await evaluateEach(snippets, limit, job, async (snippet) => {
    const { text, degrees } = snippet.label;
    const { values } = readOutput(await runner.run(snippetFeeds(snippet)), OUTPUT, 2);
    const got = DEGREES[argmax(values)] ?? Number.NaN;
    sheet.add(got === degrees ? 1 : 0, 1);
    if (got !== degrees && examples.length < MAX_EXAMPLES)
      examples.push({ expected: `${text} (${degrees}°)`, got: `${got}°` });
  });
  return { metrics: [sheet.value(accuracy)], scores: sheet.scores(), n: done.length, examples };
}

function snippetFeeds(image: GreyImage): Feeds {
  const scaled = Math.min(WIDTH, Math.max(1, Math.ceil((HEIGHT * image.width) / image.height)));
  const grey = resizeBilinear(image, scaled, HEIGHT);
  const plane = WIDTH * HEIGHT;
  const values = new Float32Array(3 * plane);
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < scaled; x++) values[y * WIDTH + x] = grey[y * scaled + x]! / 127.5 - 1;
  values.copyWithin(plane, 0, plane);
  values.copyWithin(2 * plane, 0, plane);
  return new Map([[INPUT, float32Tensor([1, 3, HEIGHT, WIDTH], values)]]);
}
