/** From the study's reference to a task to its data, ready for the workers. */

import { type FreeInput, suggestInputs } from '../core/analysis/default-inputs.ts';
import { StudioError } from '../core/base/errors/index.ts';
import { canonicalJson } from '../core/base/json.ts';
import { agreementTask } from '../core/eval/tasks/agreement-task.ts';
import type { Feeds, InputSpec } from '../core/eval/types.ts';
import type { PreparedTask } from '../core/study/ports.ts';
import type { Sample } from '../core/study/samples.ts';
import type { TaskRef } from '../core/study/schema.ts';
import { type TaskData, type TaskQuestion, taskSummary } from '../core/study/task-data.ts';
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

/**
 * @param ask has a worker get or draw the data: unpacking images takes longer than the page may stand still
 * @throws StudioError task/*
 */
export async function prepareTask(
  context: TaskContext,
  ask: (question: TaskQuestion) => Promise<TaskData>,
): Promise<PreparedTask> {
  const fingerprint = context.ref.kind === 'files' ? (context.arrays?.fingerprint ?? '') : '';
  return { ...(await dataOf(context, ask)), key: canonicalJson({ ref: context.ref, fingerprint }) };
}

async function dataOf(
  { ref, inputs, samples, arrays }: TaskContext,
  ask: (question: TaskQuestion) => Promise<TaskData>,
): Promise<TaskData> {
  switch (ref.kind) {
    case 'sample-task': {
      const sample = samples.find(({ task }) => task.id === ref.id);
      if (!sample) throw new StudioError('task/unknown', { task: ref.id });
      return ask({ kind: 'sample-task', id: ref.id, assetBase: taskDataBase(sample) });
    }
    case 'random':
      return ask({ kind: 'random', inputs: randomSpecs(ref, inputs), samples: ref.samples, seed: ref.seed });
    case 'files': {
      if (!arrays)
        throw new StudioError('task/data-missing', {
          task: 'your own arrays',
          reason: 'they were not kept with the page; give them again',
        });
      const source = { kind: 'agreement', feeds: arrays.feeds, references: arrays.references } as const;
      return { source, summary: taskSummary(agreementTask(source)) };
    }
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
