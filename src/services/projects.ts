/**
 * Projects: an index entry and a state each, as records in IndexedDB, so that no tab ever writes another project's. What
 * the state holds is the state layer's business. The model's bytes are in the model store, shared between projects.
 */
import { canonicalHash } from '../core/base/canonical-hash.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { clearFigures } from './figures.ts';
import { dropModels, storedModelBytes } from './model-store.ts';
import { projectsInUse } from './project-lock.ts';
import { changeRecords, loadRecord, loadRecords, recordNames, storageNotice } from './storage.ts';

/** What a list of projects shows without loading them. */
export interface ProjectEntry {
  readonly id: string;
  readonly name: string;
  /** ISO 8601 */
  readonly created: string;
  /** ISO 8601: of the last edit or result. */
  readonly changed: string;
  readonly model: ProjectModel;
  readonly variants: number;
  /** False while everything in it is as Whittle set it up. */
  readonly edited: boolean;
  /** ISO 8601: set while it can still be brought back. */
  readonly deleted?: string;
}

export interface ProjectModel {
  readonly key: string;
  /** File name. */
  readonly name: string;
  readonly title: string;
  /** Data files included. */
  readonly fileBytes: number;
  readonly sampleId: string | null;
}

export interface StoredProject {
  readonly entry: ProjectEntry;
  readonly state: unknown;
}

export const ENTRY = 'project/';
export const STATE = 'state/';
/** The user's arrays, by project and digest. */
export const ARRAYS = 'arrays/';
const LAST_OPENED = 'last-project';
/** A deleted project can be brought back for this long. */
export const BRING_BACK_MS = 30_000;

export function newProjectId(): string {
  return `p${Date.now().toString(36)}-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`;
}

export const arraysRecord = (projectId: string, digest: string) => `${ARRAYS}${projectId}/${digest}`;

/** The last changed first; without those that are on their way out. */
export async function listProjects(): Promise<ProjectEntry[]> {
  const entries = [...(await loadRecords<ProjectEntry>(ENTRY)).values()];
  return entries
    .filter((entry) => entry.deleted === undefined)
    .sort((a, b) => (a.changed < b.changed ? 1 : a.changed > b.changed ? -1 : 0));
}

/** @returns null when it is not stored */
export async function loadProject(id: string): Promise<StoredProject | null> {
  const entry = await loadRecord<ProjectEntry>(ENTRY + id);
  const state = await loadRecord<unknown>(STATE + id);
  return entry && entry.deleted === undefined && state !== undefined ? { entry, state } : null;
}

/**
 * Entry and state in one transaction.
 * @throws StudioError storage/full: this page has it nevertheless, until `held-records.ts` could write it; storage/unavailable
 */
export async function writeProject({ entry, state }: StoredProject): Promise<void> {
  await changeRecords({
    put: [
      [ENTRY + entry.id, entry],
      [STATE + entry.id, state],
    ],
    hold: true,
  });
}

async function changeEntry(id: string, change: (entry: ProjectEntry) => ProjectEntry, hold = false): Promise<void> {
  const entry = await loadRecord<ProjectEntry>(ENTRY + id);
  if (!entry) throw new StudioError('project/gone');
  await changeRecords({ put: [[ENTRY + id, change(entry)]], hold });
}

/** Of a project that no tab has open. @throws StudioError project/gone, storage/* */
export async function renameProject(id: string, name: string): Promise<void> {
  await changeEntry(id, (entry) => ({ ...entry, name, edited: true }));
}

/**
 * A copy of its own under another name: results and arrays are copied, the model's bytes are shared.
 * @returns the copy's id
 * @throws StudioError project/gone, storage/*
 */
