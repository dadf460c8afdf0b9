/** From the study's reference to a task to its data, ready for the workers. */

import { type FreeInput, suggestInputs } from '../core/analysis/default-inputs.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import type { JobContext } from '../core/base/progress.ts';
import { loadTask } from '../core/eval/tasks/load-task.ts';
import { randomFeeds } from '../core/eval/tasks/random-inputs.ts';
import type { Feeds, InputSpec, TaskFiles, TaskSource } from '../core/eval/types.ts';
import type { PreparedTask } from '../core/study/ports.ts';
import type { Sample } from '../core/study/samples.ts';
import type { TaskRef } from '../core/study/schema.ts';
import { taskDataBase } from './samples.ts';

/** The user's own arrays, once read: one feeds a sample, and the expected outputs where they were given. */
export interface UserArrays {
  readonly feeds: readonly Feeds[];
  readonly references: readonly Feeds[] | null;
  /** Names and sizes: part of the key of cached results. */
  readonly fingerprint: string;
}

export interface TaskContext {
  readonly ref: TaskRef;
  readonly inputs: readonly FreeInput[];
  readonly samples: readonly Sample[];
  readonly arrays: UserArrays | null;
}

/** @throws StudioError task/* */
export async function prepareTask(context: TaskContext, job: JobContext): Promise<PreparedTask> {
  const source = taskSource(context);
  const base = source.kind === 'sample-task' ? source.assetBase : '';
  const task = await loadTask(source, fetchedFiles(base, job));
  const { title, metrics, sampleCount } = task;
  const fingerprint = context.ref.kind === 'files' ? (context.arrays?.fingerprint ?? '') : '';
  return {
    source,
    summary: { title, metrics, sampleCount, latencyFeeds: task.latencyFeeds() },
    key: canonicalJson({ ref: context.ref, fingerprint }),
  };
}

function taskSource({ ref, inputs, samples, arrays }: TaskContext): TaskSource {
  switch (ref.kind) {
    case 'sample-task': {
      const sample = samples.find(({ task }) => task.id === ref.id);
      if (!sample) throw new StudioError('task/unknown', { task: ref.id });
      return { kind: 'sample-task', id: ref.id, assetBase: taskDataBase(sample) };
    }
    case 'random':
      return {
        kind: 'agreement',
        feeds: randomFeeds(randomSpecs(ref, inputs), ref.samples, ref.seed),
        generated: true,
        references: null,
      };
    case 'files':
      if (!arrays)
        throw new StudioError('task/data-missing', {
          task: 'your own arrays',
          reason: 'they were not kept with the page; give them again',
        });
      return { kind: 'agreement', feeds: arrays.feeds, references: arrays.references };
  }
}

/** A link may come from another model or an older export: what it does not say is suggested. */
function randomSpecs(ref: TaskRef & { kind: 'random' }, inputs: readonly FreeInput[]): InputSpec[] {
  return suggestInputs(inputs).map((suggested) => {
    const given = ref.inputs.find(({ name }) => name === suggested.name);
    const { name, dtype, dims, distribution, max } = suggested;
    return given && given.dims.length === dims.length
      ? { name, dtype, dims: given.dims, distribution: given.distribution, max: given.max }
      : { name, dtype, dims, distribution, max };
  });
}

function fetchedFiles(base: string, job: JobContext): TaskFiles {
  const controller = new AbortController();
  job.signal.addEventListener('abort', () => controller.abort(), { once: true });
  return async (name) => {
    const response = await fetch(new URL(name, base), { signal: controller.signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
}
