// The port over both runtimes that Node has: onnxruntime-web's WebAssembly (what browsers run) and onnxruntime-node.
import { beforeAll, describe, expect, test } from 'vitest';
import type { BytePart } from '../../../src/core/base/bytes.ts';
import { StudioError } from '../../../src/core/base/errors/index.ts';
import { memorySource } from '../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../src/core/base/progress.ts';
import type { DType } from '../../../src/core/ir/dtype.ts';
import type { Model } from '../../../src/core/ir/types.ts';
import { readModel } from '../../../src/core/onnx/read.ts';
import { modelToBytes, writeModel } from '../../../src/core/onnx/write.ts';
import { stepRegistry } from '../../../src/core/recipe/registry.ts';
import type { HostTensor } from '../../../src/core/step/define.ts';
import { runSteps } from '../../../src/core/step/run-steps.ts';
import type { SessionOptions } from '../../../src/core/study/ports.ts';
import { createExecutor } from '../../../src/runtime/executor.ts';
import { expandModel } from '../../../src/runtime/expand-model.ts';
import { InferEngine } from '../../../src/runtime/infer-engine.ts';
import { hasNativeRuntime, openNodeRuntime } from '../../../src/runtime/node-ort.ts';
import type { RuntimeModel, SessionPort } from '../../../src/runtime/port.ts';
import {
  allocateModel,
  dequantize4Model,
  geluModel,
  gpuOnlyModel,
  identityModelOf,
  matMulModel,
  matMulOfOnes,
  slowModel,
} from '../../fixtures/runtime-models.ts';
import { memoryStore } from '../core/quant/support/bench.ts';

const runtimes = ['wasm', 'cpu'] as const;

const optionsFor = (
  provider: 'wasm' | 'cpu',
  settings: Partial<SessionOptions['settings']> = {},
  inspect = false,
): SessionOptions => ({
  target: { provider, threads: 1 },
  settings: {
    graphOptimizationLevel: 'all',
    disabledOptimizers: [],
    disablePrepacking: false,
    weightsAtLoad: 'as-stored' as const,
    ...settings,
  },
  inspect,
});

const runtimeModel = async (model: Model): Promise<RuntimeModel> => ({
  graph: await modelToBytes(model),
  externalData: [],
});

const floats = (dims: readonly number[], values: readonly number[]): HostTensor => ({
  dtype: 'float32',
  dims,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

const asFloats = ({ data }: HostTensor) => [...new Float32Array(data.slice().buffer)];
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: StudioError) => error.code,
  );

test('onnxruntime-node is installed here, so `cpu` below is the native runtime', async () => {
  expect(await hasNativeRuntime()).toBe(true);
});

