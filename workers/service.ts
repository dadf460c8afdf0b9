/** Entry of the service worker: the app without a network. Built apart from the page (scripts/lib/build-plugins.mjs). */
import type { OfflinePlan } from '../src/services/worker/offline/plan.ts';
import { runService } from '../src/services/worker/offline/service.ts';

declare const __OFFLINE_PLAN__: OfflinePlan;

runService(globalThis as unknown as ServiceWorkerGlobalScope, __OFFLINE_PLAN__);
