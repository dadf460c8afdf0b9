import { afterEach, describe, expect, test } from 'vitest';
import { StudioError } from '../../../src/core/base/errors/index.ts';
import type { Progress } from '../../../src/core/base/progress.ts';
import { connectWorker, type WorkerClient } from '../../../src/rpc/client.ts';
import type { Handlers } from '../../../src/rpc/server.ts';
import { giveAway } from '../../../src/rpc/transfer.ts';
import { type InProcessWorker, inProcessWorker } from './in-process-worker.ts';

type ProbeContract = {
  echo: { request: unknown; response: unknown };
  fail: { request: null; response: never };
  failForeign: { request: null; response: never };
  loop: { request: { steps: number }; response: number };
  never: { request: null; response: never };
  tensors: { request: null; response: { outputs: Map<string, unknown>; kept: () => number } | object };
};

let kept: Uint8Array | undefined;
const seen = { aborted: 0 };

const handlers: Handlers<ProbeContract> = {
  echo: async (value) => value,
  fail: async () => {
    throw new StudioError('model/bad-dims', { tensor: 'w', dims: [2, -1], reason: 'is negative' }, new Error('cause'));
  },
  failForeign: async () => {
    throw new TypeError('x is not a function');
  },
  loop: async ({ steps }, job) => {
    for (let step = 0; step < steps; step += 1) {
      if (job.signal.aborted) {
        seen.aborted += 1;
        throw new StudioError('job/cancelled', {});
      }
      job.onProgress({ stage: 'looping', done: step + 1, total: steps, unit: 'steps' });
      await job.yield();
    }
    return steps;
  },
  never: () => new Promise<never>(() => {}),
  tensors: async () => {
    kept = new Uint8Array([1, 2, 3, 4]);
    const tensor = { dtype: 'uint8', dims: [4], data: kept } as const;
    return giveAway({ outputs: new Map([['y', tensor]]) }, [tensor, tensor]);
  },
};

const open: WorkerClient<ProbeContract>[] = [];

function connect(worker: InProcessWorker = inProcessWorker<ProbeContract>(handlers), abortGraceMs?: number) {
  const client = connectWorker<ProbeContract>(worker, { name: 'probe', ...(abortGraceMs && { abortGraceMs }) });
  open.push(client);
  return { worker, client };
}

afterEach(() => {
  for (const client of open.splice(0)) client.terminate();
});

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: StudioError) => error.code,
  );

describe('calls', () => {
  test('carry structured values both ways', async () => {
    const { client } = connect();
    const value = { map: new Map([['a', new Float32Array([1.5])]]), big: 7n, nothing: undefined };
    expect(await client.call('echo', value)).toEqual(value);
  });

  test('answer in any order', async () => {
    const { client } = connect();
    const slow = client.call('loop', { steps: 50 });
    expect(await client.call('echo', 1)).toBe(1);
    expect(await slow).toBe(50);
  });

  test('transfer the buffers that a response gives away, each once', async () => {
    const { client } = connect();
    const { outputs } = (await client.call('tensors', null)) as { outputs: Map<string, { data: Uint8Array }> };
    expect([...outputs.get('y')!.data]).toEqual([1, 2, 3, 4]);
    expect(kept!.byteLength).toBe(0);
  });

  test('transfer what the caller gives away', async () => {
    const { client } = connect();
    const bytes = new Uint8Array([9]);
    expect(await client.call('echo', bytes, { transfer: [bytes.buffer] })).toEqual(new Uint8Array([9]));
    expect(bytes.byteLength).toBe(0);
  });

  test('reject when what is sent cannot be cloned, and leave the worker usable', async () => {
    const { client } = connect();
    await expect(client.call('echo', () => 1)).rejects.toThrow();
    expect(await client.call('echo', 2)).toBe(2);
  });

  test('reject a method that does not exist, inherited names included', async () => {
    const { client } = connect();
    const anyMethod = client as unknown as WorkerClient<Record<string, { request: unknown; response: unknown }>>;
    expect(await codeOf(anyMethod.call('toString', null))).toBe('internal/unexpected');
  });
});

describe('errors', () => {
  test('keep code, data and cause', async () => {
    const { client } = connect();
    const error = await client.call('fail', null).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StudioError);
    const studioError = error as StudioError;
    expect(studioError.code).toBe('model/bad-dims');
    expect(studioError.data).toEqual({ tensor: 'w', dims: [2, -1], reason: 'is negative' });
    expect(studioError.message).toBe('Tensor "w" declares dims [2,-1], which is negative.');
    expect(studioError.cause).toBe('cause');
  });

  test('of others become internal/unexpected with their message', async () => {
    const { client } = connect();
    await expect(client.call('failForeign', null)).rejects.toMatchObject({
      code: 'internal/unexpected',
      data: { message: 'x is not a function' },
    });
  });
});

