/**
 * What this browser can run models with, found by asking it. Everything missing comes with the reason, because "WebGPU:
 * no" helps nobody.
 */
import type { ExecutionProvider } from '../core/step/define.ts';
import { requestAdapter } from './ort-web.ts';
import { threadCount } from './threads.ts';

export interface Feature {
  readonly available: boolean;
  /** Why it is missing, or a restriction to know of. */
  readonly reason?: string;
}

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** Software rendering: right results, useless latencies. */
  readonly isFallback: boolean;
  readonly limits: {
    readonly maxBufferSizeBytes: number;
    readonly maxStorageBufferBindingSizeBytes: number;
    readonly maxStorageBuffersPerShaderStage: number;
    readonly maxComputeWorkgroupStorageSizeBytes: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
  };
  /** All WebGPU features, sorted. */
  readonly features: readonly string[];
}

/** Plain JSON, so that it can be shown, stored and put into a report. */
export interface Capabilities {
  readonly crossOriginIsolated: Feature;
  readonly simd: Feature;
  readonly relaxedSimd: Feature;
  readonly threads: Feature & { readonly automatic: number };
  readonly webgpu: Feature & { readonly adapter: AdapterInfo | null };
  readonly float16Shaders: Feature;
  readonly timestampQuery: Feature;
  readonly webnn: Feature;
  readonly opfs: Feature;
  readonly logicalCores: number;
  /** Rounded and capped by the browser (0.25 to 8 GiB, or more in newer ones); null where it does not tell. */
  readonly deviceMemoryGib: number | null;
  readonly userAgent: string;
}

const yes: Feature = { available: true };
const no = (reason: string): Feature => ({ available: false, reason });
const feature = (available: boolean, reason: string): Feature => (available ? yes : no(reason));

export async function detectCapabilities(): Promise<Capabilities> {
  const isolated = globalThis.crossOriginIsolated === true;
  const cores = navigator.hardwareConcurrency || 1;
  const webgpu = await detectWebGpu();
  return {
    crossOriginIsolated: feature(
      isolated,
      'the server does not send Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
    ),
    simd: feature(WebAssembly.validate(simdModule), 'this browser has no WebAssembly SIMD'),
    relaxedSimd: feature(WebAssembly.validate(relaxedSimdModule), 'this browser has no relaxed SIMD'),
    threads: {
      ...detectThreads(isolated, cores),
      automatic: threadCount(0, { cores, canShareMemory: isolated }),
    },
    webgpu,
    float16Shaders: adapterFeature(webgpu, 'shader-f16', 'the GPU or its driver has no 16-bit floats in shaders'),
    timestampQuery: adapterFeature(webgpu, 'timestamp-query', 'the GPU or its driver has no timestamp queries'),
    webnn: feature('ml' in navigator, 'this browser has no WebNN, or it is behind a flag'),
    opfs: await detectOpfs(),
    logicalCores: cores,
    deviceMemoryGib: (navigator as { deviceMemory?: number }).deviceMemory ?? null,
    userAgent: navigator.userAgent,
  };
}

/** Why models cannot run on a provider here; undefined when they can. */
export function unavailableReason(capabilities: Capabilities, provider: ExecutionProvider): string | undefined {
  const found = {
    wasm: capabilities.simd,
    webgpu: capabilities.webgpu,
    webnn: capabilities.webnn,
    cpu: no('browsers run models on WASM'),
  }[provider];
  return found.available ? undefined : found.reason;
}

function detectThreads(isolated: boolean, cores: number): Feature {
  if (!isolated) return no('the page is not cross-origin isolated');
  if (cores < 2) return no('this machine has one logical core');
  return feature(WebAssembly.validate(threadsModule), 'this browser has no WebAssembly threads');
}

async function detectWebGpu(): Promise<Capabilities['webgpu']> {
  if (!globalThis.isSecureContext) return { ...no('WebGPU needs HTTPS or localhost'), adapter: null };
  try {
    return { ...yes, adapter: describeAdapter(await requestAdapter()) };
  } catch (error) {
    const reason = (error as { data?: { reason?: unknown } }).data?.reason;
    return { ...no(String(reason ?? error)), adapter: null };
  }
}

function describeAdapter(adapter: GPUAdapter): AdapterInfo {
  const { info, limits } = adapter;
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    isFallback: info.isFallbackAdapter,
    limits: {
      maxBufferSizeBytes: limits.maxBufferSize,
      maxStorageBufferBindingSizeBytes: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSizeBytes: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    },
    features: [...(adapter.features as unknown as Iterable<string>)].sort(),
  };
}

function adapterFeature(webgpu: Capabilities['webgpu'], name: string, reason: string): Feature {
  if (!webgpu.adapter) return no('there is no WebGPU');
  return feature(webgpu.adapter.features.includes(name), reason);
}

async function detectOpfs(): Promise<Feature> {
  try {
    await navigator.storage.getDirectory();
    return yes;
  } catch (error) {
    return no(error instanceof Error ? error.message : 'this browser has no private file system');
  }
}

/*
 * The smallest modules that use one instruction of each proposal: header, type section () -> (), function section,
 * code section. Encodings from the WebAssembly 3.0 specification.
 */
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const oneFunction = [0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00];
const body = (code: readonly number[]) => {
  const size = code.length + 2;
  return [0x0a, size + 2, 0x01, size, 0x00, ...code, 0x0b];
};
const zeroVector = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const drop = 0x1a;

/** v128.const 0; drop */
const simdModule = new Uint8Array([...header, ...oneFunction, ...body([...zeroVector, drop])]);
/** i8x16.relaxed_swizzle (0xfd 0x100) of two zero vectors; drop */
const relaxedSimdModule = new Uint8Array([
  ...header,
  ...oneFunction,
  ...body([...zeroVector, ...zeroVector, 0xfd, 0x80, 0x02, drop]),
]);
/** A shared memory and i32.atomic.load (0xfe 0x10) of address 0; drop */
const threadsModule = new Uint8Array([
  ...header,
  ...oneFunction,
  ...[0x05, 0x04, 0x01, 0x03, 0x01, 0x01],
  ...body([0x41, 0x00, 0xfe, 0x10, 0x02, 0x00, drop]),
]);
