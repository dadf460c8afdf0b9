/** Sessions that stay open in an infer worker, as layer-by-layer execution uses them. */
import { afterEach, describe, expect, test } from 'vitest';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../src/core/ir/build.ts';
import { bytesOf, floatsOf } from '../../../src/core/ir/tensor.ts';
import { modelToBytes } from '../../../src/core/onnx/write.ts';
import type { HostTensor } from '../../../src/core/step/define.ts';
import { connectWorker, type WorkerClient } from '../../../src/rpc/client.ts';
import type { InferContract } from '../../../src/rpc/contract.ts';
import { inferHandlers } from '../../../src/rpc/infer.ts';
import { createExecutor } from '../../../src/runtime/executor.ts';
import { openNodeRuntime } from '../../../src/runtime/node-ort.ts';
import { inProcessWorker } from './in-process-worker.ts';

const target = { provider: 'cpu', threads: 1 } as const;
const assetBase = 'https://example.org/';

let open: WorkerClient<InferContract> | undefined;
afterEach(() => open?.terminate());

function connect(): WorkerClient<InferContract> {
  const handlers = inferHandlers({
    engine: () => {
      throw new Error('not used');
    },
    executor: () => createExecutor(async () => (await openNodeRuntime(target)).port, target),
  });
  open = connectWorker<InferContract>(inProcessWorker<InferContract>(handlers), { name: 'infer' });
  return open;
}

const unary = (opType: string) =>
  modelToBytes(
    makeModel({
      graph: makeGraph({
        nodes: [makeNode({ opType, inputs: ['x'], outputs: ['y'] })],
        inputs: [valueInfo('x', 'float32', ['n'])],
        outputs: [valueInfo('y', 'float32', ['n'])],
      }),
    }),
  );
const feeds = (...values: number[]) =>
  new Map<string, HostTensor>([
    ['x', { dtype: 'float32', dims: [values.length], data: bytesOf(Float32Array.from(values)) }],
  ]);

describe('executions', () => {
  test('run as often as wanted, side by side, until they are closed', async () => {
    const client = connect();
    const negate = await client.call('openExecution', { model: await unary('Neg'), assetBase });
    const absolute = await client.call('openExecution', { model: await unary('Abs'), assetBase });
    const run = async ({ session }: { session: number }, ...values: number[]) => {
      const given = feeds(...values);
      const outputs = await client.call('executeIn', { session, feeds: given });
      // What was fed is still the caller's.
      expect(given.get('x')!.data.byteLength).toBe(4 * values.length);
      return [...floatsOf('float32', outputs.get('y')!.data, values.length)];
    };
    expect(await run(negate, 1, -2)).toEqual([-1, 2]);
    expect(await run(absolute, 1, -2)).toEqual([1, 2]);
    expect(await run(negate, 5, 6, 7)).toEqual([-5, -6, -7]);
    await client.call('closeExecution', negate);
    await client.call('closeExecution', negate);
    await expect(client.call('executeIn', { ...negate, feeds: feeds(1) })).rejects.toMatchObject({
      code: 'runtime/run-failed',
    });
    expect(await run(absolute, -3)).toEqual([3]);
  });
});
