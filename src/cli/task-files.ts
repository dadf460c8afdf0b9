import { readFile } from 'node:fs/promises';
import { StudioError } from '../core/base/errors/index.ts';
import type { TaskFiles } from '../core/eval/types.ts';

/** @param base a directory that ends in '/' */
export function fileTaskFiles(base: string): TaskFiles {
  return async (name) => {
    try {
      return new Uint8Array(await readFile(base + name));
    } catch (error) {
      throw new StudioError('task/data-missing', { task: base, reason: (error as Error).message }, error);
    }
  };
}
