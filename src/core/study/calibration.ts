/** The task as a source of calibration inputs. */
import { loadTask } from '../eval/tasks/load-task.ts';
import type { Task, TaskFiles, TaskSource } from '../eval/types.ts';
import type { CalibrationSource } from '../step/define.ts';

/**
 * The task's data are loaded when the first inputs are asked for.
 * @param files reads a file by its name under the source's `assetBase`
 */
export function calibrationOf(source: TaskSource, files: TaskFiles): CalibrationSource {
  let task: Promise<Task> | undefined;
  return {
    origin: source.kind === 'sample-task' ? 'calibration-split' : source.generated ? 'generated' : 'task-inputs',
    async *feeds() {
      task ??= loadTask(source, files);
      yield* (await task).calibrationFeeds();
    },
  };
}
