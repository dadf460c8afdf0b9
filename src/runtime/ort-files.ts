import type { Target } from '../core/study/schema.ts';

/** Where a provider's build of onnxruntime lies under the asset base, without `.mjs` and `.wasm`. */
export function ortFile(provider: Target['provider']): string {
  return `ort/ort-wasm-simd-threaded${provider === 'webgpu' || provider === 'webnn' ? '.asyncify' : ''}`;
}
