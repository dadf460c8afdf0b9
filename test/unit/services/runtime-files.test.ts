import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Progress } from '../../../src/core/base/progress.ts';
import { runtimeFile } from '../../../src/services/runtime-files.ts';

const PIECE = new Uint8Array(1000);

interface Asked {
  readonly url: string;
  readonly signal: AbortSignal;
  send(): void;
  end(): void;
}
let asked: Asked[];
let given: { kind: string; path: string; contents: Blob }[];
/** A server of its own for each test, since what was downloaded stays. */
let site = 0;
let base: string;
let status: number;

beforeEach(() => {
  asked = [];
  given = [];
  site += 1;
  base = `https://site-${site}.example/some/path/`;
  status = 200;
  vi.stubGlobal('navigator', {
    serviceWorker: { controller: { postMessage: (message: (typeof given)[number]) => given.push(message) } },
  });
  vi.stubGlobal('fetch', async (url: string, { signal }: { signal: AbortSignal }) => {
    let to: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        to = controller;
      },
    });
    signal.addEventListener('abort', () => to?.error(signal.reason));
    asked.push({ url, signal, send: () => to?.enqueue(PIECE), end: () => to?.close() });
    return new Response(body, { status, headers: { 'content-length': '2000' } });
  });
});
afterEach(() => vi.unstubAllGlobals());

function wish() {
  const controller = new AbortController();
  const seen: Progress[] = [];
  const file = runtimeFile('wasm', base, { signal: controller.signal, onProgress: (progress) => seen.push(progress) });
  const cancelled = file.then(
    () => 'not cancelled',
    (error) => error.code as string,
  );
  return { file, seen, cancelled, cancel: () => controller.abort() };
}

describe('the WebAssembly of the runtime', () => {
  test('is asked for once, however many want it, then and later; all see how far it is, and the service worker gets it', async () => {
    const first = wish();
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    asked[0]!.send();
    await vi.waitFor(() => expect(first.seen).toHaveLength(1));
    const second = wish();
    expect(second.seen).toEqual([{ stage: 'downloading the runtime', done: 1000, total: 2000, unit: 'bytes' }]);
    asked[0]!.send();
    asked[0]!.end();
    const blob = await first.file;
    expect(blob).toMatchObject({ size: 2000, type: 'application/wasm' });
    expect(await second.file).toBe(blob);
    expect(await wish().file).toBe(blob);
    expect(asked.map(({ url }) => url)).toEqual([`${base}ort/ort-wasm-simd-threaded.wasm`]);
    expect(given).toEqual([{ kind: 'given', path: 'ort/ort-wasm-simd-threaded.wasm', contents: blob }]);
  });

  test('goes on coming for the others when one gives up, and stops with the last of them', async () => {
    const [first, second] = [wish(), wish()];
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    first.cancel();
    expect(await first.cancelled).toBe('job/cancelled');
    expect(asked[0]!.signal.aborted).toBe(false);
    second.cancel();
    expect(await second.cancelled).toBe('job/cancelled');
    expect(asked[0]!.signal.aborted).toBe(true);
    // In the same moment: it must not be handed the connection that was closed.
    const third = wish();
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    asked[1]!.send();
    asked[1]!.send();
    asked[1]!.end();
    expect((await third.file)?.size).toBe(2000);
  });

  test('that cannot be had is null, and is asked for anew the next time', async () => {
    status = 404;
    expect(await wish().file).toBeNull();
    status = 200;
    const broken = wish();
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    asked[1]!.send();
    asked[1]!.end();
    expect(await broken.file).toBeNull();
    expect(given).toEqual([]);
    void wish().cancelled;
    await vi.waitFor(() => expect(asked).toHaveLength(3));
  });
});
