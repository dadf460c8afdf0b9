/** Calls a task of tasks.ts with its types. */
import type { TaskPool } from '../../step/task-pool.ts';
import type { TaskInput, TaskName, TaskOutput } from './tasks.ts';

export function runPooled<Name extends TaskName>(
  pool: TaskPool,
  name: Name,
  input: TaskInput<Name>,
  transfer: readonly ArrayBuffer[],
): Promise<TaskOutput<Name>> {
  return pool.run(name, input, transfer) as Promise<TaskOutput<Name>>;
}

/** Enough for every thread to have its next task at hand when it ends one. */
export function tasksAtOnce(pool: TaskPool | undefined): number {
  return pool ? 2 * pool.threads : 1;
}
