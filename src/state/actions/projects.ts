/** What is done with whole projects: open, rename, duplicate, delete, keep apart. */
import type { ModelCard } from '../../core/analysis/card.ts';
import { asStudioError, StudioError, toErrorRecord } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import { keepArrays, restoreUserArrays, userArrayFiles } from '../../services/arrays.ts';
import { type OpenModel, openModel } from '../../services/engine.ts';
import type { ModelFileSet } from '../../services/files.ts';
import { cachedFiles, deleteCached } from '../../services/hub/cache.ts';
import { loadModelFiles } from '../../services/model-store.ts';
import { askToWrite, lockProject, projectsInUse } from '../../services/project-lock.ts';
import {
  BRING_BACK_MS,
  clearProjects,
  duplicateProject as copyProject,
  loadProject,
  purgeProjects,
  renameProject as renameStored,
  type StoredProject,
  setDeleted,
} from '../../services/projects.ts';
import { fetchSampleModel } from '../../services/samples.ts';
import { arraySignature } from '../card-facts.ts';
import { notify } from '../notices.ts';
import { studio } from '../store.ts';
import { fromStored, type RestoredState, type StoredModel } from '../stored-state.ts';
import { goHome } from './home.ts';
import { beginJob, isCurrent } from './jobs.ts';
import {
  enterProject,
  flushProject,
  freeName,
  hasUnsavedChanges,
  leaveProject,
  onLockLost,
  refreshProjects,
  startProject,
  storeModel,
  tryAgain,
} from './keep.ts';
import { requireSamples } from './samples.ts';
import { reportProblem } from './variants.ts';

/** Its model's bytes are not here: it opens when they are given. */
let awaited: { readonly id: string; readonly key: string } | null = null;

/**
 * Opens a stored project; the one before is stored first, and stays open when this one cannot be opened.
 * @param steal takes it from the tab that has it
 * @throws StudioError project/gone, project/model-missing, recipe/*, file/*, model/*
 */
export async function openProject(id: string, { steal = false } = {}): Promise<void> {
  const { project } = studio.getState();
  if (project?.id === id && !steal) return;
  await flushProject();
  if (steal) await askToWrite(id);
  const stored = await loadProject(id);
  if (!stored) throw new StudioError('project/gone');
  const state = fromStored(stored.state);
  const job = beginJob((progress) =>
    studio.setState(({ opening }) => (opening ? { opening: { ...opening, progress } } : {})),
  );
  const opening = { name: stored.entry.name, progress: null, startedAt: performance.now() };
  studio.setState({ opening, openError: null, job: null, panel: null });
  try {
    const files = await modelFiles(state.model, stored.entry.name, id, job);
    const { opened, card } = await openModel(files, job);
    await show(stored, state, { opened, card, steal });
  } catch (error) {
    if (asStudioError(error).code !== 'job/cancelled') throw error;
  } finally {
    if (isCurrent(job)) studio.setState({ opening: null });
  }
}

async function modelFiles(
  model: StoredModel,
  projectName: string,
  id: string,
  job: JobContext & { readonly signal: AbortSignal },
): Promise<ModelFileSet> {
  const stored = await loadModelFiles(model.key, model.name, model.fileBytes);
  if (stored) return stored;
  const sample = model.sampleId && (await requireSamples()).find((one) => one.id === model.sampleId);
  if (sample) return fetchSampleModel(sample, job.signal, job.onProgress);
  awaited = { id, key: model.key };
  throw new StudioError('project/model-missing', { project: projectName, model: model.name });
}

/** A model whose project waits for it. @returns true when it was shown in that project */
export async function resumeAwaited(opened: OpenModel, card: ModelCard): Promise<boolean> {
  if (awaited?.key !== opened.identity.key) return false;
  const stored = await loadProject(awaited.id);
  awaited = null;
  if (!stored) return false;
  await show(stored, fromStored(stored.state), { opened, card, steal: false });
  return true;
}

interface Shown {
  readonly opened: OpenModel;
  readonly card: ModelCard;
  readonly steal: boolean;
}

async function show(stored: StoredProject, state: RestoredState, { opened, card, steal }: Shown): Promise<void> {
  const { id, name, created, edited } = stored.entry;
  // The lock of the one before may be the very one that is asked for.
  await leaveProject();
  const lock = await lockProject(id, { steal, onLost: onLockLost(id) });
  await restoreUserArrays(id, state.study.task, arraySignature(card), lock !== null);
  const { setStudy, forgetResults, selectVariant } = studio.getState();
  forgetResults();
  studio.setState({ model: { ...state.model, card }, pendingStudy: null, panel: null, openError: null });
  setStudy(state.study, state.ids, name);
  studio.setState(state.parts);
  if (state.selectedId) selectVariant(state.selectedId);
  awaited = null;
  enterProject({ id, created, edited, lock });
  if (lock) void storeModel(opened);
}

