/**
 * TensorStore of a transform worker: small tensors stay in memory; once their sum passes a budget, further ones go to
 * files in the origin-private file system, so that a variant of a large model costs disk instead of memory.
 */
import { StudioError } from '../../core/base/errors/index.ts';
import type { TensorData } from '../../core/ir/types.ts';
import type { TensorStore } from '../../core/step/define.ts';
import { BlobSource } from './blob-source.ts';

const ROOT = 'whittle-scratch';
/** What may be held in memory before files are used. */
const MEMORY_BUDGET_BYTES = 64 * 2 ** 20;
/** A file for less than this costs more than it saves. */
const MIN_FILE_BYTES = 2 ** 20;

export interface ScratchStore extends TensorStore {
  /** Deletes the files. Variants that were built from them cannot be read afterwards. */
  clear(): Promise<void>;
}

/** The part of FileSystemFileHandle that only dedicated workers have; the DOM library leaves it out. */
interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { at: number }): number;
    truncate(bytes: number): void;
    flush(): void;
    close(): void;
  }>;
}

export function createScratchStore(): ScratchStore {
  const name = crypto.randomUUID();
  let heldBytes = 0;
  let nextFile = 0;
  let folder: Promise<FileSystemDirectoryHandle | undefined> | undefined;

  async function put(
    byteLength: number,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<TensorData> {
    if (byteLength >= MIN_FILE_BYTES && heldBytes + byteLength > MEMORY_BUDGET_BYTES) {
      folder ??= openFolder(name);
      const opened = await folder;
      if (opened) return putFile(opened, `${nextFile++}.bin`, byteLength, chunks);
    }
    heldBytes += byteLength;
    return { kind: 'bytes', bytes: await collect(byteLength, chunks) };
  }

  return {
    put,
    async clear() {
      heldBytes = 0;
      const opened = await folder;
      folder = undefined;
      if (!opened) return;
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT);
      await root.removeEntry(name, { recursive: true }).catch(() => {});
    },
  };
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
  fileName: string,
  byteLength: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<TensorData> {
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

/** @returns undefined where there is no private file system (private windows): then everything stays in memory */
async function openFolder(name: string): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    await removeAbandoned(root);
    await holdForLife(name);
    return await root.getDirectoryHandle(name, { create: true });
  } catch {
    return undefined;
  }
}

const lockOf = (folderName: string) => `${ROOT}/${folderName}`;

/** The lock tells other tabs that the folder is in use; the browser releases it however this worker ends. */
function holdForLife(folderName: string): Promise<void> {
  return new Promise((granted, refused) => {
    navigator.locks
      .request(lockOf(folderName), () => {
        granted();
        return new Promise<never>(() => {});
      })
      .catch(refused);
  });
}

/** Deletes the folders of workers that were terminated before they could clear up. */
async function removeAbandoned(root: FileSystemDirectoryHandle): Promise<void> {
  const names: string[] = [];
  for await (const [name] of root.entries()) names.push(name);
  for (const name of names) {
    await navigator.locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
      if (lock) await root.removeEntry(name, { recursive: true }).catch(() => {});
    });
  }
}
