/** Runs studies through the browser's host on the harness page. */
import type { Page } from 'playwright-core';
import type { Report } from '../../../src/core/study/results.ts';
import { type Study, studySchema } from '../../../src/core/study/schema.ts';

declare global {
  /** On the page: runs a study of `<model>.onnx` on `samples` waves of `length` numbers. @returns the report's text */
  var runOn: (model: string, study: string, length: number, signal?: AbortSignal, samples?: number) => Promise<string>;
}

/** Call once a page, before anything uses `runOn`. */
export async function offerStudies(page: Page): Promise<void> {
  await page.evaluate(() => {
    globalThis.runOn = async (model, studyText, length, signal = new AbortController().signal, samples = 3) => {
      const study: Study = JSON.parse(studyText);
      const job = { signal, onProgress: () => {}, yield: () => Promise.resolve() };
      const assetBase = harness.pageAssetBase();
      const graph = { name: `${model}.onnx`, blob: await (await fetch(`${model}.onnx`)).blob() };
      const { session } = await harness.TransformSession.open({ graph, others: [] }, assetBase, job);
      const feeds = Array.from({ length: samples }, (_, index) => {
        const values = Float32Array.from({ length }, (_, at) => Math.sin((index + 1) * 10 + at) * 3);
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
          summary: { title: 'Agreement', metrics: [], sampleCount: samples, latencyFeeds: feeds[0]! },
          key: `${samples} sines`,
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
}

export interface StudyRun {
  /** One list a variant. */
  readonly steps: readonly (readonly { readonly id: string; readonly params?: Record<string, unknown> }[])[];
  readonly targets: Study['targets'];
  readonly latencyRuns?: number;
}

/** As text, for `runOn`. */
export function studyText({ steps, targets, latencyRuns = 5 }: StudyRun): string {
  const study = studySchema.parse({
    model: { kind: 'file', name: 'model.onnx', byteLength: 1 },
    variants: steps.map((list, index) => ({ name: `variant ${index}`, steps: list })),
    targets,
    task: { kind: 'random', samples: 3 },
    plan: { warmupRuns: 1, latencyRuns },
  });
  return JSON.stringify(study);
}

/** @param length of the model's one input, float32 [length] */
export async function runStudyOn(page: Page, model: string, length: number, run: StudyRun, samples = 3) {
  const request = { model, text: studyText(run), length, samples };
  const report = await page.evaluate(
    (given) => runOn(given.model, given.text, given.length, undefined, given.samples),
    request,
  );
  return JSON.parse(report) as Report;
}
