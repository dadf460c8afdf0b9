/**
 * The user's own arrays: read once, kept in memory, and as files in IndexedDB so that a reload finds them again. Every set
 * that was given is known by its digest, so that undoing a change of the task finds the data that belong to it.
 */
import { canonicalHash } from '../core/base/canonical-hash.ts';
import type { StudioError } from '../core/base/errors/index.ts';
import { readUserArrays, type ValueSpec } from '../core/eval/tasks/user-arrays.ts';
import type { TaskRef } from '../core/study/schema.ts';
import type { PickedFile } from './files.ts';
import { arraysRecord, UNNAMED_ARRAYS } from './projects.ts';
import { asStorageError, changeRecords, loadRecord, recordNames } from './storage.ts';
import type { UserArrays } from './tasks.ts';

interface Signature {
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
}

/** More than this is not copied into the database; the files are asked for again after a reload. */
export const KEPT_ARRAY_BYTES = 256_000_000;

interface KnownArrays {
  readonly files: readonly PickedFile[];
  readonly arrays: UserArrays;
}

/** Of the project that is open. */
const known = new Map<string, KnownArrays>();

const digestOf = (ref: TaskRef) => (ref.kind === 'files' ? (ref.digest ?? UNNAMED_ARRAYS) : '');

/** @returns null for other tasks, and when the data are not here */
export function userArrays(ref: TaskRef): UserArrays | null {
  return known.get(digestOf(ref))?.arrays ?? null;
}

/** The files that `userArrays` were read from. */
export function userArrayFiles(ref: TaskRef): readonly PickedFile[] {
  return known.get(digestOf(ref))?.files ?? [];
}

export interface AdoptedArrays {
  readonly ref: TaskRef & { readonly kind: 'files' };
  /** Why a reload will not find them; null when it will. */
  readonly notKept: StudioError | 'too-large' | null;
}

/**
 * Makes these files data of the project's task.
 * @throws StudioError task/bad-array, task/shape-mismatch, task/bad-inputs
 */
export async function adoptUserArrays(
  files: readonly PickedFile[],
  signature: Signature,
  projectId: string | null,
): Promise<AdoptedArrays> {
  const arrays = await read(files, signature);
  const digest = arrays.fingerprint.slice(0, 16);
  known.set(digest, { files, arrays });
  const ref = { kind: 'files' as const, names: files.map(({ path }) => path), digest };
  if (projectId === null) return { ref, notKept: null };
  return { ref, notKept: await keepArrays(projectId, ref, files) };
}

/** Writes the files down as the project's; on a full disk once there is room. @returns why that was not possible */
export async function keepArrays(
  projectId: string,
  ref: TaskRef,
  files: readonly PickedFile[],
): Promise<AdoptedArrays['notKept']> {
  if (files.reduce((sum, { file }) => sum + file.size, 0) > KEPT_ARRAY_BYTES) return 'too-large';
  try {
    await changeRecords({ put: [[arraysRecord(projectId, digestOf(ref)), files]], hold: true });
    return null;
  } catch (error) {
    return asStorageError(error);
  }
}

export async function storedArrayFiles(projectId: string, ref: TaskRef): Promise<readonly PickedFile[]> {
  if (ref.kind !== 'files') return [];
  return (await loadRecord<readonly PickedFile[]>(arraysRecord(projectId, digestOf(ref)))) ?? [];
}

/**
 * Makes a stored project's arrays those that are known. Files that cannot be read any more leave the task without data,
 * which a run then says. Sets that the project has no use for any more are removed.
 */
export async function restoreUserArrays(
  projectId: string,
  ref: TaskRef,
  signature: Signature,
  mayTidy: boolean,
): Promise<void> {
  known.clear();
  const record = arraysRecord(projectId, digestOf(ref));
  const stale = (await recordNames(arraysRecord(projectId, ''))).filter((name) => name !== record);
  if (mayTidy && stale.length > 0) await changeRecords({ remove: stale }).catch(() => {});
  const files = await storedArrayFiles(projectId, ref);
  if (files.length === 0) return;
  const arrays = await read(files, signature).catch(() => null);
  if (arrays) known.set(digestOf(ref), { files, arrays });
}

/** Another project is open. */
export function forgetArrays(): void {
  known.clear();
}

async function read(files: readonly PickedFile[], { inputs, outputs }: Signature): Promise<UserArrays> {
  const loaded = await Promise.all(
    files.map(async ({ path, file }) => ({ name: path, bytes: new Uint8Array(await file.arrayBuffer()) })),
  );
  const { feeds, references } = await readUserArrays(loaded, inputs, outputs);
  const fingerprint = canonicalHash(
    loaded.map(({ name, bytes }) => ({ name, size: bytes.length, sum: checksum(bytes) })),
  );
  return { feeds, references, fingerprint };
}

/** FNV-1a, 32 bits (Fowler, Noll, Vo): enough to notice that a file of the same name and size is another. */
function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
