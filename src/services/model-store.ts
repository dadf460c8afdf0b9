/**
 * Model files in the origin-private file system, a folder each, named by the model's key (its SHA-256, or a probe of a
 * large one): projects with the same model share its bytes. A folder that nobody refers to and no tab holds is removed
 * by `dropModels`, files that were only half written among them.
 */
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import type { ModelFileSet, PickedFile } from './files.ts';
import { asStorageError, noteUnavailable, requireRoom } from './storage.ts';

const MODELS_FOLDER = 'models';
const GRAPH_NAME = 'graph';
const DATA_PREFIX = 'data.';
const LOCK_PREFIX = 'whittle-model-';
const SLICE_BYTES = 32_000_000;

async function modelsFolder(): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(MODELS_FOLDER, { create: true });
  } catch (error) {
    noteUnavailable(error);
    const reason = error instanceof Error ? error.message : String(error);
    throw new StudioError('storage/unavailable', { reason }, error);
  }
}

/** External data keeps its path in the file's name: a folder tree would need no more than this. */
const storedName = (path: string) => DATA_PREFIX + encodeURIComponent(path);

const allFiles = ({ graph, others }: ModelFileSet) => [
  { name: GRAPH_NAME, file: graph.file },
  ...others.map(({ path, file }) => ({ name: storedName(path), file })),
];

/**
 * Keeps a model's files under `key`; those that are there already are not written again. Hold the model first
 * (`holdModel`), or another tab may take the folder for an abandoned one.
 * @throws StudioError storage/full before anything is written where the browser can tell, storage/unavailable
 */
export async function saveModelFiles(key: string, files: ModelFileSet, onProgress: OnProgress): Promise<void> {
  const list = allFiles(files);
  if (await isStored(key, list)) return;
  const needed = list.reduce((sum, { file }) => sum + file.size, 0);
  await requireRoom(needed);
  const folder = await (await modelsFolder()).getDirectoryHandle(key, { create: true });
  let done = 0;
  const report = (bytes: number) => {
    done += bytes;
    onProgress({ stage: 'storing the model', done, total: needed, unit: 'bytes' });
  };
  try {
    for (const { name, file } of list) await writeBlob(folder, name, file, report);
  } catch (error) {
    await deleteModel(key);
    throw asStorageError(error, needed);
  }
}

async function isStored(key: string, list: readonly { name: string; file: Blob }[]): Promise<boolean> {
  try {
    const folder = await (await modelsFolder()).getDirectoryHandle(key);
    for (const { name, file } of list) {
      const stored = await (await folder.getFileHandle(name)).getFile();
      if (stored.size !== file.size) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function writeBlob(
  folder: FileSystemDirectoryHandle,
  name: string,
  blob: Blob,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const handle = await folder.getFileHandle(name, { create: true });
  const writable = await handle.createWritable();
  try {
    for (let offset = 0; offset < blob.size; offset += SLICE_BYTES) {
      const slice = blob.slice(offset, offset + SLICE_BYTES);
      await writable.write(slice);
      onBytes(slice.size);
    }
  } catch (error) {
    await writable.abort().catch(() => {});
    throw error;
  }
  await writable.close();
}

/**
 * @param bytes of all files together: less means that a tab ended while it wrote them
 * @returns null when they are not stored, or not wholly
 */
export async function loadModelFiles(key: string, graphName: string, bytes: number): Promise<ModelFileSet | null> {
  try {
    return await readFolder(await (await modelsFolder()).getDirectoryHandle(key), graphName, bytes);
  } catch {
    return null;
  }
}

async function readFolder(
  folder: FileSystemDirectoryHandle,
  graphName: string,
  bytes: number,
): Promise<ModelFileSet | null> {
  const others: PickedFile[] = [];
  let graph: PickedFile | null = null;
  let found = 0;
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind !== 'file') continue;
    const stored = await (handle as FileSystemFileHandle).getFile();
    found += stored.size;
    if (name === GRAPH_NAME) graph = { path: graphName, file: new File([stored], graphName) };
    else {
      const path = decodeURIComponent(name.slice(DATA_PREFIX.length));
      others.push({ path, file: new File([stored], path.split('/').at(-1)!) });
    }
  }
  return graph && found === bytes ? { graph, others } : null;
}

export async function deleteModel(key: string): Promise<void> {
  try {
    await (await modelsFolder()).removeEntry(key, { recursive: true });
  } catch {
    // Gone already, or never there.
  }
}

/** Bytes that are stored, by the models' keys. */
export async function storedModelBytes(): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  try {
    for await (const [key, handle] of (await modelsFolder()).entries()) {
      if (handle.kind !== 'directory') continue;
      let bytes = 0;
      for await (const file of (handle as FileSystemDirectoryHandle).values())
        if (file.kind === 'file') bytes += (await (file as FileSystemFileHandle).getFile()).size;
      sizes.set(key, bytes);
    }
  } catch {
    // Without storage nothing is stored.
  }
  return sizes;
}