describe.each(runtimes)('%s', (provider) => {
  let port: SessionPort;
  beforeAll(async () => {
    port = (await openNodeRuntime({ provider, threads: 1 })).port;
  });

  test('names its engine', () => {
    expect(port.engine).toEqual({
      name: provider === 'cpu' ? 'onnxruntime-node' : 'onnxruntime-web',
      version: '1.30.0',
    });
  });

  test('runs a model and says what goes in and out', async () => {
    const session = await port.create(await runtimeModel(matMulModel(16, 5)), optionsFor(provider));
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['n', 16] }]);
    expect(session.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['n', 5] }]);
    const outputs = await session.run(new Map([['x', floats([1, 16], new Array(16).fill(1))]]));
    expect(outputs.get('y')!.dims).toEqual([1, 5]);
    expect(asFloats(outputs.get('y')!)).toEqual(matMulOfOnes(16, 5));
    expect(session.createMs).toBeGreaterThan(0);
    await session.release();
  });

  const examples: [DType, Uint8Array, number?][] = [
    ['float32', new Uint8Array(Float32Array.of(1.5, -0, Number.NaN, 3e38).buffer)],
    ['float64', new Uint8Array(Float64Array.of(1.5, -0, Number.NaN, 1e300).buffer)],
    ['float16', new Uint8Array(Uint16Array.of(0x3c00, 0x8000, 0x7e00, 0x7bff).buffer)],
    ['int8', new Uint8Array(Int8Array.of(-128, -1, 0, 127).buffer)],
    ['uint8', Uint8Array.of(0, 1, 128, 255)],
    ['int16', new Uint8Array(Int16Array.of(-32768, -1, 0, 32767).buffer)],
    ['uint16', new Uint8Array(Uint16Array.of(0, 1, 32768, 65535).buffer)],
    ['int32', new Uint8Array(Int32Array.of(-(2 ** 31), -1, 0, 2 ** 31 - 1).buffer)],
    ['uint32', new Uint8Array(Uint32Array.of(0, 1, 2 ** 31, 2 ** 32 - 1).buffer)],
    ['int64', new Uint8Array(BigInt64Array.of(-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n).buffer)],
    ['uint64', new Uint8Array(BigUint64Array.of(0n, 1n, 2n ** 63n, 2n ** 64n - 1n).buffer)],
    ['bool', Uint8Array.of(0, 1, 1, 0)],
  ];
  test.each(examples)('passes %s through bit by bit, also from an unaligned place', async (dtype, bytes) => {
    const session = await port.create(await runtimeModel(identityModelOf(dtype)), optionsFor(provider));
    const unaligned = new Uint8Array(bytes.byteLength + 1).subarray(1);
    unaligned.set(bytes);
    for (const data of [bytes, unaligned]) {
      const outputs = await session.run(new Map([['x', { dtype, dims: [2, 2], data }]]));
      expect(outputs.get('y')).toEqual({ dtype, dims: [2, 2], data: bytes });
    }
    await session.release();
  });

  test('passes strings through', async () => {
    const session = await port.create(await runtimeModel(identityModelOf('string')), optionsFor(provider));
    const strings = ['', 'ä', '漢字', 'plain'];
    const outputs = await session.run(
      new Map([['x', { dtype: 'string', dims: [4, 1], data: new Uint8Array(), strings }]]),
    );
    expect(outputs.get('y')).toMatchObject({ dtype: 'string', dims: [4, 1], strings });
    await session.release();
  });

  test.each([
    ['int4', [-8, -1, 0, 7, 3]],
    ['uint4', [8, 15, 0, 7, 3]],
  ] as const)('takes %s packed, low nibble first, or names it', async (dtype, values) => {
    const session = await port.create(await runtimeModel(dequantize4Model(dtype)), optionsFor(provider));
    const data = Uint8Array.of(0xf8, 0x70, 0x03);
    const running = session.run(new Map([['x', { dtype, dims: [5], data }]]));
    if (provider === 'cpu') {
      // onnxruntime-node's binding has no 4-bit tensors, although the library does.
      await expect(running).rejects.toMatchObject({ data: { reason: `Tensor.type is not supported: ${dtype}` } });
    } else {
      expect(asFloats((await running).get('y')!)).toEqual(values.map((value) => value / 2));
    }
    await session.release();
  });

  test('names element types that it has no tensors of', async () => {
    const session = await port
      .create(await runtimeModel(identityModelOf('bfloat16')), optionsFor(provider))
      .catch((error: StudioError) => error);
    // One runtime refuses the model, the other the tensor; neither gives wrong numbers.
    const code =
      session instanceof StudioError
        ? session.code
        : await codeOf(session.run(new Map([['x', { dtype: 'bfloat16', dims: [1, 1], data: new Uint8Array(2) }]])));
    expect(code).toMatch(/^runtime\//);
  });

  test('refuses feeds that do not fit, with both sides named', async () => {
    const session = await port.create(await runtimeModel(matMulModel(16, 5)), optionsFor(provider));
    const wrong: [string, ReadonlyMap<string, HostTensor>, object][] = [
      ['nothing', new Map(), { input: 'x', expected: 'float32 [n, 16]', actual: 'nothing' }],
      [
        'type',
        new Map([['x', { dtype: 'int32' as const, dims: [1, 16], data: new Uint8Array(64) }]]),
        { input: 'x', expected: 'float32', actual: 'int32' },
      ],
      ['bytes', new Map([['x', { ...floats([1, 16], [1]) }]]), { input: 'x', actual: '4 bytes' }],
      ['dims', new Map([['x', floats([1, 8], new Array(8).fill(1))]]), { input: 'x', actual: '8' }],
      ['rank', new Map([['x', floats([16], new Array(16).fill(1))]]), { input: 'x', actual: '1 dimensions' }],
    ];
    for (const [, feeds, data] of wrong) {
      const error = await session.run(feeds).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(StudioError);
      expect(error).toMatchObject({ code: 'task/shape-mismatch', data });
    }
    await session.release();
  });

  test('maps what the runtime refuses', async () => {
    const create = (graph: Uint8Array) => codeOf(port.create({ graph, externalData: [] }, optionsFor(provider)));
    expect(await create(new Uint8Array(100).fill(255))).toBe('runtime/model-rejected');
    expect(await create(await modelToBytes(gpuOnlyModel()))).toBe('runtime/missing-kernel');
    const unknown = gpuOnlyModel();
    unknown.graph.nodes[0]!.opType = 'NoSuchOperator';
    expect(await create(await modelToBytes(unknown))).toBe('runtime/missing-kernel');
    const dangling = matMulModel(2, 2);
    dangling.graph.nodes[0]!.inputs[0] = 'nowhere';
    expect(await create(await modelToBytes(dangling))).toBe('runtime/model-rejected');
  });
});

