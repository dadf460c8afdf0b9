/**
 * What survives a reload: model bytes in the origin-private file system, small records in IndexedDB. Where the browser
 * gives neither (private windows), everything works from memory and `storageNotice` says so once.
 */
import { createStore, del, get, set } from 'idb-keyval';
import { StudioError } from '../core/base/errors/index.ts';
import type { OnProgress } from '../core/base/progress.ts';
import type { ModelFileSet, PickedFile } from './files.ts';

const MODELS_FOLDER = 'models';
const GRAPH_NAME = 'graph';

let recordStore: ReturnType<typeof createStore> | null = null;
const memoryRecords = new Map<string, unknown>();
let unavailableReason: string | null = null;

/** Why records or models cannot be kept here; null while they can. */
export function storageNotice(): string | null {
  return unavailableReason;
}

function noteUnavailable(error: unknown): void {
  unavailableReason ??= error instanceof Error ? error.message : String(error);
}

function records() {
  recordStore ??= createStore('whittle', 'records');
  return recordStore;
}

export async function loadRecord<T>(name: string): Promise<T | undefined> {
  if (memoryRecords.has(name)) return memoryRecords.get(name) as T;
  try {
    return await get<T>(name, records());
  } catch (error) {
    noteUnavailable(error);
    return undefined;
  }
}

export async function saveRecord(name: string, value: unknown): Promise<void> {
  try {
    await set(name, value, records());
    memoryRecords.delete(name);
  } catch (error) {
    memoryRecords.set(name, value);
    noteUnavailable(error);
  }
}

export async function deleteRecord(name: string): Promise<void> {
  memoryRecords.delete(name);
  try {
    await del(name, records());
  } catch (error) {
    noteUnavailable(error);
  }
}

async function modelsFolder(): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(MODELS_FOLDER, { create: true });
  } catch (error) {
    noteUnavailable(error);
    throw new StudioError(
      'storage/unavailable',
      { reason: error instanceof Error ? error.message : String(error) },
      error,
    );
  }
}

/** External data keeps its path in the file's name: a folder tree would need no more than this. */
const storedName = (path: string) => `data.${encodeURIComponent(path)}`;

/**
 * Copies a model's files into the origin-private file system under `key`.
 * @throws StudioError storage/full before anything is written where the browser can tell, storage/unavailable
 */
export async function saveModelFiles(key: string, files: ModelFileSet, onProgress: OnProgress): Promise<void> {
  const needed = [files.graph, ...files.others].reduce((sum, { file }) => sum + file.size, 0);
  await requireRoom(needed);
  const folder = await (await modelsFolder()).getDirectoryHandle(key, { create: true });
  let done = 0;
  const report = (bytes: number) => {
    done += bytes;
    onProgress({ stage: 'storing the model', done, total: needed, unit: 'bytes' });
  };
  try {
    await writeFile(folder, GRAPH_NAME, files.graph.file, report);
    for (const { path, file } of files.others) await writeFile(folder, storedName(path), file, report);
  } catch (error) {
    await deleteModelFiles(key);
    if (error instanceof DOMException && error.name === 'QuotaExceededError')
      throw new StudioError('storage/full', { needed }, error);
    noteUnavailable(error);
    throw new StudioError(
      'storage/unavailable',
      { reason: error instanceof Error ? error.message : String(error) },
      error,
    );
  }
}

async function requireRoom(needed: number): Promise<void> {
  const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
  if (estimate?.quota !== undefined && needed > estimate.quota - (estimate.usage ?? 0))
    throw new StudioError('storage/full', { needed });
}

async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  blob: Blob,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const handle = await folder.getFileHandle(name, { create: true });
  const writable = await handle.createWritable();
  const SLICE = 32_000_000;
  try {
    for (let offset = 0; offset < blob.size; offset += SLICE) {
      const slice = blob.slice(offset, offset + SLICE);
      await writable.write(slice);
      onBytes(slice.size);
    }
  } finally {
    await writable.close();
  }
}

/** @returns null when nothing is stored under the key */
export async function loadModelFiles(key: string, graphName: string): Promise<ModelFileSet | null> {
  try {
    const folder = await (await modelsFolder()).getDirectoryHandle(key);
    const others: PickedFile[] = [];
    let graph: PickedFile | null = null;
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind !== 'file') continue;
      const stored = await (handle as FileSystemFileHandle).getFile();
      if (name === GRAPH_NAME) graph = { path: graphName, file: new File([stored], graphName) };
      else {
        const path = decodeURIComponent(name.slice('data.'.length));
        others.push({ path, file: new File([stored], path.split('/').at(-1)!) });
      }
    }
    return graph ? { graph, others } : null;
  } catch {
    return null;
  }
}

export async function deleteModelFiles(key: string): Promise<void> {
  try {
    await (await modelsFolder()).removeEntry(key, { recursive: true });
  } catch {
    // Gone already, or never there.
  }
}

const LOCK_PREFIX = 'whittle-model-';
let releaseModel: () => void = () => {};

/** Other tabs see that this one has the model open, and leave its files alone. */
function holdModel(key: string): void {
  releaseModel();
  navigator.locks
    ?.request(
      LOCK_PREFIX + key,
      { mode: 'shared' },
      () =>
        new Promise<void>((resolve) => {
          releaseModel = resolve;
        }),
    )
    .catch(() => {});
}

async function heldModels(): Promise<Set<string>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return new Set(held.map(({ name = '' }) => name).filter((name) => name.startsWith(LOCK_PREFIX)));
}

/** Models of earlier sessions make room for this one's, unless another tab has them open. */
export async function keepOnlyModel(key: string): Promise<void> {
  try {
    holdModel(key);
    const held = await heldModels();
    const folder = await modelsFolder();
    const stale: string[] = [];
    for await (const name of folder.keys()) if (name !== key && !held.has(LOCK_PREFIX + name)) stale.push(name);
    for (const name of stale) await folder.removeEntry(name, { recursive: true });
  } catch {
    // Without storage there is nothing to tidy.
  }
}
