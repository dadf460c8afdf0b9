/** Measurements that survive a reload, one record each, so that toggling back costs nothing even tomorrow. */
import { type TargetMeasurement, targetMeasurementSchema } from '../core/study/results.ts';
import { measurementStore } from './figures.ts';
import type { ResultCache } from './worker/browser-host.ts';

export function createResultCache(): ResultCache {
  const memory = new Map<string, TargetMeasurement>();
  return {
    async get(key) {
      // A record of another build of the same version is measured anew instead of breaking the page.
      return memory.get(key) ?? targetMeasurementSchema.safeParse(await measurementStore.get(key)).data;
    },
    async set(key, measurement) {
      memory.set(key, measurement);
      await measurementStore.set(key, measurement);
    },
  };
}
