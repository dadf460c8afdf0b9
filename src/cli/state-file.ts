/** A JSON file that a long command keeps its measurements in, so that another run goes on from them. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { StudioError } from '../core/base/errors/index.ts';

/** A zod schema. */
interface Schema<T> {
  parse(json: unknown): T;
}

/**
 * @returns undefined where there is no such file yet
 * @throws StudioError file/unreadable when it is there and is something else
 */
export async function readState<T>(path: string, schema: Schema<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StudioError('file/unreadable', { name: path, reason: (error as Error).message }, error);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const reason = 'it is no state of this command; give another name or delete it';
    throw new StudioError('file/unreadable', { name: path, reason }, error);
  }
}

const INTERVAL_MS = 1000;

export interface StateWriter {
  /** Written soon, and when closed; what was put before and is not written yet is left out. */
  put(state: unknown): void;
  /** Writes what was put last. */
  close(): Promise<void>;
}

/** Through a second file, so that a process that ends in between leaves the state of before. */
export function stateWriter(path: string): StateWriter {
  let latest: unknown;
  let writtenAt = Date.now();
  let writing: Promise<void> = Promise.resolve();
  const write = () => {
    const state = latest;
    latest = undefined;
    writtenAt = Date.now();
    writing = writing.then(async () => {
      await writeFile(`${path}.part`, `${JSON.stringify(state)}\n`);
      await rename(`${path}.part`, path);
    });
    // Told when it is closed.
    writing.catch(() => {});
  };
  return {
    put: (state) => {
      latest = state;
      if (Date.now() - writtenAt >= INTERVAL_MS) write();
    },
    close: async () => {
      if (latest !== undefined) write();
      await writing.catch((error: Error) => {
        throw new StudioError('file/unreadable', { name: path, reason: error.message }, error);
      });
    },
  };
}