describe('cancelling', () => {
  test('reaches the method, which ends the call without ending the worker', async () => {
    const { client, worker } = connect();
    const controller = new AbortController();
    const before = seen.aborted;
    let started: () => void = () => {};
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    const call = client.call('loop', { steps: 1e9 }, { signal: controller.signal, onProgress: () => started() });
    await running;
    controller.abort();
    expect(await codeOf(call)).toBe('job/cancelled');
    expect(seen.aborted).toBe(before + 1);
    expect(worker.terminated).toBe(false);
    expect(await client.call('echo', 'alive')).toBe('alive');
  });

  test('ends a worker that does not notice, within the grace, and says cancelled', async () => {
    const { client, worker } = connect(undefined, 60);
    const controller = new AbortController();
    const bystander = codeOf(client.call('never', null));
    const call = client.call('never', null, { signal: controller.signal });
    await client.call('echo', 1);
    const started = performance.now();
    controller.abort();
    expect(await codeOf(call)).toBe('job/cancelled');
    expect(performance.now() - started).toBeLessThan(250);
    expect(worker.terminated).toBe(true);
    expect(await bystander).toBe('worker/terminated');
  });

  test('before the call sends nothing', async () => {
    const { client, worker } = connect();
    await client.call('echo', 1);
    const before = worker.posted;
    const signal = AbortSignal.abort();
    expect(await codeOf(client.call('echo', 1, { signal }))).toBe('job/cancelled');
    expect(worker.posted).toBe(before);
  });

  test('while the worker still starts answers at once and does not end it', async () => {
    const { client, worker } = connect(inProcessWorker<ProbeContract>(undefined));
    const controller = new AbortController();
    const call = client.call('echo', 1, { signal: controller.signal });
    controller.abort();
    expect(await codeOf(call)).toBe('job/cancelled');
    expect(worker.terminated).toBe(false);
  });

  test('leaves no listener behind on a signal that outlives the calls', async () => {
    const { client } = connect();
    let listeners = 0;
    const signal = {
      aborted: false,
      addEventListener: () => {
        listeners += 1;
      },
      removeEventListener: () => {
        listeners -= 1;
      },
    };
    await client.call('echo', 1, { signal });
    await codeOf(client.call('fail', null, { signal }));
    const hanging = codeOf(client.call('never', null, { signal }));
    client.terminate();
    await hanging;
    expect(listeners).toBe(0);
  });
});

describe('progress', () => {
  test('reaches the call that makes it, throttled, and always its last step', async () => {
    const { client } = connect();
    const reports: Progress[] = [];
    await client.call('loop', { steps: 2000 }, { onProgress: (progress) => reports.push(progress) });
    expect(reports.at(-1)).toEqual({ stage: 'looping', done: 2000, total: 2000, unit: 'steps' });
    expect(reports.length).toBeLessThan(500);
  });
});

describe('a worker that goes away', () => {
  const cases = [
    ['error', 'out of memory', 'worker/crashed'],
    ['messageerror', '', 'worker/crashed'],
  ] as const;
  test.each(cases)('by %s rejects every pending call at once, and later ones', async (type, message, code) => {
    const { client, worker } = connect();
    await client.call('echo', 1);
    const pending = [1, 2, 3].map(() => codeOf(client.call('never', null)));
    await client.call('echo', 1);
    worker.fail(type, message);
    expect(await Promise.all(pending)).toEqual([code, code, code]);
    expect(await codeOf(client.call('echo', 1))).toBe(code);
    expect((await client.ended).code).toBe(code);
    expect(worker.terminated).toBe(true);
  });

  test('by terminate rejects every pending call at once', async () => {
    const { client } = connect();
    const pending = [1, 2, 3].map(() => codeOf(client.call('never', null)));
    client.terminate();
    expect(await Promise.all(pending)).toEqual(Array(3).fill('worker/terminated'));
  });

  test('before it answered for the first time has failed to start', async () => {
    const { client, worker } = connect(inProcessWorker<ProbeContract>(undefined));
    const call = codeOf(client.call('echo', 1));
    worker.fail('error');
    expect(await call).toBe('worker/failed-to-start');
    expect((await client.ended).data).toEqual({ worker: 'probe', reason: 'its script could not be loaded' });
  });
});
