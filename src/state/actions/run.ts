/** One press runs every variant on every chosen target; results fill in as they come. */

import { throwIfCancelled } from '../../core/base/cancel.ts';
import { toErrorRecord } from '../../core/base/errors/index.ts';
import type { Environment, Report } from '../../core/study/results.ts';
import { runStudy } from '../../core/study/run.ts';
import { openedModel, studyHost } from '../../services/engine.ts';
import { fetchRuntime } from '../../services/runtime-files.ts';
import { taskDims } from '../card-facts.ts';
import type { LoadedModel } from '../model-slice.ts';
import { selectNeedsRun } from '../rows.ts';
import { studio } from '../store.ts';
import { prepareCurrentTask } from './current-task.ts';
import { beginJob, holdWorkers, isCurrent, workersAreFree } from './jobs.ts';

export interface RunOptions {
  /** Measures anew even what is known: after a change of conditions (other programs, power mode). */
  readonly fresh?: boolean;
}

export async function runAll({ fresh = false }: RunOptions = {}): Promise<void> {
  const state = studio.getState();
  const { model, history, opening, startJob, jobProgress, takeReport, endJob } = state;
  const opened = openedModel();
  if (!model || !history || !opened || opening || state.job) return;
  const used = history.present;
  const { study } = used;
  const sample = state.samples?.find(({ id }) => id === model.sampleId);
  const job = beginJob(jobProgress);
  startJob(used.ids, fresh);
  const host = studyHost(opened, {
    dims: taskDims(model.card, study.task, sample),
    task: (inner) => prepareCurrentTask(study.task, model.card, inner),
  });
  try {
    await workersAreFree();
    throwIfCancelled(job.signal);
    await fetchRuntime(study.targets, job);
    const run = runStudy({
      study,
      host,
      job,
      environment: environment(),
      model: reportedModel(model),
      // A run that was overtaken (another model was opened) must not write into its successor's results.
      onUpdate: (partial) => isCurrent(job) && takeReport(partial, used),
      ignoreCache: fresh,
    });
    holdWorkers(run);
    const report = await run;
    if (isCurrent(job)) {
      takeReport(report, used);
      endJob(null);
    }
  } catch (error) {
    const record = toErrorRecord(error);
    if (isCurrent(job)) endJob(record.code === 'job/cancelled' ? null : record);
  }
}

/** Measures what has no figures; where everything has, measures all of it anew. */
export function runNeeded(): Promise<void> {
  return runAll({ fresh: !selectNeedsRun(studio.getState()) });
}

export function reportedModel(model: LoadedModel): Report['model'] {
  const { ref, title, sha256, fileBytes, card } = model;
  return { ref, name: title, sha256, fileBytes, parameters: card.weights.parameters, nodes: card.nodes.all };
}

export function environment(): Environment {
  const { capabilities } = studio.getState();
  const adapter = capabilities?.webgpu.adapter;
  return {
    host: 'browser',
    userAgent: navigator.userAgent,
    logicalCores: navigator.hardwareConcurrency || 1,
    crossOriginIsolated: globalThis.crossOriginIsolated === true,
    webgpuAdapter: adapter
      ? [adapter.vendor, adapter.architecture, adapter.description].filter(Boolean).join(' ')
      : null,
    whittleVersion: __WHITTLE_VERSION__,
  };
}
