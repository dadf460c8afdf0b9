/**
 * TensorStore of a transform worker: small tensors stay in memory; once their sum passes a budget, further ones go to
 * files in the origin-private file system, so that a variant of a large model costs disk instead of memory.
 */
import { StudioError } from '../../core/base/errors/index.ts';
import { checkRange } from '../../core/base/memory-source.ts';
import type { TensorData } from '../../core/ir/types.ts';
import type { TensorStore } from '../../core/step/define.ts';
import { type BlobBackedSource, BlobSource } from './blob-source.ts';

/** What may be held in memory before files are used. */
const MEMORY_BUDGET_BYTES = 64 * 2 ** 20;
/** A file of its own for less than this costs more than it saves: such pieces share one. */
const MIN_FILE_BYTES = 2 ** 20;
/** What is smaller still stays in memory: scales of small layers, constants that shape inference wants at hand. */
const MIN_SHARED_BYTES = 4096;
/** How much of pieces that share a file is collected before it is written. */
const SHARED_FILE_BYTES = 16 * 2 ** 20;

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
  let shared = new SharedPieces();

  /** Pieces of a model with many middling weights are a large part of it together. */
  async function putShared(
    opened: FileSystemDirectoryHandle,
    byteLength: number,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<TensorData> {
    const bytes = await collect(byteLength, chunks);
    const full = shared;
    const offset = full.append(bytes);
    if (full.byteLength >= SHARED_FILE_BYTES) {
      shared = new SharedPieces();
      await full.moveTo(opened);
    }
    return { kind: 'range', range: { source: full, offset, byteLength } };
  }

  async function put(
    byteLength: number,
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<TensorData> {
    if (byteLength >= MIN_SHARED_BYTES && heldBytes + byteLength > MEMORY_BUDGET_BYTES) {
      folder ??= openFolder(folderName);
      const opened = await folder;
      if (opened && byteLength < MIN_FILE_BYTES) return putShared(opened, byteLength, chunks);
      if (opened) {
        const source = await writeFile(opened, byteLength, chunks);
        return { kind: 'range', range: { source, offset: 0, byteLength } };
      }
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

async function writeFile(
  folder: FileSystemDirectoryHandle,
  byteLength: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<BlobSource> {
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
  return new BlobSource(`scratch ${fileName}`, await handle.getFile());
}

/** Pieces one after another: in memory until they are moved into a file together. */
class SharedPieces implements BlobBackedSource {
  readonly name = 'scratch pieces';
  #pieces: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #byteLength = 0;
  #file: BlobSource | undefined;

  get byteLength(): number {
    return this.#byteLength;
  }

  get blob(): Blob | undefined {
    return this.#file?.blob;
  }

  /** @returns where the piece begins */
  append(bytes: Uint8Array): number {
    const offset = this.#byteLength;
    this.#pieces.push({ offset, bytes });
    this.#byteLength += bytes.byteLength;
    return offset;
  }

  /** @throws StudioError storage/full; the pieces then stay in memory */
  async moveTo(folder: FileSystemDirectoryHandle): Promise<void> {
    this.#file = await writeFile(
      folder,
      this.#byteLength,
      this.#pieces.map(({ bytes }) => bytes),
    );
    this.#pieces = [];
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#file) return this.#file.read(offset, length);
    checkRange(this.name, this.#byteLength, offset, length);
    const out = new Uint8Array(length);
    for (const piece of this.#pieces) {
      const from = Math.max(offset, piece.offset);
      const to = Math.min(offset + length, piece.offset + piece.bytes.byteLength);
      if (from < to) out.set(piece.bytes.subarray(from - piece.offset, to - piece.offset), from - offset);
    }
    return out;
  }
}

function requireLength(expected: number, got: number): void {
  if (got === expected) return;
  throw new StudioError('internal/unexpected', { message: `a step gave ${got} bytes of a tensor of ${expected}` });
}
