/** Where variants run, as the user switches it on and off. */
import { sameTarget } from '../core/study/run.ts';
import type { Target } from '../core/study/schema.ts';
import type { Capabilities } from '../runtime/capabilities.ts';

export const TARGET_CHOICES = [
  { provider: 'wasm', title: 'WASM', about: 'CPU through WebAssembly: runs everywhere.' },
  { provider: 'webgpu', title: 'WebGPU', about: 'The GPU, where there is one.' },
  { provider: 'webnn', title: 'WebNN', about: 'The operating system’s own runtime.' },
] as const;

export type TargetProvider = (typeof TARGET_CHOICES)[number]['provider'];

/** @returns the targets in their usual order, with or without this one */
export function withTarget(targets: readonly Target[], provider: TargetProvider, on: boolean): Target[] {
  const order = TARGET_CHOICES.map((choice) => choice.provider as string);
  const others = targets.filter((target) => target.provider !== provider);
  const next = on ? [...others, { provider, threads: 0 }] : others;
  return next.toSorted((a, b) => order.indexOf(a.provider) - order.indexOf(b.provider));
}

/** @returns the targets with other threads for one of them; one that then is there twice, once */
export function withThreads(targets: readonly Target[], chosen: Target, threads: number): Target[] {
  const changed = targets.map((target) => (target === chosen ? { ...target, threads } : target));
  return changed.filter((target, index) => changed.findIndex((other) => sameTarget(other, target)) === index);
}

/** @returns why variants cannot run there on this device; undefined where they can or where it is not known yet */
export function whyNotHere(provider: TargetProvider, capabilities: Capabilities | null): string | undefined {
  const feature = capabilities?.[provider === 'wasm' ? 'simd' : provider];
  return feature && !feature.available ? feature.reason : undefined;
}
