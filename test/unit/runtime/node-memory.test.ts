// In a file of its own, which Vitest runs in a process of its own: figures are given only while nobody shares them.
import { expect, test } from 'vitest';
import { quietJob } from '../../../src/core/base/progress.ts';
import { modelToBytes } from '../../../src/core/onnx/write.ts';
import { InferEngine } from '../../../src/runtime/infer-engine.ts';
import { openNodeRuntime } from '../../../src/runtime/node-ort.ts';
import type { RuntimeModel } from '../../../src/runtime/port.ts';
import { matMulModel } from '../../fixtures/runtime-models.ts';

const settings = {
  graphOptimizationLevel: 'all',
  disabledOptimizers: [],
  disablePrepacking: false,
  weightsAtLoad: 'as-stored' as const,
} as const;
const WEIGHT_BYTES = 4096 * 2048 * 4;

async function open(provider: 'wasm' | 'cpu') {
  const port = new InferEngine<RuntimeModel>({
    openRuntime: openNodeRuntime,
    readModel: async (model) => model,
    taskFiles: () => () => Promise.reject(new Error('no files')),
  });
  const graph = await modelToBytes(matMulModel(4096, 2048));
  const target = { provider, threads: 1 };
  await port.open(
    { graph, externalData: [] },
    { target, settings: { ...settings, disabledOptimizers: [] }, inspect: false },
    quietJob,
  );
  await port.run(new Map([['x', { dtype: 'float32', dims: [1, 4096], data: new Uint8Array(4096 * 4) }]]));
  return port;
}

test('memory is measured for one session at a time, and not at all for several', async () => {
  const native = await open('cpu');
  const { processPeakBytes, wasmHeapPeakBytes } = await native.memory();
  // The weights at least once, and not the whole process with its test runner.
  expect(processPeakBytes!).toBeGreaterThan(WEIGHT_BYTES);
  expect(processPeakBytes!).toBeLessThan(20 * WEIGHT_BYTES);
  expect(wasmHeapPeakBytes).toBeNull();

  const second = await open('cpu');
  expect((await native.memory()).processPeakBytes).toBeNull();
  expect((await second.memory()).processPeakBytes).toBeNull();
  native.dispose();
  second.dispose();

  const wasm = await open('wasm');
  expect((await wasm.memory()).wasmHeapPeakBytes!).toBeGreaterThan(2 * WEIGHT_BYTES);
  await open('wasm');
  expect((await wasm.memory()).wasmHeapPeakBytes).toBeNull();
});