describe.each(runtimes)('inspecting on %s', (provider) => {
  const inspect = async (model: Model, settings: Partial<SessionOptions['settings']>) => {
    const { port } = await openNodeRuntime({ provider, threads: 1 });
    const session = await port.create(await runtimeModel(model), optionsFor(provider, settings, true));
    await session.release();
    return { optimizers: session.optimizers!, placement: session.placement! };
  };

  test('lists what fired, and switched-off names that are no pass', async () => {
    const fused = await inspect(geluModel(), {});
    expect(fused.optimizers.fired).toContain('GeluFusionL2');
    expect(fused.placement).toEqual({
      providers: [{ provider: 'CPUExecutionProvider', nodes: 1, opTypes: {} }],
      copies: 0,
      missingKernels: [],
    });

    const unfused = await inspect(geluModel(), { disabledOptimizers: ['GeluFusionL2'] });
    expect(unfused.optimizers.fired).not.toContain('GeluFusionL2');
    expect(unfused.optimizers.unknownDisabled).toEqual([]);
    expect(unfused.placement.providers[0]!.nodes).toBeGreaterThan(1);

    const misnamed = await inspect(geluModel(), { disabledOptimizers: ['GeluFusion', 'EliminateIdentity'] });
    expect(misnamed.optimizers.unknownDisabled).toEqual(['GeluFusion']);
    expect(misnamed.optimizers.fired).toContain('GeluFusionL2');

    const off = await inspect(geluModel(), { graphOptimizationLevel: 'disabled' });
    expect(off.optimizers.fired).not.toContain('GeluFusionL2');
    expect(off.optimizers.known).toContain('GeluFusionL2');
  });

  test('works with weights in external files', async () => {
    const { port } = await openNodeRuntime({ provider, threads: 1 });
    const { graph, external } = await writeModel(matMulModel(64, 32), {
      externalData: { location: 'w.bin', thresholdBytes: 0 },
    });
    const data = await gathered(external);
    expect(data.byteLength).toBeGreaterThanOrEqual(64 * 32 * 4);
    const model = { graph: await gathered(graph), externalData: [{ path: 'w.bin', data }] };
    const session = await port.create(model, optionsFor(provider, {}, true));
    expect(session.placement!.providers).toMatchObject([{ nodes: 1 }]);
    const outputs = await session.run(new Map([['x', floats([1, 64], new Array(64).fill(1))]]));
    expect(asFloats(outputs.get('y')!)).toEqual(matMulOfOnes(64, 32));
    await session.release();
  });
});

