/** The study's task with its data, as the workers take it. */
import type { ModelCard } from '../../core/analysis/card.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { PreparedTask } from '../../core/study/ports.ts';
import type { TaskRef } from '../../core/study/schema.ts';
import { userArrays } from '../../services/arrays.ts';
import { requireOpenedModel } from '../../services/engine.ts';
import { requireTensorInputs, tensorInputs } from '../card-facts.ts';
import { studio } from '../store.ts';

/** @throws StudioError task/* */
export async function prepareCurrentTask(ref: TaskRef, card: ModelCard, job: JobContext): Promise<PreparedTask> {
  // Loaded with the first run: it is no part of the first screen.
  const { prepareTask } = await import('../../services/tasks.ts');
  const samples = studio.getState().samples ?? [];
  const { session } = requireOpenedModel();
  return prepareTask({ ref, inputs: inputsFor(ref, card), samples, arrays: userArrays(ref) }, (question) =>
    session.task(question, job),
  );
}

/** Only random inputs have to be made; a sample's task and the user's arrays bring their own. */
function inputsFor(task: TaskRef, card: ModelCard) {
  return task.kind === 'random' ? requireTensorInputs(card) : tensorInputs(card);
}
