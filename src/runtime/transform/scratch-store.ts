/**
 * TensorStore of a transform worker: small tensors stay in memory; once their sum passes a budget, further ones go to
 * files in the origin-private file system, so that a variant of a large model costs disk instead of memory.
 */
import { StudioError } from '../../core/base/errors/index.ts';
import type { TensorData } from '../../core/ir/types.ts';
import type { TensorStore } from '../../core/step/define.ts';
import { BlobSource } from './blob-source.ts';

/** What may be held in memory before files are used. */
const MEMORY_BUDGET_BYTES = 64 * 2 ** 20;
/** A file for less than this costs more than it saves. */
const MIN_FILE_BYTES = 2 ** 20;

/** Folder of the private file system that holds a folder for each open model. */
export const SCRATCH_ROOT = 'whittle-scratch';

/** The part of FileSystemFileHandle that only dedicated workers have; the DOM library leaves it out. */
interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(bytes: number): void;
    flush(): void;
    close(): void;
  }>;
}

/**
 * @param folderName of this model's folder. The page owns it (services/worker/scratch-folder.ts): files must outlive this
 * worker, since variants that were built from them are still in use when a worker has to be replaced.
 */
export function createScratchStore(folderName: string): TensorStore {
  let heldBytes = 0;
  let folder: Promise<FileSystemDirectoryHandle | undefined> | undefined;

  async function put(
    byteLength: number,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<TensorData> {
    if (byteLength >= MIN_FILE_BYTES && heldBytes + byteLength > MEMORY_BUDGET_BYTES) {
      folder ??= openFolder(folderName);
      const opened = await folder;
      if (opened) return putFile(opened, byteLength, chunks);
    }
    heldBytes += byteLength;
    return { kind: 'bytes', bytes: await collect(byteLength, chunks) };
  }
  return { put };
}

/** @returns undefined where there is no private file system (private windows): then everything stays in memory */
async function openFolder(name: string): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(SCRATCH_ROOT, { create: true });
    return await root.getDirectoryHandle(name, { create: true });
  } catch {
    return undefined;
  }
}

async function collect(
  byteLength: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for await (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  requireLength(byteLength, at);
  return bytes;
}

async function putFile(
  folder: FileSystemDirectoryHandle,
  byteLength: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<TensorData> {
  const fileName = crypto.randomUUID();
  const handle = (await folder.getFileHandle(fileName, { create: true })) as SyncFileHandle;
  const access = await handle.createSyncAccessHandle();
  let at = 0;
  try {
    for await (const chunk of chunks) {
      access.write(chunk, { at });
      at += chunk.byteLength;
    }
    access.flush();
  } catch (error) {
    if ((error as Error).name === 'QuotaExceededError')
      throw new StudioError('storage/full', { needed: byteLength }, error);
    throw error;
  } finally {
    access.close();
  }
  requireLength(byteLength, at);
  const source = new BlobSource(`scratch ${fileName}`, await handle.getFile());
  return { kind: 'range', range: { source, offset: 0, byteLength } };
}

function requireLength(expected: number, got: number): void {
  if (got === expected) return;
  throw new StudioError('internal/unexpected', { message: `a step gave ${got} bytes of a tensor of ${expected}` });
}