async function gathered(parts: readonly BytePart[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (const part of parts) {
    chunks.push(part instanceof Uint8Array ? part : await part.source.read(part.offset, part.byteLength));
  }
  return new Uint8Array(Buffer.concat(chunks));
}

describe('WASM in Node', () => {
  test('says out of memory when a tensor is larger than 32-bit memory', async () => {
    const { port } = await openNodeRuntime({ provider: 'wasm', threads: 1 });
    const session = await port.create(await runtimeModel(allocateModel()), optionsFor('wasm'));
    const shape = (count: bigint) =>
      new Map([
        ['shape', { dtype: 'int64' as const, dims: [1], data: new Uint8Array(BigInt64Array.of(count).buffer) }],
      ]);
    expect(await codeOf(session.run(shape(1_073_741_000n)))).toBe('runtime/out-of-memory');
    expect(await codeOf(session.run(shape(2_000_000_000n)))).toBe('runtime/out-of-memory');
    expect((await session.run(shape(3n))).get('y')!.dims).toEqual([3]);
    await session.release();
  });

  test('has no WebGPU', async () => {
    expect(await codeOf(openNodeRuntime({ provider: 'webgpu', threads: 0 }))).toBe('runtime/unavailable');
  });
});

describe('executor', () => {
  test.each(runtimes)('runs small models on %s and reports errors without breaking', async (provider) => {
    let opened = 0;
    const executor = createExecutor(
      async () => {
        opened += 1;
        return (await openNodeRuntime({ provider, threads: 1 })).port;
      },
      { provider, threads: 1 },
    );
    await executor.warm();
    const feeds = new Map([['x', floats([1, 3], [1, 1, 1])]]);
    expect(asFloats((await executor.run(await modelToBytes(matMulModel(3, 2)), feeds)).get('y')!)).toEqual(
      matMulOfOnes(3, 2),
    );
    expect(await codeOf(executor.run(new Uint8Array(9), feeds))).toMatch(/^runtime\//);
    expect((await executor.run(await modelToBytes(matMulModel(3, 4)), feeds)).get('y')!.dims).toEqual([1, 4]);
    expect(opened).toBe(1);
  });
});

describe('infer engine', () => {
  const engine = (provider: 'wasm' | 'cpu') =>
    new InferEngine<RuntimeModel>({
      openRuntime: () => openNodeRuntime({ provider, threads: 1 }),
      readModel: async (model) => model,
      taskFiles: () => () => Promise.reject(new Error('no files')),
    });

  test.each(runtimes)('opens, runs, times and measures memory on %s', async (provider) => {
    const port = engine(provider);
    const stages: string[] = [];
    const opened = await port.open(await runtimeModel(matMulModel(256, 256)), optionsFor(provider), {
      ...quietJob,
      onProgress: ({ stage }) => stages.push(stage),
    });
    expect(stages).toEqual(['loading the runtime', 'reading the model', 'creating the session']);
    expect(opened).toMatchObject({ threads: 1, inputs: [{ name: 'x' }], outputs: [{ name: 'y' }] });
    const feeds = new Map([['x', floats([1, 256], new Array(256).fill(1))]]);
    const { outputs, ms } = await port.run(feeds);
    expect(asFloats(outputs.get('y')!)).toEqual(matMulOfOnes(256, 256));
    expect(ms).toBeGreaterThan(0);
    const samples = await port.time(feeds, 5);
    expect(samples).toHaveLength(5);
    expect(Math.min(...samples)).toBeGreaterThan(0);
    // Other sessions of this process came before, so that neither figure could be told apart from theirs.
    expect(await port.memory()).toMatchObject({ wasmHeapPeakBytes: null, gpuBufferPeakBytes: null });
    port.dispose();
  });

  test('needs a model first', async () => {
    expect(await codeOf(engine('wasm').run(new Map()))).toBe('runtime/run-failed');
  });

  test('rejects pending calls at once when it is disposed', async () => {
    const port = engine('cpu');
    await port.open(await runtimeModel(slowModel(512, 60)), optionsFor('cpu'), quietJob);
    const running = codeOf(port.time(new Map([['x', floats([512, 512], new Array(512 * 512).fill(1))]]), 1000));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const from = performance.now();
    port.dispose();
    expect(await running).toBe('worker/terminated');
    expect(performance.now() - from).toBeLessThan(100);
  });
});

describe.each(runtimes)('packed weights on %s', (provider) => {
  const open = async (files: RuntimeModel, settings: Partial<SessionOptions['settings']>) => {
    const engine = new InferEngine<RuntimeModel>({
      openRuntime: openNodeRuntime,
      readModel: async (model) => model,
      taskFiles: () => () => Promise.reject(new Error('no files here')),
    });
    await engine.open(files, optionsFor(provider, settings), quietJob);
    const x = floats(
      [2, 64],
      Array.from({ length: 128 }, (_, i) => Math.sin(i)),
    );
    const { outputs } = await engine.run(new Map([['x', x]]));
    engine.dispose();
    return asFloats(outputs.get('y')!);
  };

  test('are expanded on the way to the session, and the file stays as it is', async () => {
    const rtn = stepRegistry.get('weight-only-rtn')!;
    const { model } = await runSteps({
      model: matMulModel(64, 96),
      steps: [{ definition: rtn, params: rtn.params.parse({ accuracyLevel: 1 }) as Record<string, unknown> }],
      job: quietJob,
      store: memoryStore,
    });
    const { graph, external } = await writeModel(model, { externalData: { location: 'w.bin', thresholdBytes: 1 } });
    const weights = await gathered(external);
    for (const data of [weights, new Blob([weights as BlobPart])]) {
      const files: RuntimeModel = { graph: await gathered(graph), externalData: [{ path: 'w.bin', data }] };
      const before = files.graph.slice();
      const stored = await open(files, {});
      const expanded = await open(files, { weightsAtLoad: 'dequantize' });
      expect(expanded).toHaveLength(192);
      expanded.forEach((value, i) => {
        expect(value).toBeCloseTo(stored[i]!, 3);
      });
      const session = await expandModel(files, quietJob);
      const read = await readModel(memorySource('expanded', session.graph), {
        resolveExternal: (location) =>
          memorySource(location, session.externalData.find(({ path }) => path === location)!.data as Uint8Array),
      });
      expect(read.graph.nodes.map(({ opType }) => opType)).toEqual(['MatMul']);
      expect([...read.graph.initializers.values()].map(({ dtype, dims }) => [dtype, dims])).toEqual([
        ['float32', [64, 96]],
      ]);
      expect(files.graph).toEqual(before);
    }
  });

  test('of a model that has none change nothing', async () => {
    const files = await runtimeModel(matMulModel(64, 8));
    expect(await expandModel(files, quietJob)).toBe(files);
  });
});
