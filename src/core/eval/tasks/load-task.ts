/** From a task's description to the task itself. A new kind of sample task is one file beside this one and one line here. */
import { StudioError } from '../../base/errors/index.ts';
import type { Task, TaskDefinition, TaskFiles, TaskSource } from '../types.ts';
import { agreementTask } from './agreement-task.ts';
import { imageClassification } from './image-classification.ts';
import { languageModel } from './language-model.ts';
import { ocrDetection } from './ocr-detection.ts';
import { ocrDirection } from './ocr-direction.ts';
import { ocrRecognition } from './ocr-recognition.ts';
import { tokenTagging } from './token-tagging.ts';
import { voiceActivity } from './vad.ts';

export const taskDefinitions: readonly TaskDefinition[] = [
  ocrRecognition,
  ocrDetection,
  ocrDirection,
  voiceActivity,
  imageClassification,
  // One task a model, because the shape of the cache is the model's.
  languageModel('lm-target', { layers: 5, heads: 2, width: 64 }),
  languageModel('lm-draft', { layers: 2, heads: 2, width: 32 }),
  languageModel('lm-gpt2', { layers: 5, heads: 6, width: 32 }),
  tokenTagging,
];

/**
 * @param files reads a file by its name under the source's `assetBase`
 * @throws StudioError task/unknown, task/data-missing
 */
export async function loadTask(source: TaskSource, files: TaskFiles): Promise<Task> {
  if (source.kind === 'agreement') return agreementTask(source);
  const definition = taskDefinitions.find(({ id }) => id === source.id);
  if (!definition) throw new StudioError('task/unknown', { task: source.id });
  return definition.load(named(files, source.id));
}

/** Foreign errors of the host's reader become task/data-missing. */
function named(files: TaskFiles, task: string): TaskFiles {
  return async (name) => {
    try {
      return await files(name);
    } catch (error) {
      if (error instanceof StudioError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new StudioError('task/data-missing', { task, reason: `${name}: ${reason}` }, error);
    }
  };
}
