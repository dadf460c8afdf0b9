/**
 * Figures that can be measured anew: databases of their own beside the projects. What finds no room on the disk stays in
 * memory, where this page finds it, and is written when there is room. Without IndexedDB all of it lives in memory.
 */
import { clear, createStore, del, get, set } from 'idb-keyval';
import type { StudioError } from '../core/base/errors/index.ts';
import { asStorageError } from './storage.ts';

type Database = ReturnType<typeof createStore>;

export class FigureStore {
  readonly #names: readonly [database: string, store: string];
  #database: Database | null = null;
  readonly #held = new Map<string, unknown>();

  constructor(...names: readonly [database: string, store: string]) {
    this.#names = names;
  }

  // Opened when first used: in a private window even that fails.
  get #open(): Database {
    this.#database ??= createStore(...this.#names);
    return this.#database;
  }

  async get(key: string): Promise<unknown> {
    if (this.#held.has(key)) return this.#held.get(key);
    return get<unknown>(key, this.#open).catch(() => undefined);
  }

  /** A full disk is told to the listener of `onFiguresNotKept`. */
  async set(key: string, value: unknown): Promise<void> {
    try {
      await set(key, value, this.#open);
      this.#held.delete(key);
    } catch (error) {
      this.#held.set(key, value);
      const { code } = asStorageError(error);
      if (code === 'storage/full') onFull(asStorageError(error));
    }
  }

  async remove(key: string): Promise<void> {
    this.#held.delete(key);
    await del(key, this.#open).catch(() => undefined);
  }

  async clear(): Promise<void> {
    this.#held.clear();
    await clear(this.#open).catch(() => undefined);
  }

  /** @returns whether all of it is written now */
  async writeHeld(): Promise<boolean> {
    for (const [key, value] of [...this.#held]) await this.set(key, value);
    return this.#held.size === 0;
  }
}

/** Measurements of variants on targets, by everything they depend on. */
export const measurementStore = new FigureStore('whittle-results', 'measurements');
/** What a search has learned, by model. */
export const searchStore = new FigureStore('whittle-searches', 'states');
const stores = [measurementStore, searchStore];

let onFull: (error: StudioError) => void = () => {};

/** @param listener hears of every figure for which there was no room */
export function onFiguresNotKept(listener: (error: StudioError) => void): void {
  onFull = listener;
}

/** @returns whether all figures are written now */
export async function writeHeldFigures(): Promise<boolean> {
  const done = await Promise.all(stores.map((store) => store.writeHeld()));
  return done.every(Boolean);
}

export async function clearFigures(): Promise<void> {
  for (const store of stores) await store.clear();
}
