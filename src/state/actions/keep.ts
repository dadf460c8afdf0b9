/**
 * Keeps the open project: every change is written down a moment after it was made, and at once when the page is hidden or
 * goes. What cannot be written is told, stays on the page, and is tried again with the next change, after room was made here,
 * and every few seconds, since room may be made elsewhere.
 */
import { asStudioError } from '../../core/base/errors/index.ts';
import { forgetArrays } from '../../services/arrays.ts';
import type { OpenModel } from '../../services/engine.ts';
import { onFiguresNotKept, writeHeldFigures } from '../../services/figures.ts';
import {
  areProjectsHeld,
  isAnythingHeld,
  letGoOfProject,
  writeHeldArrays,
  writeHeldProjects,
} from '../../services/held-records.ts';
import { holdModel, saveModelFiles } from '../../services/model-store.ts';
import { answerAsks, lockProject, type ProjectLock } from '../../services/project-lock.ts';
import {
  listProjects,
  newProjectId,
  projectsOfSample,
  purgeProjects,
  rememberOpened,
  writeProject,
} from '../../services/projects.ts';
import { studio } from '../store.ts';
import { isStoredChange, toStored } from '../stored-state.ts';
import { followProfiles } from './profile.ts';
import { endLackOfRoom, endTrouble, lacksRoom, raiseStorageTrouble, raiseTrouble } from './troubles.ts';

/** An edit that is older than this is on the disk, whatever happens to the tab. */
export const SAVE_DELAY_MS = 400;
/** How long what found no room waits for the next try. */
const RETRY_MS = 5000;

let lock: ProjectLock | null = null;
/** False while another tab writes the project. */
let mayWrite = false;
let releaseModel: () => void = () => {};
let timer: ReturnType<typeof setTimeout> | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;
/** Something changed that is not written yet. */
let isDirty = false;
let writing: Promise<void> | null = null;
/** Its bytes could not be stored. */
let unstoredModel: OpenModel | null = null;

export function hasUnsavedChanges(): boolean {
  return isDirty;
}

/** Brings the list of stored projects up to date. */
export async function refreshProjects(): Promise<void> {
  studio.setState({ projects: await listProjects() });
}

/** "name", or "name 2" where that is taken. */
export function freeName(name: string): string {
  const taken = new Set(studio.getState().projects.map((entry) => entry.name));
  if (!taken.has(name)) return name;
  for (let number = 2; ; number += 1) if (!taken.has(`${name} ${number}`)) return `${name} ${number}`;
}

/** Writes what is not written yet. The transaction has begun when this returns; the promise says when it is over. */
export function flushProject(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  return isDirty ? write() : (writing ?? Promise.resolve());
}

function write(): Promise<void> {
  const stored = mayWrite ? toStored(studio.getState()) : null;
  if (!stored) return Promise.resolve();
  isDirty = false;
  const current: Promise<void> = writeProject(stored)
    .then(
      () => areProjectsHeld() || endLackOfRoom('full'),
      (error: unknown) => notKept(error, stored.entry.id),
    )
    .then(() => {
      if (writing === current) writing = null;
    });
  writing = current;
  return current;
}

function notKept(error: unknown, id: string): void {
  if (studio.getState().project?.id === id) isDirty = true;
  raiseStorageTrouble(
    'full',
    asStudioError(error),
    'Changes stay on this page and are written once there is room; closed before that, it loses them.',
  );
  retryLater();
}

/** Writes what found no room. */
export async function tryAgain(): Promise<void> {
  if (unstoredModel) await storeModel(unstoredModel);
  await writeHeldProjects(studio.getState().project?.id ?? null);
  if (await writeHeldArrays()) endLackOfRoom('data');
  if (await writeHeldFigures()) endLackOfRoom('figures');
  await flushProject();
  if (!areProjectsHeld() && !isDirty) endLackOfRoom('full');
}

export function retryLater(): void {
  if (retry !== undefined) return;
  retry = setTimeout(() => {
    retry = undefined;
    void tryAgain().then(() => lacksRoom() && retryLater());
  }, RETRY_MS);
}

/** Copies the model where a reload finds it. A failure is told; the work goes on from memory. */
export async function storeModel(opened: OpenModel): Promise<void> {
  const { identity, files } = opened;
  try {
    const release = await holdModel(identity.key);
    releaseModel();
    releaseModel = release;
    await saveModelFiles(identity.key, files, () => {});
    unstoredModel = null;
    endLackOfRoom('model');
  } catch (error) {
    unstoredModel = opened;
    raiseStorageTrouble('model', asStudioError(error), 'The model is not kept over a reload.');
    if (lacksRoom()) retryLater();
  }
}

