/**
 * Finding lines of text on pages with PaddleOCR's DB detector (PaddleOCR 2.7, tools/infer/predict_det.py): ImageNet mean
 * and deviation on x / 255, sides a multiple of 32 (the pages are), boxes as text-boxes.ts makes them. F1 at IoU .75 is
 * the primary metric: at .5 nearly everything matches, however blurred the map has become.
 */
import type { JobContext } from '../../base/progress.ts';
import { detectionF1Terms, matchBoxes, type Polygon } from '../detection-f1.ts';
import { float32Tensor } from '../host-tensors.ts';
import type { Evaluation, Feeds, MetricDefinition, Runner, Task, TaskDefinition, TaskFiles } from '../types.ts';
import { evaluateEach, readOutput, ScoreSheet } from './evaluate-samples.ts';
import { type GreyImage, type Labelled, loadImagePack } from './image-pack.ts';
import { findTextBoxes } from './text-boxes.ts';

const ID = 'ocr-detection';
const INPUT = 'x';
const OUTPUT = 'sigmoid_0.tmp_0';
/** Of ImageNet, in the order in which PaddleOCR applies them to BGR. */
const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;
const MAX_EXAMPLES = 20;

interface Page {
  /** Corners of each line's box, in pixels, going around it. */
  readonly boxes: readonly (readonly (readonly [x: number, y: number])[])[];
}

const f1At = (threshold: number): MetricDefinition => ({
  id: `f1-iou${threshold * 100}`,
  title: `F1 of found lines, boxes overlapping by ${threshold} (IoU) or more`,
  short: `F1 at IoU ${threshold}`,
  direction: 'higher-is-better',
  format: 'decimal',
  decimals: 3,
});
const THRESHOLDS = [0.75, 0.5] as const;
const metrics = THRESHOLDS.map(f1At);

export const ocrDetection: TaskDefinition = {
  id: ID,
  title: 'Find lines on hard pages',
  async load(files: TaskFiles): Promise<Task> {
    const [evaluation, calibration] = await Promise.all([
      loadImagePack<Page>(files, 'evaluation', ID),
      loadImagePack<Page>(files, 'calibration', ID),
    ]);
    return {
      id: ID,
      title: ocrDetection.title,
      metrics,
      sampleCount: evaluation.length,
      latencyFeeds: () => pageFeeds(calibration[0]!),
      async *calibrationFeeds() {
        for (const page of calibration) yield pageFeeds(page);
      },
      evaluate: (runner, job, limit) => evaluatePages(evaluation, runner, job, limit),
    };
  },
};

async function evaluatePages(
  pages: readonly Labelled<Page>[],
  runner: Runner,
  job: JobContext,
  limit: number | undefined,
): Promise<Evaluation> {
  const sheets = THRESHOLDS.map(() => new ScoreSheet());
  const examples: { expected: string; got: string }[] = [];
  const done = await evaluateEach(pages, limit, job, async (page, index) => {
    const { dims, values } = readOutput(await runner.run(pageFeeds(page)), OUTPUT, 4);
    const found = findTextBoxes(values, dims[3]!, dims[2]!);
    const expected = page.label.boxes.map((box): Polygon => box.map(([x, y]) => ({ x, y })));
    for (const [k, threshold] of THRESHOLDS.entries()) {
      const { numerator, denominator } = detectionF1Terms(matchBoxes(found, expected, threshold));
      sheets[k]!.add(numerator, denominator);
    }
    const { matched } = matchBoxes(found, expected, THRESHOLDS[0]);
    if (matched < expected.length && examples.length < MAX_EXAMPLES)
      examples.push({
        expected: `page ${index + 1}: ${expected.length} lines`,
        got: `${found.length} boxes, ${matched} of them right at IoU ${THRESHOLDS[0]}`,
      });
  });
  return {
    metrics: sheets.map((sheet, k) => sheet.value(metrics[k]!)),
    scores: sheets[0]!.scores(),
    n: done.length,
    examples,
  };
}

function pageFeeds(page: GreyImage): Feeds {
  const plane = page.width * page.height;
  const values = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++)
    for (let i = 0; i < plane; i++)
      values[channel * plane + i] = (page.pixels[i]! / 255 - MEAN[channel]!) / DEVIATION[channel]!;
  return new Map([[INPUT, float32Tensor([1, 3, page.height, page.width], values)]]);
}
