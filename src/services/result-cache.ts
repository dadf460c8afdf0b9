/** Measurements that survive a reload, one record each, so that toggling back costs nothing even tomorrow. */
import { createStore, get, set } from 'idb-keyval';
import type { TargetMeasurement } from '../core/study/results.ts';
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
      return get<TargetMeasurement>(key, store()).catch(() => undefined);
    },
    async set(key, measurement) {
      memory.set(key, measurement);
      await set(key, measurement, store()).catch(() => undefined);
    },
  };
}
