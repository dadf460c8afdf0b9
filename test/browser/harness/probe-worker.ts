/** A worker that can be told to misbehave in every way that the client must survive. */

import type { BytePart } from '../../../src/core/base/bytes.ts';
import { StudioError } from '../../../src/core/base/errors/index.ts';
import type { TensorData } from '../../../src/core/ir/types.ts';
import { serve } from '../../../src/rpc/server.ts';
import { blobOf } from '../../../src/runtime/transform/blob-source.ts';
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
  /**
   * Puts tensors of these sizes into a scratch store, then reads all of them back, by reading and as one Blob.
   * @returns where each lay, and its sum; the Blob's sum last
   */
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
      const stored: TensorData[] = [];
      for (const [index, size] of sizes.entries()) {
        const half = size / 2;
        stored.push(await store.put(size, [new Uint8Array(half).fill(index + 1), new Uint8Array(half).fill(1)]));
      }
      const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0);
      const found: { kind: string; sum: number }[] = [];
      const parts: BytePart[] = [];
      for (const data of stored) {
        if (data.kind !== 'bytes' && data.kind !== 'range') throw new Error(data.kind);
        parts.push(data.kind === 'bytes' ? data.bytes : data.range);
        const bytes =
          data.kind === 'bytes' ? data.bytes : await data.range.source.read(data.range.offset, data.range.byteLength);
        found.push({ kind: data.kind, sum: sumOf(bytes) });
      }
      const whole = await blobOf(parts);
      return [...found, { kind: 'blob', sum: sumOf(new Uint8Array(await whole.arrayBuffer())) }];
    },
  },
  globalThis as unknown as Worker,
);
