/** A worker that can be told to misbehave in every way that the client must survive. */
import { StudioError } from '../../../src/core/base/errors/index.ts';
import { serve } from '../../../src/rpc/server.ts';
import { createScratchStore } from '../../../src/runtime/transform/scratch-store.ts';

export type ProbeContract = {
  echo: { request: unknown; response: unknown };
  blobSize: { request: { readonly blob: Blob }; response: number };
  bufferBytes: { request: { readonly buffer: ArrayBuffer }; response: number };
  fail: { request: null; response: never };
  failForeign: { request: null; response: never };
  /** Works until it is cancelled, and notices: resolves never, rejects with job/cancelled. */
  loop: { request: { readonly steps: number }; response: number };
  /** Works for so long without looking up. */
  block: { request: { readonly ms: number }; response: number };
  throwOutside: { request: null; response: never };
  rejectOutside: { request: null; response: never };
  closeSilently: { request: null; response: never };
  hang: { request: null; response: never };
  /** Puts tensors of these sizes into a scratch store and reads them back. @returns where each lay, and its sum */
  store: {
    request: { readonly folder: string; readonly sizes: readonly number[] };
    response: readonly { readonly kind: string; readonly sum: number }[];
  };
};

const never = new Promise<never>(() => {});

serve<ProbeContract>(
  {
    echo: async (value) => value,
    blobSize: async ({ blob }) => (await blob.arrayBuffer()).byteLength,
    bufferBytes: async ({ buffer }) => buffer.byteLength,
    fail: async () => {
      throw new StudioError('model/dangling-input', { node: 'n', opType: 'Conv', value: 'v' }, new Error('the cause'));
    },
    failForeign: async () => {
      throw new TypeError('foreign');
    },
    loop: async ({ steps }, job) => {
      for (let step = 0; step < steps; step += 1) {
        if (job.signal.aborted) throw new StudioError('job/cancelled', {});
        job.onProgress({ stage: 'looping', done: step, total: steps, unit: 'steps' });
        await job.yield();
      }
      return steps;
    },
    block: async ({ ms }) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
      return ms;
    },
    throwOutside: async () => {
      setTimeout(() => {
        throw new Error('thrown outside any call');
      });
      return never;
    },
    rejectOutside: async () => {
      void Promise.reject(new Error('rejected outside any call'));
      return never;
    },
    closeSilently: async () => {
      close();
      return never;
    },
    hang: () => never,
    store: async ({ folder, sizes }) => {
      const store = createScratchStore(folder);
      const found: { kind: string; sum: number }[] = [];
      for (const [index, size] of sizes.entries()) {
        const half = size / 2;
        const data = await store.put(size, [new Uint8Array(half).fill(index + 1), new Uint8Array(half).fill(1)]);
        const bytes =
          data.kind === 'bytes'
            ? data.bytes
            : data.kind === 'range'
              ? await data.range.source.read(0, size)
              : undefined;
        found.push({ kind: data.kind, sum: bytes!.reduce((sum, byte) => sum + byte, 0) });
      }
      return found;
    },
  },
  globalThis as unknown as Worker,
);
