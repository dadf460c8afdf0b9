/** A task's data, got where it is needed or drawn, and what has to be known of it elsewhere. */
import { agreementTask } from '../eval/tasks/agreement-task.ts';
import { loadTask } from '../eval/tasks/load-task.ts';
import { randomFeeds } from '../eval/tasks/random-inputs.ts';
import type { InputSpec, Task, TaskFiles, TaskSource } from '../eval/types.ts';
import type { TaskSummary } from './ports.ts';

export type TaskQuestion =
  /** `assetBase`: absolute URL that ends in '/', under which the task's files lie. */
  | { readonly kind: 'sample-task'; readonly id: string; readonly assetBase: string }
  | { readonly kind: 'random'; readonly inputs: readonly InputSpec[]; readonly samples: number; readonly seed: number };

export interface TaskData {
  readonly source: TaskSource;
  readonly summary: TaskSummary;
}

/**
 * Unpacks a sample task's files, or draws random inputs: up to hundreds of milliseconds of work, for a worker.
 * @param files the reader of what lies under a base
 * @throws StudioError task/unknown, task/data-missing, task/bad-inputs
 */
export async function taskData(question: TaskQuestion, files: (base: string) => TaskFiles): Promise<TaskData> {
  if (question.kind === 'random') {
    const { inputs, samples, seed } = question;
    const feeds = randomFeeds(inputs, samples, seed);
    const source = { kind: 'agreement', feeds, generated: true, references: null } as const;
    return { source, summary: taskSummary(agreementTask(source)) };
  }
  return { source: question, summary: taskSummary(await loadTask(question, files(question.assetBase))) };
}

export function taskSummary(task: Task): TaskSummary {
  const { title, metrics, sampleCount } = task;
  return { title, metrics, sampleCount, latencyFeeds: task.latencyFeeds() };
}
