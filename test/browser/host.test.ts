// A whole study through the browser's host: variants built in the transform worker, each run in a worker of its own.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { modelToBytes } from '../../src/core/onnx/write.ts';
import type { Report } from '../../src/core/study/results.ts';
import { type Study, studySchema } from '../../src/core/study/schema.ts';
import { geluModel, quantizeBetweenModel } from '../fixtures/runtime-models.ts';
import { type HarnessPage, openHarness } from './harness/page.ts';

declare global {
  /** On the page: runs a study of `<model>.onnx` on random inputs of `length` numbers. @returns the report's text */
  var runOn: (model: string, study: string, length: number, signal?: AbortSignal) => Promise<string>;
}

let site: HarnessPage;

beforeAll(async () => {
  site = await openHarness('host');
  site.offer('gelu.onnx', await modelToBytes(geluModel()));
  site.offer('quantize.onnx', await modelToBytes(quantizeBetweenModel()));
});
afterAll(() => site?.close());

beforeEach(async () => {
  await site.page.evaluate(() => {
    globalThis.runOn = async (model, studyText, length, signal = new AbortController().signal) => {
      const study: Study = JSON.parse(studyText);
      const job = { signal, onProgress: () => {}, yield: () => Promise.resolve() };
      const assetBase = harness.pageAssetBase();
      const graph = { name: `${model}.onnx`, blob: await (await fetch(`${model}.onnx`)).blob() };
      const { session } = await harness.TransformSession.open({ graph, others: [] }, assetBase, job);
      const feeds = [1, 2, 3].map((seed) => {
        const values = Float32Array.from({ length }, (_, at) => Math.sin(seed * 10 + at) * 3);
        const x = { dtype: 'float32' as const, dims: [length], data: new Uint8Array(values.buffer) };
        return new Map([['x', x]]);
      });
      const known = new Map();
      const host = harness.createBrowserHost({
        session,
        modelKey: model,
        assetBase,
        engineKey: 'test',
        cache: { get: async (key) => known.get(key), set: async (key, value) => void known.set(key, value) },
        task: async () => ({
          source: { kind: 'agreement', feeds, references: null },
          summary: { title: 'Agreement', metrics: [], sampleCount: 3, latencyFeeds: feeds[0]! },
          key: 'sines',
        }),
      });
      try {
        const report = await harness.runStudy({
          study,
          host,
          job,
          environment: {
            host: 'browser',
            userAgent: navigator.userAgent,
            logicalCores: navigator.hardwareConcurrency,
            crossOriginIsolated,
            webgpuAdapter: null,
            whittleVersion: 'test',
          },
          model: {
            ref: study.model,
            name: model,
            sha256: null,
            fileBytes: graph.blob.size,
            parameters: 0,
            nodes: 0,
          },
        });
        return JSON.stringify(report);
      } finally {
        session.dispose();
      }
    };
  });
});

const studyOf = (steps: { id: string }[][], targets: Study['targets'], latencyRuns = 5): string =>
  JSON.stringify(
    studySchema.parse({
      model: { kind: 'file', name: 'model.onnx', byteLength: 1 },
      variants: steps.map((list, index) => ({ name: `variant ${index}`, steps: list })),
      targets,
      task: { kind: 'random', samples: 3 },
      plan: { warmupRuns: 1, latencyRuns },
    }),
  );

test('measures every variant on every target', async () => {
  const targets: Study['targets'] = [
    { provider: 'wasm', threads: 1 },
    { provider: 'webgpu', threads: 0 },
  ];
  const study = studyOf([[], [{ id: 'fuse-gelu' }]], targets);
  const report: Report = JSON.parse(await site.page.evaluate((text) => runOn('gelu', text, 4), study));
  expect(report.variants.map(({ error }) => error)).toEqual([null, null]);
  expect(report.variants[1]!.facts!.nodes).toBeLessThan(report.variants[0]!.facts!.nodes);
  for (const { measurements } of report.variants) {
    expect(measurements.map(({ target }) => target)).toEqual(targets);
    for (const { error, createMs, firstRunMs, latency, memory, placement, optimizers, evaluation } of measurements) {
      expect(error).toBeNull();
      expect(Math.min(createMs!, firstRunMs!, latency!.medianMs)).toBeGreaterThan(0);
      expect(latency!.runs).toBe(5);
      expect(memory!.wasmHeapPeakBytes).toBeGreaterThan(0);
      expect(placement!.providers.length).toBeGreaterThan(0);
      expect(optimizers!.known.length).toBeGreaterThan(50);
      expect(evaluation!.n).toBe(3);
    }
    expect(measurements[1]!.parity!.verdict).toBe('match');
    expect(measurements[1]!.memory!.gpuBufferPeakBytes).toBeGreaterThan(0);
  }
});

test('one variant that fails leaves the others alone', async () => {
  const study = studyOf([[], [{ id: 'no-such-step' }], []], [{ provider: 'wasm', threads: 1 }]);
  const report: Report = JSON.parse(await site.page.evaluate((text) => runOn('quantize', text, 8), study));
  expect(report.variants.map(({ error }) => error?.code)).toEqual([undefined, 'recipe/unknown-step', undefined]);
  expect(report.variants[2]!.measurements[0]!.error).toBeNull();
});

test('cancel answers within 300 ms, whatever is going on', async () => {
  const study = studyOf([[], [{ id: 'fuse-gelu' }]], [{ provider: 'wasm', threads: 2 }], 1000);
  for (const after of [20, 300, 900]) {
    const { code, ms } = await site.page.evaluate(
      async ({ text, delay }) => {
        const controller = new AbortController();
        const running = runOn('gelu', text, 4, controller.signal).then(
          () => 'finished',
          (error) => error.code,
        );
        await new Promise((resolve) => setTimeout(resolve, delay));
        const from = performance.now();
        controller.abort();
        return { code: await running, ms: performance.now() - from };
      },
      { text: study, delay: after },
    );
    // A run that was over already needs no cancelling.
    expect(['job/cancelled', 'finished']).toContain(code);
    expect(ms).toBeLessThan(300);
  }
});
