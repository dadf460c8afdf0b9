/** The user's own arrays: read once, kept in memory, and as files in IndexedDB so that a reload finds them again. */
import { canonicalHash } from '../core/base/canonical-hash.ts';
import { readUserArrays, type ValueSpec } from '../core/eval/tasks/user-arrays.ts';
import type { PickedFile } from './files.ts';
import { deleteRecord, loadRecord, saveRecord } from './storage.ts';
import type { UserArrays } from './tasks.ts';

interface Signature {
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
}

const ARRAYS_RECORD = 'arrays';
/** More than this is not copied into the database; the files are asked for again after a reload. */
const KEPT_BYTES = 256_000_000;

let current: UserArrays | null = null;

export function userArrays(): UserArrays | null {
  return current;
}

/**
 * Makes these files the task's data.
 * @returns their names, for the study
 * @throws StudioError task/bad-array, task/shape-mismatch, task/bad-inputs
 */
export async function adoptUserArrays(files: readonly PickedFile[], signature: Signature): Promise<string[]> {
  current = await read(files, signature);
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  if (bytes <= KEPT_BYTES) await saveRecord(ARRAYS_RECORD, files);
  else await deleteRecord(ARRAYS_RECORD);
  return files.map(({ path }) => path);
}

/** After a reload. Files that cannot be read any more leave the task without data, which a run then says. */
export async function restoreUserArrays(signature: Signature): Promise<void> {
  const files = await loadRecord<readonly PickedFile[]>(ARRAYS_RECORD);
  current = files ? await read(files, signature).catch(() => null) : null;
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
