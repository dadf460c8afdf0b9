/** Measurements that survive a reload, one record each, so that toggling back costs nothing even tomorrow. */
import { createStore, get, set } from 'idb-keyval';
import { type TargetMeasurement, targetMeasurementSchema } from '../core/study/results.ts';
import type { ResultCache } from './worker/browser-host.ts';

export function createResultCache(): ResultCache {
  let database: ReturnType<typeof createStore> | null = null;
  const memory = new Map<string, TargetMeasurement>();
  const store = () => {
    database ??= createStore('whittle-results', 'measurements');
    return database;
  };
  return {
    async get(key) {
      const known = memory.get(key);
      if (known) return known;
      // Without IndexedDB results live as long as the page.
      const stored = await get<unknown>(key, store()).catch(() => undefined);
      // A record of another build of the same version is measured anew instead of breaking the page.
      return targetMeasurementSchema.safeParse(stored).data;
    },
    async set(key, measurement) {
      memory.set(key, measurement);
      await set(key, measurement, store()).catch(() => undefined);
    },
  };
}
