/**
 * Our own models reach, by the command line's path and onnxruntime-web's WASM, the fp32 figures that training computed
 * with onnxruntime in Python and wrote into their cards.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../../src/cli/args.ts';
import { createNodeHost, nodeEnvironment } from '../../../src/cli/node-host.ts';
import { openModelFile } from '../../../src/cli/open-model.ts';
import { findSample, listSamples } from '../../../src/cli/samples.ts';
import { chooseTask } from '../../../src/cli/tasks.ts';
import { quietJob } from '../../../src/core/base/progress.ts';
import { findPreset } from '../../../src/core/recipe/presets.ts';
import type { TargetMeasurement } from '../../../src/core/study/results.ts';
import { runStudy } from '../../../src/core/study/run.ts';
import { studySchema } from '../../../src/core/study/schema.ts';

interface Golden {
  readonly id: string;
  /** In the report, and in the card's metrics.fp32. */
  readonly metrics: readonly { readonly name: string; readonly inCard: string; readonly within: number }[];
  /** The 10,000 images take a minute a model: the first so many, and the card's figure must lie in their interval. */
  readonly limit?: number;
}

// Another runtime adds in another order, so logits differ by about 1e-5: a near tie may fall the other way now and then.
const bitsPerByte = { name: 'bits-per-byte', inCard: 'bits_per_byte', within: 2e-5 };
const perplexity = { name: 'perplexity', inCard: 'perplexity_per_token', within: 1e-3 };
const nextToken = { name: 'top1', inCard: 'top1', within: 3 / 25_600 };
const language = [bitsPerByte, perplexity, nextToken];
const image = [{ name: 'top1', inCard: 'top1', within: 2 / 10_000 }];

const golden: readonly Golden[] = [
  { id: 'fashion-mobile', metrics: image, limit: 3000 },
  { id: 'fashion-resnet', metrics: image, limit: 1000 },
  { id: 'fashion-vit', metrics: image, limit: 1000 },
  { id: 'lm-target', metrics: language },
  { id: 'lm-outlier', metrics: language },
  { id: 'lm-gpt2', metrics: language },
  { id: 'lm-draft', metrics: language },
  { id: 'tagger', metrics: [{ name: 'token-accuracy', inCard: 'token_accuracy', within: 2 / 8_742 }] },
];

/** What `whittle compare --sample ID --provider wasm --threads 2` does, for the original alone. */
async function measure(id: string, limit: number | undefined): Promise<TargetMeasurement> {
  const sample = await findSample(id);
  const file = await openModelFile(sample.modelPath, quietJob);
  const modelKey = await file.sha256();
  const limitOption = { samples: { type: 'string', help: '' } } as const;
  const parsed = parseCommandLine(limit === undefined ? [] : ['--samples', String(limit)], limitOption);
  const task = await chooseTask({ parsed, model: file.model, sample, linked: undefined });
  const study = studySchema.parse({
    model: { kind: 'sample', id },
    variants: [findPreset('original')!.recipe],
    targets: [{ provider: 'wasm', threads: 2 }],
    task: task.ref,
    plan: { warmupRuns: 0, latencyRuns: 3 },
  });
  const host = createNodeHost({ file, modelKey, task: task.prepare, dims: task.dims });
  const report = await runStudy({
    study,
    host,
    job: quietJob,
    environment: nodeEnvironment(),
    model: { ref: study.model, name: id, sha256: modelKey, fileBytes: file.fileBytes, ...task.modelFacts },
  });
  return report.variants[0]!.measurements[0]!;
}

async function cardOf(id: string): Promise<{ params: number; metrics: { fp32: Record<string, number> } }> {
  const { modelPath } = await findSample(id);
  return JSON.parse(await readFile(join(dirname(modelPath), 'card.json'), 'utf8'));
}

test('every model with a card is here', async () => {
  const ours = (await listSamples()).filter(({ packagePath }) => packagePath === undefined);
  expect(golden.map(({ id }) => id).sort()).toEqual(ours.map(({ id }) => id).sort());
});

describe.each(golden)('$id', ({ id, metrics, limit }) => {
  test(limit ? `the card's figure is in the interval of ${limit} samples` : 'the figure is the card’s', async () => {
    const { fp32 } = (await cardOf(id)).metrics;
    const { error, evaluation } = await measure(id, limit);
    expect(error).toBeNull();
    expect(evaluation!.n).toBe(limit ?? fp32.n ?? fp32.windows ?? fp32.sentences);
    for (const { name, inCard, within } of metrics) {
      const figure = evaluation!.metrics.find(({ metric }) => metric === name)!;
      console.log(`${id}: ${name} ${figure.value.toFixed(6)}, card ${fp32[inCard]}, n ${evaluation!.n}`);
      if (limit) {
        const [low, high] = figure.interval!;
        expect(low).toBeLessThan(fp32[inCard]!);
        expect(high).toBeGreaterThan(fp32[inCard]!);
        expect(high - low).toBeLessThan(0.04);
      } else expect(Math.abs(figure.value - fp32[inCard]!)).toBeLessThanOrEqual(within);
    }
  }, 240_000);
});