/**
 * Other tabs see that this one needs the folder, and leave it alone.
 * @returns a function that lets it go; the browser does so however the page ends
 */
export function holdModel(key: string): Promise<() => void> {
  return new Promise((held) => {
    if (!navigator.locks) return held(() => {});
    navigator.locks
      .request(LOCK_PREFIX + key, { mode: 'shared' }, () => new Promise<void>((release) => held(release)))
      .catch(() => held(() => {}));
  });
}

/** Removes every model but these, and but those that a tab holds. Without storage it does nothing. */
export async function dropModels(isKept: (key: string) => boolean): Promise<void> {
  try {
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    const inUse = new Set(held.map(({ name = '' }) => name));
    const folder = await modelsFolder();
    const stale: string[] = [];
    for await (const key of folder.keys()) if (!isKept(key) && !inUse.has(LOCK_PREFIX + key)) stale.push(key);
    for (const key of stale) await folder.removeEntry(key, { recursive: true });
  } catch {
    // Nothing to tidy.
  }
}

/** Files on their way in, of a model whose key is known only when all of them are here (a zip file, a download). */
export interface IncomingModel {
  /** @param path null for the graph, else the data file's path beside it @throws StudioError storage/* */
  write(path: string | null, bytes: ReadableStream<Uint8Array>, onBytes: (count: number) => void): Promise<void>;
  /** What was written so far. */
  files(graphName: string): Promise<ModelFileSet>;
  /** Gives the files their place; where the model is stored already, the new ones go. */
  keepAs(key: string, graphName: string): Promise<void>;
  discard(): Promise<void>;
}

/** @param neededBytes of all files @throws StudioError storage/full, storage/unavailable */
export async function receiveModel(neededBytes: number): Promise<IncomingModel> {
  await requireRoom(neededBytes);
  const name = `incoming-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
  const release = await holdModel(name);
  const root = await modelsFolder();
  const folder = await root.getDirectoryHandle(name, { create: true });
  const discard = async () => {
    await deleteModel(name);
    release();
  };
  const files = async (graphName: string) => {
    const set = await readFolder(folder, graphName, (await storedModelBytes()).get(name) ?? 0);
    if (!set) throw new StudioError('internal/unexpected', { message: 'the incoming model has no graph' });
    return set;
  };
  return {
    async write(path, bytes, onBytes) {
      const counted = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          onBytes(chunk.length);
          controller.enqueue(chunk);
        },
      });
      try {
        const handle = await folder.getFileHandle(path === null ? GRAPH_NAME : storedName(path), { create: true });
        await bytes.pipeThrough(counted).pipeTo(await handle.createWritable());
      } catch (error) {
        throw error instanceof DOMException ? asStorageError(error, neededBytes) : error;
      }
    },
    files,
    async keepAs(key, graphName) {
      try {
        const list = allFiles(await files(graphName));
        if (!(await isStored(key, list))) {
          const target = await root.getDirectoryHandle(key, { create: true });
          for (const { name: part, file } of list) await moveFile(folder, part, target, file);
        }
      } catch (error) {
        throw asStorageError(error, neededBytes);
      } finally {
        await discard();
      }
    },
    discard,
  };
}

async function moveFile(
  from: FileSystemDirectoryHandle,
  name: string,
  to: FileSystemDirectoryHandle,
  file: Blob,
): Promise<void> {
  const handle = (await from.getFileHandle(name)) as FileSystemFileHandle & {
    move?: (folder: FileSystemDirectoryHandle, name: string) => Promise<void>;
  };
  // Moving costs nothing; browsers without it copy.
  if (handle.move) await handle.move(to, name);
  else await writeBlob(to, name, file, () => {});
}
