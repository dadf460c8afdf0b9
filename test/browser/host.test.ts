// A whole study through the browser's host: variants built in the transform worker, each run in a worker of its own.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { modelToBytes } from '../../src/core/onnx/write.ts';
import type { Study } from '../../src/core/study/schema.ts';
import { geluModel, quantizeBetweenModel } from '../fixtures/runtime-models.ts';
import { type HarnessPage, openHarness } from './harness/page.ts';
import { offerStudies, runStudyOn, studyText } from './support/study.ts';

let site: HarnessPage;

beforeAll(async () => {
  site = await openHarness('host');
  site.offer('gelu.onnx', await modelToBytes(geluModel()));
  site.offer('quantize.onnx', await modelToBytes(quantizeBetweenModel()));
  await offerStudies(site.page);
});
afterAll(() => site?.close());

test('measures every variant on every target', async () => {
  const targets: Study['targets'] = [
    { provider: 'wasm', threads: 1 },
    { provider: 'webgpu', threads: 0 },
  ];
  const report = await runStudyOn(site.page, 'gelu', 4, { steps: [[], [{ id: 'fuse-gelu' }]], targets });
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
  const report = await runStudyOn(site.page, 'quantize', 8, {
    steps: [[], [{ id: 'no-such-step' }], []],
    targets: [{ provider: 'wasm', threads: 1 }],
  });
  expect(report.variants.map(({ error }) => error?.code)).toEqual([undefined, 'recipe/unknown-step', undefined]);
  expect(report.variants[2]!.measurements[0]!.error).toBeNull();
});

test('cancel answers within 300 ms, whatever is going on', async () => {
  const steps = [[], [{ id: 'fuse-gelu' }]];
  const study = studyText({ steps, targets: [{ provider: 'wasm', threads: 2 }], latencyRuns: 1000 });
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
