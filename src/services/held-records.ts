/** What found no room on the disk and is held by this page: written when there is room. */
import { projectsInUse } from './project-lock.ts';
import {
  ARRAYS,
  arraysRecord,
  ENTRY,
  newProjectId,
  type ProjectEntry,
  STATE,
  type StoredProject,
  writeProject,
} from './projects.ts';
import { changeRecords, heldNames, letGo, loadRecord, loadRecords, loadWritten } from './storage.ts';

const heldProjectIds = () =>
  new Set([ENTRY, STATE].flatMap((prefix) => heldNames(prefix).map((name) => name.slice(prefix.length))));

export function areProjectsHeld(): boolean {
  return heldProjectIds().size > 0;
}

/** Whether a closed tab would lose what only the user can make again. */
export function isAnythingHeld(): boolean {
  return areProjectsHeld() || heldNames(ARRAYS).length > 0;
}

/** Another tab writes the project from now on. */
export function letGoOfProject(id: string): void {
  letGo([ENTRY + id, STATE + id, ...heldNames(arraysRecord(id, ''))]);
}

/**
 * Writes the projects that were left with changes. What another tab has changed meanwhile, or has open, stays as it has it,
 * and the changes become a copy.
 * @param openId the project that is open here: its latest state is the page's, not the held one
 */
export async function writeHeldProjects(openId: string | null): Promise<void> {
  for (const id of heldProjectIds()) {
    const entry = await loadRecord<ProjectEntry>(ENTRY + id);
    const state = await loadRecord<unknown>(STATE + id);
    // One that is deleted goes with its mark.
    if (id === openId || !entry || entry.deleted !== undefined || state === undefined) continue;
    const write = (await isTaken(entry)) ? writeCopy : writeProject;
    // Else it is held on.
    await write({ entry, state }).catch(() => {});
  }
}

async function isTaken({ id, changed }: ProjectEntry): Promise<boolean> {
  const written = await loadWritten<ProjectEntry>(ENTRY + id);
  return written !== undefined && (written.changed > changed || (await projectsInUse()).has(id));
}

async function writeCopy({ entry, state }: StoredProject): Promise<void> {
  const id = newProjectId();
  const arrays = await loadRecords<unknown>(arraysRecord(entry.id, ''));
  await changeRecords({
    put: [
      [ENTRY + id, { ...entry, id, name: `${entry.name} copy` }],
      [STATE + id, state],
      ...[...arrays].map(([record, files]) => [arraysRecord(id, record.split('/').at(-1)!), files] as const),
    ],
  });
  letGoOfProject(entry.id);
}

/** @returns whether all of the user's data are written now */
export async function writeHeldArrays(): Promise<boolean> {
  for (const name of heldNames(ARRAYS))
    await changeRecords({ put: [[name, await loadRecord<unknown>(name)]], hold: true }).catch(() => {});
  return heldNames(ARRAYS).length === 0;
}
