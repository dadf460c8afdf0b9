/**
 * Downloaded files in the origin-private file system: `hub/<key>/` for each, with `state.json` and the bytes as parts
 * named by their offsets. A part is whole as soon as it is written, so whatever ends a download (a cancel, a reload, a
 * crash) costs at most the part that was under way. Parts are never joined: a Blob of several files reads as one.
 * Where the browser gives no such storage, files live in memory until the page is closed.
 */
import { Digest } from '../../core/base/digest.ts';
import { StudioError } from '../../core/base/errors/index.ts';
import type { HubFile } from '../../core/hub/api.ts';
import { type FileState, fileStateSchema } from '../../core/hub/file-state.ts';

const FOLDER = 'hub';
const STATE = 'state.json';
const PART = /^part\.(\d{15})$/;

export interface HubPlace {
  readonly host: string;
  readonly repo: string;
  readonly commit: string;
}

/** One file's place in the cache. */
export interface CacheEntry {
  readonly key: string;
  state(): Promise<FileState | null>;
  setState(state: FileState): Promise<void>;
  /** From the first byte on, as far as they follow each other. */
  parts(): Promise<Blob[]>;
  /** @throws StudioError storage/full */
  append(offset: number, bytes: Blob): Promise<void>;
  clear(): Promise<void>;
}

export function newState({ host, repo, commit }: HubPlace, { path, oid, sha256, size }: HubFile): FileState {
  return { host, repo, commit, path, oid, sha256, size, etag: null, complete: false };
}

export function entryKey({ host, repo, commit }: HubPlace, path: string): string {
  return new Digest().update([host, repo, commit, path].join('\n')).hex().slice(0, 40);
}

async function cacheFolder(): Promise<FileSystemDirectoryHandle | null> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch {
    return null;
  }
}

export async function openEntry(place: HubPlace, path: string): Promise<CacheEntry> {
  const key = entryKey(place, path);
  const folder = await cacheFolder();
  return folder ? new DiskEntry(key, folder) : memoryEntry(key);
}

class DiskEntry implements CacheEntry {
  readonly key: string;
  readonly #root: FileSystemDirectoryHandle;

  constructor(key: string, root: FileSystemDirectoryHandle) {
    this.key = key;
    this.#root = root;
  }

  async state(): Promise<FileState | null> {
    try {
      const folder = await this.#root.getDirectoryHandle(this.key);
      const text = await (await (await folder.getFileHandle(STATE)).getFile()).text();
      const parsed = fileStateSchema.safeParse(JSON.parse(text));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  }

  async setState(state: FileState): Promise<void> {
    await this.#write(STATE, new Blob([JSON.stringify(state)]));
  }

  async parts(): Promise<Blob[]> {
    const found: { offset: number; file: File }[] = [];
    try {
      const folder = await this.#root.getDirectoryHandle(this.key);
      for await (const [name, handle] of folder.entries()) {
        const match = PART.exec(name);
        if (match && handle.kind === 'file')
          found.push({ offset: Number(match[1]), file: await (handle as FileSystemFileHandle).getFile() });
      }
    } catch {
      return [];
    }
    found.sort((a, b) => a.offset - b.offset);
    const parts: Blob[] = [];
    let end = 0;
    for (const { offset, file } of found) {
      if (offset !== end) break;
      parts.push(file);
      end += file.size;
    }
    return parts;
  }

  async append(offset: number, bytes: Blob): Promise<void> {
    await this.#write(`part.${String(offset).padStart(15, '0')}`, bytes);
  }

  async clear(): Promise<void> {
    await this.#root.removeEntry(this.key, { recursive: true }).catch(() => {});
  }

  async #write(name: string, bytes: Blob): Promise<void> {
    try {
      const folder = await this.#root.getDirectoryHandle(this.key, { create: true });
      const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
      await writable.write(bytes);
      await writable.close();
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError')
        throw new StudioError('storage/full', { needed: bytes.size }, error);
      throw new StudioError('storage/unavailable', { reason: error instanceof Error ? error.message : String(error) });
    }
  }
}

const memory = new Map<string, { state: FileState | null; parts: Blob[] }>();

function memoryEntry(key: string): CacheEntry {
  const held = () => memory.get(key) ?? { state: null, parts: [] };
  return {
    key,
    state: async () => held().state,
    setState: async (state) => void memory.set(key, { ...held(), state }),
    parts: async () => held().parts,
    append: async (_offset, bytes) => void memory.set(key, { ...held(), parts: [...held().parts, bytes] }),
    clear: async () => void memory.delete(key),
  };
}

export interface CachedFile extends FileState {
  readonly key: string;
  /** Here so far. */
  readonly bytes: number;
}

/** Everything that was downloaded, whole or in part. */
export async function cachedFiles(): Promise<CachedFile[]> {
  const folder = await cacheFolder();
  const entries: CacheEntry[] = [];
  if (folder) for await (const name of folder.keys()) entries.push(new DiskEntry(name, folder));
  else for (const key of memory.keys()) entries.push(memoryEntry(key));
  const found: CachedFile[] = [];
  for (const entry of entries) {
    const state = await entry.state();
    const bytes = (await entry.parts()).reduce((sum, { size }) => sum + size, 0);
    if (state) found.push({ ...state, key: entry.key, bytes });
  }
  return found.sort((a, b) => (a.repo + a.path < b.repo + b.path ? -1 : 1));
}

export async function deleteCached(keys: readonly string[]): Promise<void> {
  const folder = await cacheFolder();
  for (const key of keys) await (folder ? new DiskEntry(key, folder) : memoryEntry(key)).clear();
}

/** @returns null unless all of it is here */
export async function cachedFile(place: HubPlace, path: string): Promise<{ file: File; state: FileState } | null> {
  const entry = await openEntry(place, path);
  const state = await entry.state();
  if (!state?.complete) return null;
  const parts = await entry.parts();
  // Parts that the browser took away under pressure are missed here.
  if (parts.reduce((sum, { size }) => sum + size, 0) !== state.size) return null;
  return { file: new File(parts, path.split('/').at(-1)!), state };
}

/** @throws StudioError storage/full, before anything is asked for, where the browser can tell */
export async function requireRoomFor(bytes: number): Promise<void> {
  const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
  if (estimate?.quota !== undefined && bytes > estimate.quota - (estimate.usage ?? 0))
    throw new StudioError('storage/full', { needed: bytes });
}
