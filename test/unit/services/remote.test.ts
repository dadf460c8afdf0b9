import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { StudioError } from '../../../src/core/base/errors/index.ts';
import type { FetchRequest } from '../../../src/rpc/contract.ts';
import { askedHosts, remoteFetch } from '../../../src/services/remote.ts';
import { answerFetch } from '../../../src/services/worker/answer-fetch.ts';

/** Both ends in one thread: everything but the worker between them is real. */
let crash: (error: StudioError) => void;
vi.mock('../../../src/services/worker/spawn-fetch.ts', () => ({
  spawnFetch: () => ({
    ended: new Promise<StudioError>((resolve) => {
      crash = resolve;
    }),
    call: (_: string, request: FetchRequest, { signal }: { signal: AbortSignal }) =>
      answerFetch(request, { signal, onProgress: () => {}, yield: () => Promise.resolve() }),
    terminate: () => {},
  }),
}));

const URL_ = 'https://models.example/net.onnx';
/** What the network is asked, and a body that is made only as it is read. */
let asked: { url: string; init: RequestInit }[];
let made: number;
let answer: () => Response;

beforeEach(() => {
  asked = [];
  made = 0;
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return new Promise<Response>((resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      setTimeout(() => resolve(answer()), 5);
    });
  });
});
afterEach(() => vi.unstubAllGlobals());

const pieces = (count: number, fail = false) =>
  new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (made === count) {
          if (fail) controller.error(new TypeError('connection reset'));
          else controller.close();
          return;
        }
        made += 1;
        controller.enqueue(new Uint8Array(1000).fill(made));
      },
    },
    { highWaterMark: 0 },
  );
const soon = () => new Promise((go) => setTimeout(go, 30));
const live = () => new AbortController().signal;

describe('remoteFetch', () => {
  test('answers as fetch would: status, headers, bytes; without cookies and referrer', async () => {
    answer = () => new Response(pieces(3), { status: 206, statusText: 'Partial', headers: { ETag: '"1"' } });
    const headers = new Headers({ Range: 'bytes=5-' });
    const response = await remoteFetch(URL_, { signal: live(), headers, cache: 'no-store' });
    expect([response.status, response.statusText, response.headers.get('etag')]).toEqual([206, 'Partial', '"1"']);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect([bytes.length, bytes[0], bytes[2999]]).toEqual([3000, 1, 3]);
    const { url, init } = asked[0]!;
    expect([url, init.credentials, init.referrerPolicy, init.cache]).toEqual([URL_, 'omit', 'no-referrer', 'no-store']);
    expect(new Headers(init.headers).get('range')).toBe('bytes=5-');
    expect(askedHosts()).toContain('models.example');
  });

  test('reads nothing ahead: a piece is asked for when the page reads', async () => {
    answer = () => new Response(pieces(100));
    const response = await remoteFetch(URL_, { signal: live() });
    await soon();
    expect(made).toBe(0);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    await soon();
    expect(made).toBeLessThanOrEqual(3);
  });

  test('a body that is cancelled ends the connection', async () => {
    answer = () => new Response(pieces(100));
    const response = await remoteFetch(URL_, { signal: live() });
    await response.body!.cancel();
    await soon();
    expect(asked[0]!.init.signal!.aborted).toBe(true);
  });

  test('a cancelled job rejects before the head and in the middle of the body', async () => {
    answer = () => new Response(pieces(100));
    const early = new AbortController();
    const waiting = remoteFetch(URL_, { signal: early.signal });
    early.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'job/cancelled' });
    const late = new AbortController();
    const response = await remoteFetch(URL_, { signal: late.signal });
    const reader = response.body!.getReader();
    await reader.read();
    late.abort();
    await expect(reader.read()).rejects.toMatchObject({ code: 'job/cancelled' });
    await soon();
    expect(asked[1]!.init.signal!.aborted).toBe(true);
  });

  test('a connection that breaks off, and a worker that dies, fail the reading', async () => {
    answer = () => new Response(pieces(1, true));
    const broken = await remoteFetch(URL_, { signal: live() });
    await expect(broken.arrayBuffer()).rejects.toThrow('connection reset');
    answer = () => new Response(pieces(100));
    const orphan = await remoteFetch(URL_, { signal: live() });
    const reader = orphan.body!.getReader();
    await reader.read();
    crash(new StudioError('worker/crashed', { worker: 'fetch', reason: 'test' }));
    await expect(reader.read().then(() => reader.read())).rejects.toMatchObject({ code: 'worker/crashed' });
  });

  test('an answer without a body has none', async () => {
    answer = () => new Response(null, { status: 204 });
    expect((await remoteFetch(URL_, { signal: live() })).body).toBeNull();
  });
});
