// Every model that we trained, from the file that ships, in Chromium: on WASM, and on WebGPU with the numbers of WASM.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadTask } from '../../src/core/eval/tasks/load-task.ts';
import type { Feeds } from '../../src/core/eval/types.ts';
import type { DType } from '../../src/core/ir/dtype.ts';
import { simplifySteps } from '../../src/core/recipe/presets.ts';
import type { Report } from '../../src/core/study/results.ts';
import { type Sample, sampleIndexSchema } from '../../src/core/study/samples.ts';
import { studySchema } from '../../src/core/study/schema.ts';
import { type HarnessPage, openHarness, readRepositoryFile } from './harness/page.ts';

const ids = [
  'fashion-mobile',
  'fashion-resnet',
  'fashion-vit',
  'lm-target',
  'lm-outlier',
  'lm-gpt2',
  'lm-draft',
  'tagger',
];
/** A software GPU computes a whole window of 256 in many seconds; what it computes shows in a few tokens too. */
const TOKENS = 8;

/** What is said of the inputs that these are proven on. Made-up ones do not suit a model that takes whole windows. */
const proven = new Map([
  ['fashion-mobile', " on 3 inputs, 1 of them the task's: "],
  ['lm-draft', ' on 1 input of the task: '],
]);

/** [name, dtype, dims, bytes]: what can be handed to the page. */
type PlainFeed = readonly [string, DType, readonly number[], readonly number[]];

declare global {
  /** On the page: runs a study of `<id>.onnx` on one input. @returns the report's text */
  var runSample: (id: string, study: string, feed: readonly PlainFeed[]) => Promise<string>;
}

const samplesFolder = fileURLToPath(new URL('../../public/samples/', import.meta.url));
let site: HarnessPage;
let samples: readonly Sample[];

beforeAll(async () => {
  site = await openHarness('samples');
  ({ samples } = sampleIndexSchema.parse(JSON.parse(await readFile(join(samplesFolder, 'index.json'), 'utf8'))));
});
afterAll(() => site?.close());

beforeEach(async () => {
  await site.page.evaluate(() => {
    globalThis.runSample = async (id, studyText, plain) => {
      const study = JSON.parse(studyText);
      const job = { signal: new AbortController().signal, onProgress: () => {}, yield: () => Promise.resolve() };
      const assetBase = harness.pageAssetBase();
      const graph = { name: `${id}.onnx`, blob: await (await fetch(`${id}.onnx`)).blob() };
      const { session } = await harness.TransformSession.open({ graph, others: [] }, assetBase, job);
      const feed = new Map(
        plain.map(([name, dtype, dims, bytes]) => [name, { dtype, dims, data: Uint8Array.from(bytes) }]),
      );
      const host = harness.createBrowserHost({
        session,
        modelKey: id,
        assetBase,
        engineKey: 'test',
        cache: { get: async () => undefined, set: async () => {} },
        task: async () => ({
          source: { kind: 'agreement', feeds: [feed], references: null },
          summary: { title: 'Agreement', metrics: [], sampleCount: 1, latencyFeeds: feed },
          key: 'one',
        }),
      });
      const model = { ref: study.model, name: id, sha256: null, fileBytes: graph.blob.size, parameters: 0, nodes: 0 };
      const environment = {
        host: 'browser' as const,
        userAgent: navigator.userAgent,
        logicalCores: navigator.hardwareConcurrency,
        crossOriginIsolated,
        webgpuAdapter: null,
        whittleVersion: 'test',
      };
      try {
        return JSON.stringify(await harness.runStudy({ study, host, job, environment, model }));
      } finally {
        session.dispose();
      }
    };
  });
});

/** The task's own input; of text, the first tokens. */
async function inputOf({ task }: Sample): Promise<PlainFeed[]> {
  const files = async (name: string) => new Uint8Array(await readFile(join(samplesFolder, task.data, name)));
  const loaded = await loadTask({ kind: 'sample-task', id: task.id, assetBase: '' }, files);
  return [...shorten(loaded.latencyFeeds())].map(([name, { dtype, dims, data }]) => [
    name,
    dtype,
    [...dims],
    [...data],
  ]);
}

function shorten(feeds: Feeds): Feeds {
  const int64Bytes = 8;
  return new Map(
    [...feeds].map(([name, tensor]) =>
      tensor.dtype === 'int64'
        ? [name, { ...tensor, dims: [1, TOKENS], data: tensor.data.slice(0, TOKENS * int64Bytes) }]
        : [name, tensor],
    ),
  );
}

test('the list names every model of ours', () => {
  const ours = samples.filter(({ packagePath }) => packagePath === undefined);
  expect([...ids].sort()).toEqual(ours.map(({ id }) => id).sort());
});

describe.each(ids)('%s', (id) => {
  test('runs on WASM and WebGPU with the same numbers', async () => {
    const sample = samples.find((candidate) => candidate.id === id)!;
    const path = `public/samples/${sample.model}`;
    const file = readRepositoryFile(path);
    // What the gallery says before the download, and what the cache knows a version by.
    expect(file.length).toBe(sample.modelBytes);
    site.offer(`${id}.onnx`, file);
    const study = studySchema.parse({
      model: { kind: 'sample', id },
      variants: [{ name: 'Original', steps: [] }, ...(proven.has(id) ? [{ name: 'Fused', steps: simplifySteps }] : [])],
      targets: [{ provider: 'wasm' }, { provider: 'webgpu' }],
      task: { kind: 'random', samples: 1 },
      plan: { warmupRuns: 0, latencyRuns: 3, latencyBudgetMs: 100 },
    });
    const feed = await inputOf(sample);
    const text = await site.page.evaluate(({ id, study, feed }) => runSample(id, study, feed), {
      id,
      study: JSON.stringify(study),
      feed,
    });
    const { variants }: Report = JSON.parse(text);
    const [wasm, webgpu] = variants[0]!.measurements;
    expect([variants[0]!.error, wasm!.error, webgpu!.error]).toEqual([null, null, null]);
    const told = proven.get(id);
    if (told)
      expect(variants[1]!.facts!.proof).toMatchObject({ status: 'kept', reason: expect.stringContaining(told) });
    expect(webgpu!.parity).toMatchObject({ verdict: 'match' });
    expect(webgpu!.memory!.gpuBufferPeakBytes).toBeGreaterThan(0);
    for (const { evaluation } of [wasm!, webgpu!]) {
      const cosine = evaluation!.metrics.find(({ metric }) => metric === 'cosine');
      expect(cosine!.value).toBeGreaterThan(0.99999);
    }
  });
});
