/**
 * The runtime's WebAssembly, 14 or 27 MB, is fetched when it is first needed. Its loader, in a worker, says nothing while
 * it downloads; the page fetches the same file, says how far it is, and leaves it to the browser's cache.
 */
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import type { Target } from '../core/study/schema.ts';
import { ortFile } from '../runtime/ort-files.ts';
import { readBody } from './fetch-file.ts';
import { pageAssetBase } from './worker/asset-base.ts';

const fetched = new Set<string>();

/**
 * Resolves when the files of these targets are there, or cannot be had: the worker that needs one then says why.
 * @throws StudioError job/cancelled
 */
export async function fetchRuntime(
  targets: readonly Target[],
  job: { readonly signal: AbortSignal; readonly onProgress: OnProgress },
): Promise<void> {
  for (const path of new Set(targets.map(({ provider }) => `${ortFile(provider)}.wasm`))) {
    if (fetched.has(path)) continue;
    try {
      const response = await fetch(new URL(path, pageAssetBase()), { signal: job.signal });
      await readBody(
        response,
        job.signal,
        (progress) => job.onProgress({ ...progress, stage: 'downloading the runtime' }),
        (reason) => new StudioError('file/fetch-failed', { url: path, reason }),
      );
      if (response.ok) fetched.add(path);
    } catch {
      if (job.signal.aborted) throw new StudioError('job/cancelled', {});
    }
  }
}
