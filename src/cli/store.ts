import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StudioError } from '../core/base/errors/index.ts';
import type { TensorData } from '../core/ir/types.ts';
import type { TensorStore } from '../core/step/define.ts';
import { openFileSource } from '../runtime/node-file-source.ts';

const IN_MEMORY_BYTES = 4 << 20;

/**
 * Keeps small results in memory and large ones in files of a temporary folder, which goes away with the process. What
 * a step makes of a 2 GB model then costs disk, not memory.
 */
export function temporaryStore(): TensorStore {
  let folder: string | undefined;
  const ensureFolder = () => {
    if (!folder) {
      const made = mkdtempSync(join(tmpdir(), 'whittle-'));
      folder = made;
      process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    }
    return folder;
  };
  return {
    put: async (byteLength, chunks): Promise<TensorData> => {
      if (byteLength <= IN_MEMORY_BYTES) {
        const bytes = new Uint8Array(byteLength);
        let at = 0;
        for await (const chunk of chunks) {
          bytes.set(chunk, at);
          at += chunk.byteLength;
        }
        return { kind: 'bytes', bytes };
      }
      const path = join(ensureFolder(), randomBytes(8).toString('hex'));
      const file = await open(path, 'w');
      try {
        for await (const chunk of chunks) await file.writeFile(chunk);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
          throw new StudioError('storage/full', { needed: byteLength }, error);
        throw error;
      } finally {
        await file.close();
      }
      return { kind: 'range', range: { source: openFileSource(path), offset: 0, byteLength } };
    },
  };
}
