/**
 * onnxruntime-web in a browser worker. WASM targets load the plain build (14 MB), WebGPU and WebNN targets the build with
 * the native WebGPU provider (27 MB); each has kernels that the other lacks. Never the package's default entry: its
 * JavaScript WebGPU provider gives wrong numbers for several quantized operators.
 *
 * Use one worker for one port: the number of threads is fixed when the WebAssembly module starts, and its memory never
 * shrinks.
 */
import type { Env, InferenceSession } from 'onnxruntime-web';
import { StudioError } from '../core/base/errors/index.ts';
import type { Target } from '../core/study/schema.ts';
import { installConsoleCapture } from './console-capture.ts';
import { installMemoryHooks, type MemoryHooks } from './memory-hooks.ts';
import { mapRuntimeError } from './ort-errors.ts';
import { ortFile } from './ort-files.ts';
import { createOrtPort, type OrtModule, printedProfile } from './ort-session.ts';
import type { SessionPort } from './port.ts';
import { threadCount } from './threads.ts';

export interface WebRuntime {
  readonly port: SessionPort;
  readonly memory: MemoryHooks;
}

/** The same as rpc's RuntimePlace, which this layer cannot name. */
export interface RuntimePlace {
  /** Absolute URL, ending in '/', under which `ort/` with onnxruntime's files is served. */
  readonly assetBase: string;
  /** The WebAssembly of the target's build; without it onnxruntime fetches its own. */
  readonly wasm?: Blob;
}

const labels = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU' } as const;

/**
 * @throws StudioError runtime/unavailable
 */
export async function openWebRuntime(target: Target, { assetBase, wasm }: RuntimePlace): Promise<WebRuntime> {
  const { provider } = target;
  if (provider === 'cpu') {
    throw new StudioError('runtime/unavailable', { target: labels.cpu, reason: 'browsers run models on WASM' });
  }
  // Before the glue is imported: it keeps the console methods and constructors that it finds.
  const log = installConsoleCapture();
  const memory = installMemoryHooks();
  const ort = await importOrt(provider);
  const threads = threadCount(target.threads, {
    cores: navigator.hardwareConcurrency,
    canShareMemory: globalThis.crossOriginIsolated,
  });
  configure(ort.env, provider, assetBase, threads);
  const onStarted = wasm && (await lendBinary(ort.env, wasm));
  if (provider === 'webgpu') ort.env.webgpu.adapter = await requestAdapter();
  const port = createOrtPort({
    ort,
    engine: { name: 'onnxruntime-web', version: ort.env.versions.web ?? ort.env.versions.common },
    label: labels[provider],
    executionProviders: [{ name: provider }] as NonNullable<InferenceSession.SessionOptions['executionProviders']>,
    threads: () => ort.env.wasm.numThreads ?? 1,
    log,
    profiler: printedProfile(log),
    takeDeviceErrors: memory.takeGpuErrors,
    ...(onStarted && { onStarted }),
  });
  return { port, memory };
}

async function importOrt(provider: 'wasm' | 'webgpu' | 'webnn'): Promise<OrtModule & { readonly env: Env }> {
  try {
    return await (provider === 'wasm' ? import('onnxruntime-web/wasm') : import('onnxruntime-web/webgpu'));
  } catch (error) {
    throw mapRuntimeError(new Error(`no available backend found: ${error}`), labels[provider], 'create');
  }
}

function configure(env: Env, provider: 'wasm' | 'webgpu' | 'webnn', assetBase: string, threads: number): void {
  const name = ortFile(provider);
  env.wasm.wasmPaths = { mjs: new URL(`${name}.mjs`, assetBase).href, wasm: new URL(`${name}.wasm`, assetBase).href };
  env.wasm.numThreads = threads;
}

/** @returns gives the bytes back: the glue would hold them, beside the browser's own copy, as long as the worker lives */
async function lendBinary(env: Env, wasm: Blob): Promise<(() => void) | undefined> {
  // A Blob that was paged out to a disk that is gone: then onnxruntime fetches the file.
  const bytes = await wasm.arrayBuffer().catch(() => undefined);
  if (!bytes) return undefined;
  env.wasm.wasmBinary = bytes;
  return () => {
    delete env.wasm.wasmBinary;
    structuredClone(bytes, { transfer: [bytes] });
  };
}

/** The first request of a page may come back empty on some drivers although there is an adapter: ask twice. */
export async function requestAdapter(): Promise<GPUAdapter> {
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) throw new StudioError('runtime/unavailable', { target: 'WebGPU', reason: 'this browser has no WebGPU' });
  const options: GPURequestAdapterOptions = { powerPreference: 'high-performance' };
  const adapter = (await gpu.requestAdapter(options)) ?? (await gpu.requestAdapter(options));
  if (!adapter) throw new StudioError('runtime/unavailable', { target: 'WebGPU', reason: 'no GPU adapter was found' });
  return adapter;
}