/** As `openProject`, for the page: what goes wrong is told. */
export async function openStored(id: string): Promise<void> {
  try {
    await openProject(id);
  } catch (error) {
    if (studio.getState().model) reportProblem(error);
    else studio.setState({ openError: toErrorRecord(error) });
  }
}

async function told(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    reportProblem(error);
  }
  await refreshProjects();
}

const entryOf = (id: string) => studio.getState().projects.find((entry) => entry.id === id);

async function requireFree(id: string): Promise<void> {
  if (studio.getState().project?.id !== id && (await projectsInUse()).has(id))
    throw new StudioError('project/open-elsewhere', { project: entryOf(id)?.name ?? '' });
}

/** Can be undone: in the open project by the study's own undo, else by the notice. */
export function renameProject(id: string, name: string): Promise<void> {
  return told(async () => {
    const trimmed = name.trim().slice(0, 120);
    const before = entryOf(id)?.name;
    if (studio.getState().project?.id === id) {
      studio.getState().renameProject(trimmed);
      return flushProject();
    }
    if (trimmed === '' || trimmed === before) return;
    await requireFree(id);
    await renameStored(id, trimmed);
    notify({
      level: 'info',
      text: `Renamed to ${trimmed}.`,
      ...(before ? { action: { label: 'Undo', run: () => void renameProject(id, before) } } : {}),
    });
  });
}

export function duplicateProject(id: string): Promise<void> {
  return told(async () => {
    await flushProject();
    const name = freeName(`${entryOf(id)?.name ?? ''} copy`.slice(0, 110));
    await copyProject(id, name);
    notify({ level: 'success', text: `Made ${name}.` });
  });
}

/** Out of sight at once, gone half a minute later; the notice brings it back. */
export function deleteProject(id: string): Promise<void> {
  return told(async () => {
    await requireFree(id);
    const name = entryOf(id)?.name ?? 'the project';
    const wasOpen = studio.getState().project?.id === id;
    if (wasOpen) await goHome();
    await setDeleted(id, true);
    const purge = () => void purgeProjects().then(tryAgain, () => {});
    const timer = setTimeout(purge, BRING_BACK_MS + 1000);
    const bringBack = async () => {
      clearTimeout(timer);
      await setDeleted(id, false);
      if (wasOpen && !studio.getState().model) await openProject(id);
    };
    notify({
      level: 'info',
      text: `Deleted ${name}.`,
      action: { label: 'Undo', run: () => void told(bringBack) },
    });
  });
}

/** Everything that is stored, downloads from the hub too, but for what other tabs have open. There is no undo: ask first. */
export function clearEverything(): Promise<void> {
  return told(async () => {
    const own = studio.getState().project?.id;
    if (own) await goHome();
    const inUse = await projectsInUse();
    if (own) inUse.delete(own);
    await clearProjects(inUse);
    // Another tab may be reading its model from what was downloaded.
    if (inUse.size === 0) await deleteCached((await cachedFiles()).map(({ key }) => key));
    await tryAgain();
    const text = inUse.size > 0 ? 'Cleared all but what other tabs have open, and downloads from the hub.' : 'Cleared.';
    notify({ level: 'success', text });
  });
}

/** What is on this page becomes a project of its own; the one that it came from stays as the other tab has it. */
export async function keepAsCopy(): Promise<void> {
  const { history, model } = studio.getState();
  if (!history || !model) return;
  const { study, name } = history.present;
  const files = userArrayFiles(study.task);
  const copy = freeName(`${name} copy`.slice(0, 110));
  studio.getState().renameProject(copy);
  await startProject(true);
  const { project } = studio.getState();
  if (project && files.length > 0) await keepArrays(project.id, study.task, files);
  notify({ level: 'success', text: `Kept as ${copy}.` });
}

/** The other tab stops writing; its latest state is opened here. What was changed here meanwhile is kept as a copy. */
export function editHere(): Promise<void> {
  return told(async () => {
    const id = studio.getState().project?.id;
    if (!id) return;
    if (hasUnsavedChanges()) await keepAsCopy();
    await openProject(id, { steal: true });
  });
}
