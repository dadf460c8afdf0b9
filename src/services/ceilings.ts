/** What this device can do at most: measured in an infer worker, and kept in this browser. */
import type { JobContext } from '../core/base/progress.ts';
import { type Ceilings, ceilingsSchema } from '../core/profile/ceilings.ts';
import { measureCeilings } from '../core/study/ceilings-run.ts';
import type { Target } from '../core/study/schema.ts';
import type { BrowserModelHandle } from '../rpc/contract.ts';
import { ENGINE_KEY } from './engine.ts';
import { loadRecord, saveRecord } from './storage.ts';
import { pageAssetBase } from './worker/asset-base.ts';
import { spawnInfer } from './worker/spawn-infer.ts';

/** @throws StudioError runtime/*, worker/*, job/cancelled */
export function measureDevice(target: Target, job: JobContext): Promise<Ceilings> {
  return measureCeilings<BrowserModelHandle>({
    target,
    openInfer: async () => spawnInfer(pageAssetBase()),
    toHandle: (bytes) => ({ graph: new Blob([bytes as Uint8Array<ArrayBuffer>]), externalData: [] }),
    wallClock: () => new Date().toISOString(),
    job,
  });
}

/** Another browser version, another number of cores or another runtime is another device. */
const recordName = (target: string) =>
  `ceilings ${target} ${navigator.hardwareConcurrency} ${navigator.userAgent} ${ENGINE_KEY}`;

export async function keptCeilings(target: string): Promise<Ceilings | null> {
  return ceilingsSchema.safeParse(await loadRecord<unknown>(recordName(target))).data ?? null;
}

export function keepCeilings(target: string, ceilings: Ceilings): Promise<void> {
  return saveRecord(recordName(target), ceilings);
}
