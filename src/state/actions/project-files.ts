/** Projects as zip files, out and in. */
import { asStudioError, StudioError } from '../../core/base/errors/index.ts';
import { keepArrays, storedArrayFiles, userArrayFiles } from '../../services/arrays.ts';
import { openedModel } from '../../services/engine.ts';
import { projectFileName, saveStream } from '../../services/export.ts';
import { browseProject } from '../../services/files.ts';
import { loadModelFiles } from '../../services/model-store.ts';
import {
  type ProjectContents,
  type ReceivedProject,
  readProjectZip,
  writeProjectZip,
} from '../../services/project-zip.ts';
import { loadProject, newProjectId, type StoredProject, writeProject } from '../../services/projects.ts';
import { asStorageError } from '../../services/storage.ts';
import { notify } from '../notices.ts';
import { currentReport } from '../report.ts';
import { studio } from '../store.ts';
import { fromStored, type StoredState, toStored } from '../stored-state.ts';
import { beginJob, isCurrent } from './jobs.ts';
import { freeName, refreshProjects } from './keep.ts';
import { openProject } from './projects.ts';
import { reportProblem } from './variants.ts';

let exporting: AbortController | null = null;

/** Saves a project as one zip file; the open one as it is on the page, stored or not. */
export async function exportProject(id: string): Promise<void> {
  exporting?.abort();
  const controller = new AbortController();
  exporting = controller;
  studio.setState({ exporting: { id, progress: null } });
  let shownAt = 0;
  const job = {
    signal: controller.signal,
    yield: () => Promise.resolve(),
    onProgress: (progress: NonNullable<ReturnType<typeof studio.getState>['exporting']>['progress']) => {
      if (performance.now() - shownAt < 60 || exporting !== controller) return;
      shownAt = performance.now();
      studio.setState({ exporting: { id, progress } });
    },
  };
  try {
    const contents = await contentsOf(id);
    const stream = writeProjectZip(contents, job);
    const saved = await saveStream(stream, 'application/zip', projectFileName(contents.project.name));
    if (saved) notify({ level: 'success', text: `Exported ${contents.project.name}.` });
  } catch (error) {
    // A stream that was stopped says so in its own words.
    if (!controller.signal.aborted) reportProblem(error);
  } finally {
    if (exporting === controller) {
      exporting = null;
      studio.setState({ exporting: null });
    }
  }
}

export function cancelExport(): void {
  exporting?.abort();
  exporting = null;
  studio.setState({ exporting: null });
}

async function contentsOf(id: string): Promise<ProjectContents> {
  const state = studio.getState();
  const opened = openedModel();
  if (state.project?.id === id && opened) {
    const stored = toStored(state);
    const task = userArrayFiles(state.history!.present.study.task);
    if (stored) return { ...described(stored), model: opened.files, task, report: currentReport(state) };
  }
  const stored = await loadProject(id);
  if (!stored) throw new StudioError('project/gone');
  const { model, study, parts } = fromStored(stored.state);
  const files = await loadModelFiles(model.key, model.name, model.fileBytes);
  if (!files) throw new StudioError('project/model-missing', { project: stored.entry.name, model: model.name });
  const task = await storedArrayFiles(id, study.task);
  return { ...described(stored), model: files, task, report: parts.report ?? null };
}

function described({ entry, state }: StoredProject): Pick<ProjectContents, 'project' | 'results'> {
  const { model, study, ids, selectedId, parts } = fromStored(state);
  const { ref, key, name, title, sampleId } = model;
  const { report = null, measured = {}, lastMeasuredKey = {}, lenses = {}, sensitivity = null } = parts;
  return {
    project: {
      name: entry.name,
      created: entry.created,
      model: { ref, key, name, title, sampleId },
      study,
      ids: [...ids],
      selectedId,
    },
    // What is written is what the schema of the file reads: JSON all the way.
    results: { report, measured, lastMeasuredKey, lenses, sensitivity } as unknown as ProjectContents['results'],
  };
}

export async function chooseProject(): Promise<void> {
  try {
    const file = await browseProject();
    if (file) await importProject(file);
  } catch (error) {
    reportProblem(error);
  }
}

/** Makes a project of a zip file and opens it. @throws StudioError project/*, recipe/*, storage/* */
export async function importProject(file: File): Promise<void> {
  const job = beginJob((progress) =>
    studio.setState(({ opening }) => (opening ? { opening: { ...opening, progress } } : {})),
  );
  studio.setState({
    opening: { name: file.name, progress: null, startedAt: performance.now() },
    openError: null,
    panel: null,
  });
  let received: ReceivedProject | null = null;
  try {
    received = await readProjectZip(file, file.name, job);
    const id = await adopt(received);
    await refreshProjects();
    await openProject(id);
    // By the name it was given here, which may differ from the file's.
    const name = studio.getState().history?.present.name ?? received.project.name;
    notify({ level: 'success', text: `Imported ${name}.` });
  } catch (error) {
    if (asStudioError(error).code !== 'job/cancelled' && !job.signal.aborted) throw error;
  } finally {
    received?.release();
    if (isCurrent(job)) studio.setState({ opening: null });
  }
}

/** Always as a new project: one of the same name, even the very same one, stays as it is. */
async function adopt({ project, results, modelKey, modelBytes, sha256, task }: ReceivedProject): Promise<string> {
  const id = newProjectId();
  const { name, title, sampleId, ref } = project.model;
  const now = new Date().toISOString();
  const state = {
    version: 1,
    model: { ref, key: modelKey, sha256, name, title, fileBytes: modelBytes, sampleId },
    study: project.study,
    ids: project.ids,
    selectedId: project.selectedId,
    ...results,
    profiles: {},
  } as unknown as StoredState;
  const notKept = task.length > 0 ? await keepArrays(id, project.study.task, task) : null;
  if (notKept && notKept !== 'too-large') throw asStorageError(notKept);
  await writeProject({
    entry: {
      id,
      name: freeName(project.name),
      created: project.created,
      changed: now,
      model: { key: modelKey, name, title, fileBytes: modelBytes, sampleId },
      variants: project.study.variants.length,
      edited: true,
    },
    state,
  });
  return id;
}
