/** The parts of an infer worker in a browser. */
import { StudioError } from '../core/base/errors/index.ts';
import type { InferPort } from '../core/study/ports.ts';
import { createExecutor, type WarmExecutor } from './executor.ts';
import { fetchedFiles } from './fetched-files.ts';
import { InferEngine } from './infer-engine.ts';
import { openWebRuntime, type RuntimePlace } from './ort-web.ts';

/** The same as rpc's BrowserModelHandle, which this layer cannot name. */
export interface BlobModel {
  readonly graph: Blob;
  readonly externalData: readonly { readonly path: string; readonly data: Blob }[];
}

/**
 * onnxruntime-web's pool spins for about 28 ms of processor time a thread after each run (1.30, 2 threads: 23 ms in the
 * 100 ms after a run, against 0.2 with 1 thread); `session.force_spinning_stop` does not reach its global pool.
 */
const SPIN_MS = 40;

export function createWebInfer(place: RuntimePlace): InferPort<BlobModel> {
  return new InferEngine<BlobModel>({
    async openRuntime(target) {
      const { port, memory } = await openWebRuntime(target, place);
      return {
        port,
        settleMs: target.provider === 'wasm' ? SPIN_MS : 0,
        memory: () => ({
          wasmHeapPeakBytes: memory.wasmHeapBytes(),
          gpuBufferPeakBytes: memory.gpuPeakBytes(),
          processPeakBytes: null,
        }),
      };
    },
    async readModel({ graph, externalData }) {
      return { graph: await blobBytes(graph), externalData };
    },
    taskFiles: fetchedFiles,
  });
}

async function blobBytes(blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('file/unreadable', { name: 'the model', reason }, error);
  }
}

export function createWebExecutor(place: RuntimePlace): WarmExecutor {
  // As many threads as the page may have: calibration runs whole layers here.
  const target = { provider: 'wasm', threads: 0 } as const;
  return createExecutor(async () => (await openWebRuntime(target, place)).port, target);
}
