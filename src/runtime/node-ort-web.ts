/** onnxruntime-web's WebAssembly build in Node: what browsers run, for hosts without the native package and for tests. */
import { availableParallelism } from 'node:os';
import { installMemoryHooks, type MemoryHooks } from './memory-hooks.ts';
import { keepAlive } from './node-keep-alive.ts';
import { installWriteCapture } from './node-log-capture.ts';
import { createOrtPort, type OrtModule, printedProfile } from './ort-session.ts';
import type { SessionPort } from './port.ts';
import { threadCount } from './threads.ts';

export interface NodeWebRuntime {
  readonly port: SessionPort;
  readonly memory: MemoryHooks;
}

/**
 * The number of threads is fixed by the first session of the process.
 * @param threads 0: choose
 */
export async function openNodeWebRuntime(threads: number): Promise<NodeWebRuntime> {
  const log = installWriteCapture();
  const memory = installMemoryHooks();
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads ??= threadCount(threads, { cores: availableParallelism(), canShareMemory: true });
  const awake: OrtModule = {
    Tensor: ort.Tensor,
    InferenceSession: {
      create: (model, options) => keepAlive(() => ort.InferenceSession.create(model, options)),
    },
  };
  const port = createOrtPort({
    ort: awake,
    engine: { name: 'onnxruntime-web', version: ort.env.versions.web ?? ort.env.versions.common },
    label: 'WASM',
    executionProviders: ['wasm'],
    threads: () => ort.env.wasm.numThreads ?? 1,
    log,
    profiler: printedProfile(log),
  });
  return { port, memory };
}