/** Before another model or project takes the place of the open one. */
export function leaveProject(): Promise<void> {
  const done = flushProject();
  isDirty = false;
  mayWrite = false;
  unstoredModel = null;
  lock?.release();
  lock = null;
  releaseModel();
  releaseModel = () => {};
  endTrouble('elsewhere');
  endTrouble('model');
  forgetArrays();
  studio.setState({ project: null });
  return done.then(refreshProjects);
}

export interface EnteredProject {
  readonly id: string;
  readonly created: string;
  readonly edited: boolean;
  /** null: another tab has it. */
  readonly lock: ProjectLock | null;
}

/** The state is the project's now: changes from here on are its changes. */
export function enterProject({ id, created, edited, lock: held }: EnteredProject): void {
  lock = held;
  mayWrite = held !== null;
  isDirty = false;
  if (!mayWrite) tellElsewhere();
  studio.setState({ project: { id, created, edited } });
  void rememberOpened(id).catch(() => {});
}

function tellElsewhere(): void {
  raiseTrouble({
    kind: 'elsewhere',
    text: 'This project is open in another tab. Changes made here are not kept.',
    advice: 'Go on there, edit it here instead, or keep what is here as a copy.',
  });
}

/** For `lockProject`: another tab took the project that is open here. */
export function onLockLost(id: string): () => void {
  return () => {
    if (studio.getState().project?.id !== id) return;
    mayWrite = false;
    lock = null;
    letGoOfProject(id);
    tellElsewhere();
  };
}

/** Makes what is on the page a project of its own, and writes it down. @param edited by more than Whittle's own hand */
export function startProject(edited: boolean): Promise<void> {
  const id = newProjectId();
  // Nobody else knows of it yet, so the first write needs not wait for the lock.
  enterProject({ id, created: new Date().toISOString(), edited, lock: { release: () => {} } });
  endTrouble('elsewhere');
  void lockProject(id, { onLost: onLockLost(id) }).then((held) => {
    if (studio.getState().project?.id === id) lock = held;
    else held?.release();
  });
  return write().then(refreshProjects);
}

/** A sample that was only looked at needs not be there twice. */
export async function dropUntouched(sampleId: string): Promise<void> {
  const current = studio.getState().project?.id;
  const ids = (await projectsOfSample(sampleId)).filter((id) => id !== current);
  if (ids.length > 0) await purgeProjects(ids).then(refreshProjects);
}

/** Writes the open project down a moment after each change. @returns a function that stops it */
export function keepSession(): () => void {
  const unsubscribe = studio.subscribe((state, before) => {
    // While projects change places nothing is anybody's change.
    if (!state.project || state.project !== before.project || !isStoredChange(state, before)) return;
    isDirty = true;
    schedule();
  });
  const flush = () => void flushProject();
  const onHidden = () => document.visibilityState === 'hidden' && flush();
  const onLeave = (event: BeforeUnloadEvent) => {
    if (lacksRoom() && (isDirty || isAnythingHeld())) event.preventDefault();
  };
  // The last edit before the tab goes must not be lost; a phone may end a hidden tab without a word.
  onFiguresNotKept((error) => {
    raiseStorageTrouble('figures', error, 'What was measured is shown, but has to be measured again after a reload.');
    retryLater();
  });
  addEventListener('pagehide', flush);
  addEventListener('beforeunload', onLeave);
  document.addEventListener('visibilitychange', onHidden);
  const unfollow = followProfiles();
  // A tab that takes the project over begins with this one's last edit.
  const stopAnswers = answerAsks((id) => (mayWrite && studio.getState().project?.id === id ? flushProject() : null));
  return () => {
    stopAnswers();
    unfollow();
    removeEventListener('pagehide', flush);
    removeEventListener('beforeunload', onLeave);
    document.removeEventListener('visibilitychange', onHidden);
    unsubscribe();
  };
}

function schedule(): void {
  timer ??= setTimeout(() => {
    timer = undefined;
    // A slow disk must not collect copies of the state.
    if (writing) void writing.then(() => isDirty && schedule());
    else void flushProject();
  }, SAVE_DELAY_MS);
}
