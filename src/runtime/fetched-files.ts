/** A task's data, fetched: apart from the runtime, so that workers without one can have it. */
import { StudioError } from '../core/base/errors/index.ts';
import type { TaskFiles } from '../core/eval/types.ts';

/** @param base absolute URL that ends in '/' */
export function fetchedFiles(base: string): TaskFiles {
  return async (name) => {
    const url = new URL(name, base).href;
    let response: Response;
    try {
      response = await fetch(url);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StudioError('file/fetch-failed', { url, reason }, error);
    }
    if (!response.ok) throw new StudioError('file/fetch-failed', { url, reason: `HTTP ${response.status}` });
    return new Uint8Array(await response.arrayBuffer());
  };
}
