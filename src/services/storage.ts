/**
 * Small records in IndexedDB. Where the browser gives none (private windows), single records live in memory and
 * `storageNotice` says why.
 */
import { createStore, del, get, getMany, keys, set } from 'idb-keyval';
import { StudioError } from '../core/base/errors/index.ts';

let recordStore: ReturnType<typeof createStore> | null = null;
const memoryRecords = new Map<string, unknown>();
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
    asStorageError(error);
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

/** All records whose names begin so. Empty where there is no database. */
export async function loadRecords<T>(prefix: string): Promise<Map<string, T>> {
  try {
    const names = (await keys<string>(records())).filter((name) => String(name).startsWith(prefix));
    const values = await getMany<T>(names, records());
    return new Map(names.flatMap((name, index) => (values[index] === undefined ? [] : [[name, values[index]]])));
  } catch (error) {
    noteUnavailable(error);
    return new Map();
  }
}

export async function recordNames(prefix: string): Promise<string[]> {
  try {
    return (await keys<string>(records())).filter((name) => String(name).startsWith(prefix));
  } catch (error) {
    noteUnavailable(error);
    return [];
  }
}

export interface RecordChange {
  readonly put?: Iterable<readonly [name: string, value: unknown]>;
  readonly remove?: Iterable<string>;
}

/**
 * Several records in one transaction: all of it happens or nothing. Transactions end in the order they began.
 * @throws StudioError storage/full, storage/unavailable
 */
export async function changeRecords({ put = [], remove = [] }: RecordChange): Promise<void> {
  try {
    await records()('readwrite', (store) => {
      const { transaction } = store;
      const done = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        // Only with the abort is it known why: a full disk shows at the commit.
        transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
      });
      try {
        for (const [name, value] of put) store.put(value, name);
        for (const name of remove) store.delete(name);
        // Not left to the end of all requests: a page that goes away now would take the transaction with it.
        transaction.commit();
      } catch (error) {
        // What cannot be cloned throws here, and would leave half of it to be committed.
        transaction.abort();
        return done.catch(() => Promise.reject(error));
      }
      return done;
    });
  } catch (error) {
    throw asStorageError(error);
  }
}

/** Whether the browser keeps its promise of room. @throws StudioError storage/full where it surely would not fit */
export async function requireRoom(bytes: number): Promise<void> {
  const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
  if (estimate?.quota !== undefined && bytes > estimate.quota - (estimate.usage ?? 0))
    throw new StudioError('storage/full', { needed: bytes });
}
