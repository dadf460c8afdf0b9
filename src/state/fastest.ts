/** "Fastest here" for the model and the device at hand. */
import { fastestHere } from '../core/recipe/presets.ts';
import { matmulShare } from './card-facts.ts';
import { memoize } from './memoize.ts';
import type { StudioState } from './store.ts';

export type FastestGuess = ReturnType<typeof fastestHere>;

/** @returns null until both the model and the device are known */
export const selectFastest = ({ model, capabilities }: StudioState) => guess(model, capabilities);

const guess = memoize((model: StudioState['model'], capabilities: StudioState['capabilities']): FastestGuess | null => {
  if (!model || !capabilities) return null;
  const { webgpu, float16Shaders } = capabilities;
  return fastestHere({
    webgpu: webgpu.available,
    shaderF16: float16Shaders.available,
    softwareAdapter: webgpu.adapter?.isFallback ?? false,
    matmulShare: matmulShare(model.card),
  });
});
