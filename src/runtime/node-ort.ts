/** Runtimes on the command line: onnxruntime-node where it is installed, else onnxruntime-web's WebAssembly build. */
import { availableParallelism } from 'node:os';
import { StudioError } from '../core/base/errors/index.ts';
import type { MemoryReading } from '../core/study/results.ts';
import type { Target } from '../core/study/schema.ts';
import { readNativeLog } from './node-inspect.ts';
import { openNodeWebRuntime } from './node-ort-web.ts';
import { startProcessMemoryReader } from './node-process-memory.ts';
import { fileProfile } from './node-profile.ts';
import { createOrtPort, type OrtModule } from './ort-session.ts';
import type { SessionPort } from './port.ts';
import { threadCount } from './threads.ts';

export interface NodeRuntime {
  readonly port: SessionPort;
  readonly memory: () => MemoryReading;
  /** See infer-engine.ts. */
  readonly settleMs?: number;
  /** Ends the counting of memory. */
  close(): void;
}

/**
 * `cpu` is the native runtime if it is installed, and WASM if it is not; `wasm` is always WASM. The port's `engine` says
 * which it became.
 * @throws StudioError runtime/unavailable for providers that only browsers have
 */
export async function openNodeRuntime(target: Target): Promise<NodeRuntime> {
  if (target.provider === 'cpu') {
    const native = await openNativeRuntime();
    if (native) return native;
  } else if (target.provider !== 'wasm') {
    const label = { webgpu: 'WebGPU', webnn: 'WebNN' }[target.provider];
    throw new StudioError('runtime/unavailable', { target: label, reason: 'the command line runs models on the CPU' });
  }
  const { port, memory } = await openNodeWebRuntime(target.threads);
  webRuntimes += 1;
  return {
    port,
    memory: () => ({
      // One heap serves the whole process, and nobody can say whose growth it was once there are several.
      wasmHeapPeakBytes: webRuntimes === 1 ? memory.wasmHeapBytes() : null,
      gpuBufferPeakBytes: null,
      processPeakBytes: null,
    }),
    close: () => {},
  };
}

let webRuntimes = 0;

/** Whether `cpu` means the native runtime here. */
export async function hasNativeRuntime(): Promise<boolean> {
  return (await importNative()) !== undefined;
}

async function openNativeRuntime(): Promise<NodeRuntime | undefined> {
  const ort = await importNative();
  if (!ort) return undefined;
  const reader = startProcessMemoryReader();
  const port = createOrtPort({
    ort: ort as OrtModule,
    engine: { name: 'onnxruntime-node', version: ort.env.versions.node ?? ort.env.versions.common },
    label: 'CPU',
    executionProviders: ['cpu'],
    threads: (wanted) => threadCount(wanted, { cores: availableParallelism(), canShareMemory: true }),
    extraOptions: (threads) => ({ intraOpNumThreads: threads, interOpNumThreads: 1 }),
    // Otherwise threads spin for about 30 ms after a run, into the next variant's turn when variants take turns.
    sessionConfig: { force_spinning_stop: '1' },
    log: null,
    readLog: readNativeLog,
    profiler: fileProfile,
  });
  const memory = () => ({
    wasmHeapPeakBytes: null,
    gpuBufferPeakBytes: null,
    processPeakBytes: reader.peakGrowthBytes(),
  });
  return { port, memory, close: () => reader.close() };
}

type NativeModule = OrtModule & { readonly env: { readonly versions: { readonly common: string; node?: string } } };

let native: Promise<NativeModule | undefined> | undefined;

function importNative(): Promise<NativeModule | undefined> {
  native ??= import('onnxruntime-node').then(
    (module) => ((module as { default?: unknown }).default ?? module) as NativeModule,
    () => undefined,
  );
  return native;
}