export async function duplicateProject(id: string, name: string): Promise<string> {
  const stored = await loadProject(id);
  if (!stored) throw new StudioError('project/gone');
  const copyId = newProjectId();
  const now = new Date().toISOString();
  const arrays = await loadRecords<unknown>(arraysRecord(id, ''));
  const entry: ProjectEntry = { ...stored.entry, id: copyId, name, created: now, changed: now, edited: true };
  await changeRecords({
    put: [
      [ENTRY + copyId, entry],
      [STATE + copyId, stored.state],
      ...[...arrays].map(([record, value]) => [arraysRecord(copyId, record.split('/').at(-1)!), value] as const),
    ],
  });
  return copyId;
}

/**
 * Puts a project out of sight, or back. Its bytes go only with `purgeProjects`. On a full disk the mark is this page's
 * only, since deleting is how room is made.
 * @throws StudioError project/gone, storage/unavailable
 */
export async function setDeleted(id: string, deleted: boolean): Promise<void> {
  const mark = ({ deleted: _before, ...entry }: ProjectEntry) =>
    deleted ? { ...entry, deleted: new Date().toISOString() } : entry;
  await changeEntry(id, mark, true).catch((error: unknown) => {
    if (!(error instanceof StudioError) || error.code !== 'storage/full') throw error;
  });
}

/**
 * Removes what was deleted long enough ago, then the models that no project has any more.
 * @param ids these at once, deleted or not
 */
export async function purgeProjects(ids: readonly string[] = []): Promise<void> {
  const entries = await loadRecords<ProjectEntry>(ENTRY);
  const before = new Date(Date.now() - BRING_BACK_MS).toISOString();
  const gone = [...entries.values()]
    .filter(({ id, deleted }) => ids.includes(id) || (deleted !== undefined && deleted < before))
    .map(({ id }) => id);
  const arrays = await recordNames(ARRAYS);
  const remove = gone.flatMap((id) => [
    ENTRY + id,
    STATE + id,
    ...arrays.filter((name) => name.startsWith(arraysRecord(id, ''))),
  ]);
  if (remove.length > 0) await changeRecords({ remove });
  await dropUnusedModels();
}

/** Models belong to whoever refers to them: the index is asked each time, so no count can be wrong. */
async function dropUnusedModels(): Promise<void> {
  const entries = await loadRecords<ProjectEntry>(ENTRY);
  // A database that cannot be read must not cost anybody a model.
  if (storageNotice() !== null) return;
  const keys = new Set([...entries.values()].map(({ model }) => model.key));
  await dropModels((key) => keys.has(key));
}

export interface ProjectSize {
  /** Model bytes in the model store. */
  readonly modelBytes: number;
  /** How many other projects have the same model; its bytes are stored once. */
  readonly sharedWith: number;
  /** Settings and results as JSON, and the user's arrays. */
  readonly recordBytes: number;
}

/** What each project takes, by id. Reads all of them: for a dialog, not for the first screen. */
export async function projectSizes(entries: readonly ProjectEntry[]): Promise<Map<string, ProjectSize>> {
  const stored = await storedModelBytes();
  const sizes = new Map<string, ProjectSize>();
  for (const { id, model } of entries) {
    const state = await loadRecord<unknown>(STATE + id);
    const arrays = await loadRecords<readonly { file: Blob }[]>(arraysRecord(id, ''));
    const arrayBytes = [...arrays.values()].flat().reduce((sum, { file }) => sum + file.size, 0);
    sizes.set(id, {
      modelBytes: stored.get(model.key) ?? 0,
      sharedWith: entries.filter((other) => other.id !== id && other.model.key === model.key).length,
      recordBytes: arrayBytes + new TextEncoder().encode(JSON.stringify(state ?? null)).length,
    });
  }
  return sizes;
}

export interface StorageUse {
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** Whether the browser has promised not to delete it when the disk runs full. */
  readonly persisted: boolean;
}

