/**
 * Small records in IndexedDB. What cannot be written there is held in memory, where this page's reads find it first: single
 * records where the browser gives no database (private windows; `storageNotice` says why), and on a full disk those that
 * are to be written once there is room.
 */
import { createStore, del, get, getMany, keys, set } from 'idb-keyval';
import { StudioError } from '../core/base/errors/index.ts';

let recordStore: ReturnType<typeof createStore> | null = null;
const held = new Map<string, unknown>();
let unavailableReason: string | null = null;

/** Why records or models cannot be kept here; null while they can. */
export function storageNotice(): string | null {
  return unavailableReason;
}

export function noteUnavailable(error: unknown): void {
  unavailableReason ??= reasonOf(error);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A full disk is one thing, a browser that stores nothing another: what the user can do differs. */
export function asStorageError(error: unknown, needed?: number): StudioError {
  if (error instanceof StudioError) return error;
  if (error instanceof DOMException && error.name === 'QuotaExceededError')
    return new StudioError('storage/full', needed === undefined ? {} : { needed }, error);
  noteUnavailable(error);
  return new StudioError('storage/unavailable', { reason: reasonOf(error) }, error);
}

function records() {
  recordStore ??= createStore('whittle', 'records');
  return recordStore;
}

export async function loadRecord<T>(name: string): Promise<T | undefined> {
  if (held.has(name)) return held.get(name) as T;
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
    held.delete(name);
  } catch (error) {
    held.set(name, value);
    asStorageError(error);
  }
}

export async function deleteRecord(name: string): Promise<void> {
  held.delete(name);
  try {
    await del(name, records());
  } catch (error) {
    noteUnavailable(error);
  }
}

/** What the database itself has, whatever this page holds. */
export function loadWritten<T>(name: string): Promise<T | undefined> {
  return get<T>(name, records()).catch(() => undefined);
}

/** All records whose names begin so. Without a database those that are held. */
export async function loadRecords<T>(prefix: string): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  try {
    const names = (await keys<string>(records())).filter((name) => String(name).startsWith(prefix));
    const values = await getMany<T>(names, records());
    for (const [index, name] of names.entries()) if (values[index] !== undefined) found.set(name, values[index]);
  } catch (error) {
    noteUnavailable(error);
  }
  for (const name of heldNames(prefix)) found.set(name, held.get(name) as T);
  return found;
}

export async function recordNames(prefix: string): Promise<string[]> {
  const names = new Set(heldNames(prefix));
  try {
    for (const name of await keys<string>(records())) if (String(name).startsWith(prefix)) names.add(name);
  } catch (error) {
    noteUnavailable(error);
  }
  return [...names];
}

/** Records that wait for room. */
export function heldNames(prefix = ''): string[] {
  return [...held.keys()].filter((name) => name.startsWith(prefix));
}

/** They are not to be written any more: somebody else writes them. */
export function letGo(names: Iterable<string>): void {
  for (const name of names) held.delete(name);
}

export interface RecordChange {
  readonly put?: Iterable<readonly [name: string, value: unknown]>;
  readonly remove?: Iterable<string>;
  /** On a full disk this page goes on as if it were written, until it is. */
  readonly hold?: boolean;
}

/**
 * Several records in one transaction: all of it happens or nothing. Transactions end in the order they began.
 * @throws StudioError storage/full, storage/unavailable
 */
export async function changeRecords({ put = [], remove = [], hold = false }: RecordChange): Promise<void> {
  const puts = [...put];
  const removed = [...remove];
  letGo(removed);
  try {
    await records()('readwrite', (store) => {
      const { transaction } = store;
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        // Only with the abort is it known why: a full disk shows at the commit.
        transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
      });
      try {
        for (const [name, value] of puts) store.put(value, name);
        for (const name of removed) store.delete(name);
        // Not left to the end of all requests: a page that goes away now would take the transaction with it.
        transaction.commit();
      } catch (error) {
        // What cannot be cloned throws here, and would leave half of it to be committed.
        transaction.abort();
        return done.catch(() => Promise.reject(error));
      }
      return done;
    });
    letGo(puts.map(([name]) => name));
  } catch (error) {
    const told = asStorageError(error);
    if (hold && told.code === 'storage/full') for (const [name, value] of puts) held.set(name, value);
    throw told;
  }
}

/** Whether the browser keeps its promise of room. @throws StudioError storage/full where it surely would not fit */
export async function requireRoom(bytes: number): Promise<void> {
  const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
  if (estimate?.quota !== undefined && bytes > estimate.quota - (estimate.usage ?? 0))
    throw new StudioError('storage/full', { needed: bytes });
}
