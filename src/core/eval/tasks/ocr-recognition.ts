/**
 * Reading rendered lines of text with PP-OCR recognition models (PaddleOCR 2.7, tools/infer/predict_rec.py): BGR,
 * x / 127.5 - 1, height 48, width by aspect ratio; greedy CTC decoding. Primary metric: character error rate.
 */
import type { JobContext } from '../../base/progress.ts';
import { argmax } from '../accuracy.ts';
import { characterCount, editDistance } from '../character-error-rate.ts';
import { float32Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { type GreyImage, type Labelled, loadImagePack, resizeBilinear } from './image-pack.ts';

const ID = 'ocr-recognition';
const INPUT = 'x';
const OUTPUT = 'softmax_11.tmp_0';
const HEIGHT = 48;
/** PaddleOCR pads every line to at least this width; wider lines get the next multiple of `WIDTH_STEP`. */
const MIN_WIDTH = 320;
const WIDTH_STEP = 80;
const MAX_EXAMPLES = 20;

interface Line {
  readonly text: string;
}

const metrics = {
  cer: {
    id: 'cer',
    title: 'Character error rate',
    short: 'CER',
    direction: 'lower-is-better',
    format: 'percent',
    decimals: 2,
  },
  letters: {
    id: 'cer-without-spaces',
    title: 'Character error rate, spaces left out on both sides',
    short: 'CER without spaces',
    direction: 'lower-is-better',
    format: 'percent',
    decimals: 2,
  },
  exact: {
    id: 'exact-lines',
    title: 'Lines read without any error',
    short: 'Exact lines',
    direction: 'higher-is-better',
    format: 'percent',
    decimals: 1,
  },
} as const satisfies Record<string, MetricDefinition>;

export const ocrRecognition: TaskDefinition = {
  id: ID,
  title: 'Read rendered lines',
  async load(files: TaskFiles): Promise<Task> {
    const [evaluation, calibration, keys] = await Promise.all([
      loadImagePack<Line>(files, 'evaluation', ID),
      loadImagePack<Line>(files, 'calibration', ID),
      files('keys.txt'),
    ]);
    const alphabet = readAlphabet(new TextDecoder().decode(keys));
    return {
      id: ID,
      title: ocrRecognition.title,
      metrics: [metrics.cer, metrics.letters, metrics.exact],
      sampleCount: evaluation.length,
      latencyFeeds: () => lineFeeds(calibration.find((line) => paddedWidth(line) === MIN_WIDTH) ?? calibration[0]!),
      async *calibrationFeeds() {
        for (const line of calibration) yield lineFeeds(line);
      },
      evaluate: (runner, job, limit) => evaluateLines(evaluation, alphabet, runner, job, limit),
    };
  },
};

async function evaluateLines(
  lines: readonly Labelled<Line>[],
  alphabet: readonly string[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const cer = new ScoreSheet();
  const letters = new ScoreSheet();
  const exact = new ScoreSheet();
  const examples: { expected: string; got: string }[] = [];
  const done = await evaluateEach(lines, limit, job, async (line) => {
    const expected = line.label.text;
    const { dims, values } = readOutput(await runner.run(lineFeeds(line)), OUTPUT, 3);
    const got = decodeGreedy(values, dims[1]!, dims[2]!, alphabet);
    cer.add(editDistance(got, expected), characterCount(expected));
    const [gotLetters, expectedLetters] = [withoutSpaces(got), withoutSpaces(expected)];
    letters.add(editDistance(gotLetters, expectedLetters), characterCount(expectedLetters));
    exact.add(got === expected ? 1 : 0, 1);
    if (got !== expected && examples.length < MAX_EXAMPLES) examples.push({ expected, got });
  });
  return {
    metrics: [cer.value(metrics.cer), letters.value(metrics.letters), exact.value(metrics.exact)],
    scores: cer.scores(),
    n: done.length,
    examples,
  };
}

/** The model was trained on Chinese, which has no spaces, and drops some between English words. */
const withoutSpaces = (text: string) => text.replaceAll(' ', '');

/** Class 0 is CTC's blank, then one class a line of the keys file, then the space (PaddleOCR's use_space_char). */
export function readAlphabet(keys: string): string[] {
  return ['', ...keys.replace(/\r?\n$/, '').split(/\r?\n/), ' '];
}

/**
 * Greedy CTC: the best class of each step, repeats merged, blanks dropped.
 * @param values [1, steps, classes], probabilities or logits
 */
export function decodeGreedy(
  values: ArrayLike<number>,
  steps: number,
  classes: number,
  alphabet: readonly string[],
): string {
  let text = '';
  let previous = 0;
  for (let t = 0; t < steps; t++) {
    const best = argmax(values, t * classes, (t + 1) * classes);
    if (best > 0 && best !== previous) text += alphabet[best] ?? '';
    previous = best;
  }
  return text;
}

function scaledWidth(image: GreyImage): number {
  return Math.max(1, Math.ceil((HEIGHT * image.width) / image.height));
}

function paddedWidth(image: GreyImage): number {
  const beyond = Math.max(0, scaledWidth(image) - MIN_WIDTH);
  return MIN_WIDTH + Math.ceil(beyond / WIDTH_STEP) * WIDTH_STEP;
}

/**
 * One line a run: in a batch, dynamic quantization would take its ranges from all lines together, and a line's result
 * would depend on its neighbours. The padding is 0 after normalization, as in PaddleOCR.
 */
function lineFeeds(image: GreyImage): Feeds {
  const scaled = scaledWidth(image);
  const width = paddedWidth(image);
  const grey = resizeBilinear(image, scaled, HEIGHT);
  const plane = width * HEIGHT;
  const values = new Float32Array(3 * plane);
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < scaled; x++) values[y * width + x] = grey[y * scaled + x]! / 127.5 - 1;
  values.copyWithin(plane, 0, plane);
  values.copyWithin(2 * plane, 0, plane);
  return new Map([[INPUT, float32Tensor([1, 3, HEIGHT, width], values)]]);
}