/** @returns null where the browser does not say */
export async function storageUse(): Promise<StorageUse | null> {
  const estimate = await navigator.storage?.estimate?.().catch(() => undefined);
  if (estimate?.usage === undefined || estimate.quota === undefined) return null;
  const persisted = (await navigator.storage.persisted?.().catch(() => false)) ?? false;
  return { usedBytes: estimate.usage, quotaBytes: estimate.quota, persisted };
}

/** @returns the browser's answer */
export async function askPersistence(): Promise<boolean> {
  return (await navigator.storage?.persist?.().catch(() => false)) ?? false;
}

/** Removes every project, but those in use, with all models and all kept measurements. */
export async function clearProjects(inUse: ReadonlySet<string>): Promise<void> {
  const entries = await loadRecords<ProjectEntry>(ENTRY);
  const gone = [...entries.values()].filter(({ id }) => !inUse.has(id));
  await purgeProjects(gone.map(({ id }) => id));
  const kept = new Set([...entries.values()].filter(({ id }) => inUse.has(id)).map(({ model }) => model.key));
  await dropModels((key) => kept.has(key));
  await clearFigures();
}

const TAB_KEY = 'whittle.project';

/**
 * Which project the page begins with: the one this tab had (a reload, a crash), else the last one that any tab had open.
 * @returns null when that was none
 */
export async function projectToRestore(): Promise<{ readonly id: string; readonly ofThisTab: boolean } | null> {
  const own = readTab();
  if (own !== null) return own === '' ? null : { id: own, ofThisTab: true };
  const last = await loadRecord<string>(LAST_OPENED);
  return last ? { id: last, ofThisTab: false } : null;
}

function readTab(): string | null {
  try {
    return sessionStorage.getItem(TAB_KEY);
  } catch {
    return null;
  }
}

/** @param id null: the gallery */
export async function rememberOpened(id: string | null): Promise<void> {
  try {
    sessionStorage.setItem(TAB_KEY, id ?? '');
  } catch {
    // Then the last one opened counts.
  }
  await changeRecords({ put: [[LAST_OPENED, id ?? '']] });
}

/** The single session that earlier versions kept. */
interface LegacySession {
  readonly version: 1;
  readonly model: ProjectModel;
  readonly study: { readonly variants: readonly unknown[] };
}

const LEGACY_SESSION = 'session';
const LEGACY_ARRAYS = 'arrays';
/** Arrays whose study does not say which they are: of earlier versions, and of links. */
export const UNNAMED_ARRAYS = 'unnamed';

/** Makes a project of the session that an earlier version left. In one transaction, so that a crash loses nothing. */
export async function adoptLegacySession(): Promise<void> {
  const session = await loadRecord<LegacySession>(LEGACY_SESSION);
  if (session?.version !== 1 || !session.model?.key) return;
  // Two tabs that find it at once make the same project of it.
  const id = `p-${canonicalHash(JSON.parse(JSON.stringify(session))).slice(0, 16)}`;
  const arrays = await loadRecord<unknown>(LEGACY_ARRAYS);
  const now = new Date().toISOString();
  const { key, name, title, fileBytes, sampleId } = session.model;
  const entry: ProjectEntry = {
    id,
    name: title,
    created: now,
    changed: now,
    model: { key, name, title, fileBytes, sampleId },
    variants: session.study.variants.length,
    edited: true,
  };
  await changeRecords({
    put: [
      [ENTRY + id, entry],
      [STATE + id, session],
      [LAST_OPENED, id],
      ...(arrays ? [[arraysRecord(id, UNNAMED_ARRAYS), arrays] as const] : []),
    ],
    remove: [LEGACY_SESSION, LEGACY_ARRAYS],
  });
}

/** Projects of a sample in which the user changed nothing, and that no tab has open. */
export async function projectsOfSample(sampleId: string): Promise<string[]> {
  const inUse = await projectsInUse();
  const entries = await listProjects();
  return entries
    .filter(({ id, edited, model }) => !edited && model.sampleId === sampleId && !inUse.has(id))
    .map(({ id }) => id);
}
