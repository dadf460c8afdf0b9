// The promises of src/rpc in the place where they count: a real Worker in a real browser. Node's MessagePort lets things
// through that a browser does not (it "posts" an AbortSignal), and ends workers in other ways.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type HarnessPage, openHarness } from './harness/page.ts';
import type { ProbeContract } from './harness/probe-worker.ts';

let site: HarnessPage;
beforeAll(async () => {
  site = await openHarness('rpc');
});
afterAll(() => site?.close());

declare global {
  /** On the page: a fresh client of a probe worker. */
  var connectProbe: (abortGraceMs?: number) => ReturnType<typeof harness.client.connectWorker<ProbeContract>>;
  var codeOf: (promise: Promise<unknown>) => Promise<string>;
}

beforeEach(async () => {
  await site.page.evaluate(() => {
    globalThis.connectProbe = (abortGraceMs) =>
      harness.client.connectWorker<ProbeContract>(harness.spawnProbe(), {
        name: 'probe',
        ...(abortGraceMs === undefined ? {} : { abortGraceMs }),
      });
    globalThis.codeOf = (promise) =>
      promise.then(
        () => 'resolved',
        (error) => error.code,
      );
  });
});

describe('calls', () => {
  test('pass Blobs by reference and buffers by transfer', async () => {
    const result = await site.page.evaluate(async () => {
      const client = connectProbe();
      const blob = new Blob([new Uint8Array(5_000_000)]);
      const size = await client.call('blobSize', { blob });
      const buffer = new ArrayBuffer(1000);
      const bytes = await client.call('bufferBytes', { buffer }, { transfer: [buffer] });
      client.terminate();
      return { size, bytes, left: buffer.byteLength };
    });
    expect(result).toEqual({ size: 5_000_000, bytes: 1000, left: 0 });
  });

  test('carry StudioErrors with code, data, cause, message and advice', async () => {
    const error = await site.page.evaluate(async () => {
      const client = connectProbe();
      const caught = await client.call('fail', null).catch((e) => e);
      client.terminate();
      return {
        code: caught.code,
        data: caught.data,
        cause: caught.cause,
        message: caught.message,
        advice: caught.advice,
      };
    });
    expect(error).toEqual({
      code: 'model/dangling-input',
      data: { node: 'n', opType: 'Conv', value: 'v' },
      cause: 'the cause',
      message: 'Node "n" (Conv) reads "v", which nothing produces.',
      advice: 'The graph was cut or edited incorrectly. Export it again.',
    });
  });
});

describe('a real AbortSignal', () => {
  test('cancels a method that looks up, well within 300 ms, and spares the worker', async () => {
    const result = await site.page.evaluate(async () => {
      const client = connectProbe();
      const controller = new AbortController();
      const stages = new Set<string>();
      let running: () => void = () => {};
      const started = new Promise<void>((resolve) => {
        running = resolve;
      });
      const call = codeOf(
        client.call(
          'loop',
          { steps: 1e9 },
          {
            signal: controller.signal,
            onProgress: ({ stage }) => {
              stages.add(stage);
              running();
            },
          },
        ),
      );
      await started;
      const from = performance.now();
      controller.abort();
      const code = await call;
      const ms = performance.now() - from;
      const alive = await client.call('echo', 'alive');
      client.terminate();
      return { code, ms, alive, stages: [...stages] };
    });
    expect(result).toMatchObject({ code: 'job/cancelled', alive: 'alive', stages: ['looping'] });
    expect(result.ms).toBeLessThan(250);
  });

  test('ends a worker that does not look up within 300 ms', async () => {
    const result = await site.page.evaluate(async () => {
      const client = connectProbe();
      await client.call('echo', 1);
      const controller = new AbortController();
      const bystander = codeOf(client.call('hang', null));
      const call = codeOf(client.call('block', { ms: 30_000 }, { signal: controller.signal }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const from = performance.now();
      controller.abort();
      return { code: await call, ms: performance.now() - from, bystander: await bystander };
    });
    expect(result).toMatchObject({ code: 'job/cancelled', bystander: 'worker/terminated' });
    // 250 ms of grace, and what the timer is late by.
    expect(result.ms).toBeLessThan(350);
  });
});

describe('a worker that dies rejects every pending call at once', () => {
  const deaths = [
    ['an error thrown outside any call', 'throwOutside', 'thrown outside any call'],
    ['a rejection that nobody handles', 'rejectOutside', 'rejected outside any call'],
    ['closing itself without a word', 'closeSilently', 'it ended without saying why'],
  ] as const;
  test.each(deaths)('%s', async (_title, method, reason) => {
    const result = await site.page.evaluate(async (how) => {
      const client = connectProbe();
      await client.call('echo', 1);
      const pending = [1, 2].map(() => codeOf(client.call('hang', null)));
      const killer = codeOf(client.call(how, null));
      const codes = await Promise.all([...pending, killer]);
      return { codes, later: await codeOf(client.call('echo', 1)), data: (await client.ended).data };
    }, method);
    expect(result.codes).toEqual(Array(3).fill('worker/crashed'));
    expect(result.later).toBe('worker/crashed');
    expect(result.data).toMatchObject({ worker: 'probe', reason: expect.stringContaining(reason) });
  });

  test('terminate', async () => {
    const codes = await site.page.evaluate(async () => {
      const client = connectProbe();
      const pending = [codeOf(client.call('hang', null)), codeOf(client.call('block', { ms: 30_000 }))];
      client.terminate();
      return Promise.all(pending);
    });
    expect(codes).toEqual(['worker/terminated', 'worker/terminated']);
  });

  test('a script that is not there', async () => {
    const result = await site.page.evaluate(async () => {
      const worker = new Worker(new URL('no-such-worker.js', location.href), { type: 'module' });
      const client = harness.client.connectWorker<ProbeContract>(worker, { name: 'probe' });
      return { code: await codeOf(client.call('echo', 1)), data: (await client.ended).data };
    });
    expect(result.code).toBe('worker/failed-to-start');
    expect(result.data).toMatchObject({ reason: 'its script could not be loaded' });
  });
});
