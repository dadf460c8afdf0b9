/**
 * Puts the worker layer on `window.harness`, so that tests can drive the real thing in a real browser. Nothing here is
 * part of the app.
 */
import { runStudy } from '../../../src/core/study/run.ts';
import * as client from '../../../src/rpc/client.ts';
import { detectCapabilities } from '../../../src/runtime/capabilities.ts';
import { trustOwnScripts } from '../../../src/services/trusted-types.ts';
import { pageAssetBase } from '../../../src/services/worker/asset-base.ts';
import { createBrowserHost } from '../../../src/services/worker/browser-host.ts';
import { claimScratchFolder } from '../../../src/services/worker/scratch-folder.ts';
import { spawnInfer, spawnInferClient } from '../../../src/services/worker/spawn-infer.ts';
import { spawnTransform } from '../../../src/services/worker/spawn-transform.ts';
import { TransformSession } from '../../../src/services/worker/transform-session.ts';
import { workerExecutor } from '../../../src/services/worker/worker-executor.ts';

// As the page does: it is served with the page's policy.
trustOwnScripts();

const harness = {
  client,
  runStudy,
  detectCapabilities,
  pageAssetBase,
  spawnInfer,
  spawnInferClient,
  spawnTransform,
  TransformSession,
  createBrowserHost,
  claimScratchFolder,
  workerExecutor,
  spawnProbe: () => new Worker(new URL('./probe-worker.ts', import.meta.url), { type: 'module', name: 'probe' }),
};

export type Harness = typeof harness;
(globalThis as unknown as { harness: Harness }).harness = harness;
