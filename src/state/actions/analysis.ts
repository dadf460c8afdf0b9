/** The error lens and sensitivities: long work in the transform worker, like a run, and never beside one. */
import { throwIfCancelled } from '../../core/base/cancel.ts';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { SensitivityResult } from '../../core/precision/results.ts';
import { layerErrors, layerSensitivity, type OpenModel, openedModel } from '../../services/engine.ts';
import { fetchRuntime } from '../../services/runtime-files.ts';
import { lensKey, taskKey } from '../analysis-slice.ts';
import type { LoadedModel } from '../model-slice.ts';
import type { JobKind } from '../run-slice.ts';
import { studio } from '../store.ts';
import type { StudyDraft } from '../study-slice.ts';
import { prepareCurrentTask } from './current-task.ts';
import { beginJob, holdWorkers, isCurrent, workersAreFree } from './jobs.ts';

export interface Surroundings {
  readonly opened: OpenModel;
  readonly model: LoadedModel;
  readonly draft: StudyDraft;
  /** Loads the study's task as it was when the job began. */
  readonly prepareTask: (job: JobContext) => ReturnType<typeof prepareCurrentTask>;
  readonly job: JobContext;
  /** False once the job was cancelled or overtaken: then nothing may be written any more. */
  readonly isCurrent: () => boolean;
}

interface LongJob<T> {
  readonly kind: Exclude<JobKind, 'run'>;
  readonly work: (around: Surroundings) => Promise<T>;
  /** Keeps what came out. @returns what to say about it */
  readonly finish: (value: T) => string;
  readonly fail: (error: ErrorRecord) => void;
}

/** Runs the work as the one job of the page. Does nothing while another runs, or without a model. */
export async function longJob<T>({ kind, work, finish, fail }: LongJob<T>): Promise<void> {
  const { model, history, opening, job: running, startJob, jobProgress, endJob } = studio.getState();
  const opened = openedModel();
  if (!model || !history || !opened || opening || running) return;
  const draft = history.present;
  const job = beginJob(jobProgress);
  startJob([], false, kind);
  try {
    await workersAreFree();
    throwIfCancelled(job.signal);
    await fetchRuntime(draft.study.targets, job);
    const working = work({
      opened,
      model,
      draft,
      job,
      prepareTask: (inner) => prepareCurrentTask(draft.study.task, model.card, inner),
      isCurrent: () => isCurrent(job),
    });
    holdWorkers(working);
    const value = await working;
    if (isCurrent(job)) endJob(null, finish(value));
  } catch (error) {
    const record = toErrorRecord(error);
    if (!isCurrent(job)) return;
    const isCancel = record.code === 'job/cancelled';
    if (!isCancel) fail(record);
    endJob(isCancel ? null : record);
  }
}

/** Samples that are run for each layer: more change figures of this kind little. */
export const LENS_SAMPLES = 8;

/** How far each layer of a variant is from the original's. */
export function runLens(variantId: string): Promise<void> {
  studio.setState({ lensError: null });
  return longJob({
    kind: 'lens',
    work: async ({ opened, draft, prepareTask, job }) => {
      const recipe = draft.study.variants[draft.ids.indexOf(variantId)]!;
      const result = await layerErrors(opened, { recipe, task: prepareTask, maxSamples: LENS_SAMPLES }, job);
      return { key: lensKey(recipe, draft.study.task), result };
    },
    finish: (entry) => {
      studio.setState(({ lenses }) => ({ lenses: { ...lenses, [variantId]: entry } }));
      return `Compared ${entry.result.layers.length} layers.`;
    },
    fail: (lensError) => studio.setState({ lensError }),
  });
}

/** What storing each layer in fewer bits does; goes on from what is known of the same task. */
export function runSensitivity(): Promise<void> {
  studio.setState({ sensitivityError: null });
  return longJob({
    kind: 'sensitivity',
    work: async ({ opened, draft, prepareTask, job }) => {
      const key = taskKey(draft.study.task);
      const before = studio.getState().sensitivity;
      const resume = before?.key === key ? before.result : undefined;
      // What was measured is worth keeping after a cancel too, but not when another model is open.
      const keep = (result: SensitivityResult) => {
        if (openedModel() === opened) studio.setState({ sensitivity: { key, result } });
      };
      const question = { task: prepareTask, ...(resume ? { resume } : {}) };
      keep(await layerSensitivity(opened, question, job, keep));
    },
    finish: () => `Measured ${studio.getState().sensitivity?.result.layers.length ?? 0} layers.`,
    fail: (sensitivityError) => studio.setState({ sensitivityError }),
  });
}
