/**
 * Puts the worker layer on `window.harness`, so that tests can drive the real thing in a real browser. Nothing here is
 * part of the app.
 */
import * as client from '../../../src/rpc/client.ts';
import { detectCapabilities } from '../../../src/runtime/capabilities.ts';
import { pageAssetBase, spawnInfer, spawnInferClient } from '../../../src/services/worker/spawn.ts';

const harness = {
  client,
  detectCapabilities,
  pageAssetBase,
  spawnInfer,
  spawnInferClient,
  spawnProbe: () => new Worker(new URL('./probe-worker.ts', import.meta.url), { type: 'module', name: 'probe' }),
};

export type Harness = typeof harness;
(globalThis as unknown as { harness: Harness }).harness = harness;
