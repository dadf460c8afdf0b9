import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StudioError } from '../core/base/errors/index.ts';
import type { ArrayFile } from '../core/eval/tasks/user-arrays.ts';
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

const ARRAY_FILE = /\.(npy|npz|pb)$/i;

/**
 * The user's own arrays. A folder stands for the array files in it and in its folders (test_data_set_0/input_0.pb).
 * @throws StudioError file/unreadable, file/nothing-usable
 */
export async function readArrayFiles(paths: readonly string[]): Promise<ArrayFile[]> {
  const names: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
      throw new StudioError('file/unreadable', { name: path, reason }, error);
    });
    if (!found.isDirectory()) names.push(path);
    else
      for (const name of await readdir(path, { recursive: true }))
        if (ARRAY_FILE.test(name)) names.push(join(path, name));
  }
  if (names.length === 0) throw new StudioError('file/nothing-usable', { count: paths.length });
  return Promise.all(
    names.map(async (name) => ({
      // Samples are told apart by folder, with '/' on every system.
      name: name.replaceAll('\\', '/'),
      bytes: new Uint8Array(await readFile(name)),
    })),
  );
}
