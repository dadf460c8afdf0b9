/** Searches and what they can be resumed from, by model: a record that survives a reload. */
import type { JobContext } from '../core/base/progress.ts';
import { type SearchResult, type SearchState, searchStateSchema } from '../core/search/results.ts';
import { type SearchRequest, runSearch as search } from '../core/search/search.ts';
import type { BrowserModelHandle } from '../rpc/contract.ts';
import { type HostRequest, type OpenModel, studyHost } from './engine.ts';
import { searchStore } from './figures.ts';

export type PageSearch = Omit<SearchRequest<BrowserModelHandle>, 'host' | 'job' | 'state'> & HostPart;
interface HostPart {
  readonly dims: HostRequest['dims'];
  readonly prepareTask: HostRequest['task'];
}

/**
 * Runs a search over the open model, from where an earlier one for the same model got to. Its measurements are stored as
 * they come, at most once in two seconds; without IndexedDB, or room in it, they live as long as the page.
 * @throws StudioError as `runSearch` (core/search) does
 */
export async function runSearch(model: OpenModel, request: PageSearch, job: JobContext): Promise<SearchResult> {
  const { dims, prepareTask, onUpdate, ...rest } = request;
  const { key } = model.identity;
  let latest: SearchState | undefined;
  let storedAt = performance.now();
  const remember = () => latest && searchStore.set(key, latest);
  const state = await savedSearch(key);
  try {
    return await search({
      ...rest,
      ...(state ? { state } : {}),
      host: studyHost(model, { dims, task: prepareTask }),
      job,
      onUpdate: (update) => {
        latest = update.state;
        onUpdate?.(update);
        if (performance.now() - storedAt < STORE_INTERVAL_MS) return;
        storedAt = performance.now();
        void remember();
      },
    });
  } finally {
    await remember();
  }
}

const STORE_INTERVAL_MS = 2000;

/** @param modelKey `identity.key` of the open model */
export async function savedSearch(modelKey: string): Promise<SearchState | undefined> {
  // A record of another build is of no use.
  return searchStateSchema.safeParse(await searchStore.get(modelKey)).data;
}

/** The next search of this model measures everything anew. */
export function forgetSearch(modelKey: string): Promise<void> {
  return searchStore.remove(modelKey);
}
