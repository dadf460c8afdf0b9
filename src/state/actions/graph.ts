/** Graphs of variants for the graph view: asked for once for each set of steps, kept while the model is open. */
import type { MemoryTimeline } from '../../core/analysis/memory-plan.ts';
import { canonicalJson } from '../../core/base/json.ts';
import type { JobContext } from '../../core/base/progress.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { type OpenModel, openedModel } from '../../services/engine.ts';
import { type GraphQuestion, type VariantGraph, variantGraph, variantMemory } from '../../services/variant-graph.ts';
import { taskDims } from '../card-facts.ts';
import { studio } from '../store.ts';
import { prepareCurrentTask } from './current-task.ts';

/** Documents of large graphs take tens of megabytes. */
const KEPT = 4;
const known = new WeakMap<OpenModel, Map<string, VariantGraph>>();
const memories = new WeakMap<OpenModel, Map<string, MemoryTimeline>>();

/** What the graph of a recipe depends on, as far as the page knows before it is built. */
export function graphKeyOf(recipe: Recipe): string {
  return canonicalJson({ steps: recipe.steps, task: studio.getState().history?.present.study.task ?? null });
}

/**
 * @throws StudioError recipe/*, pass/*, calib/*, task/*, job/cancelled, worker/crashed
 * @returns null without a model
 */
export function graphOf(recipe: Recipe, job: JobContext): Promise<VariantGraph | null> {
  return once(known, recipe, (opened, question) => variantGraph(opened, question, job));
}

/** The memory of a recipe's variant over time, predicted; otherwise as graphOf. */
export function memoryOf(recipe: Recipe, job: JobContext): Promise<MemoryTimeline | null> {
  return once(memories, recipe, (opened, question) => variantMemory(opened, question, job));
}

async function once<Answer>(
  kept: WeakMap<OpenModel, Map<string, Answer>>,
  recipe: Recipe,
  ask: (opened: OpenModel, question: GraphQuestion) => Promise<Answer>,
): Promise<Answer | null> {
  const { model, history, samples } = studio.getState();
  const opened = openedModel();
  if (!opened || !model || !history) return null;
  const answers = kept.get(opened) ?? new Map<string, Answer>();
  kept.set(opened, answers);
  const key = graphKeyOf(recipe);
  const before = answers.get(key);
  if (before) return before;
  const { task } = history.present.study;
  const sample = samples?.find(({ id }) => id === model.sampleId);
  const answer = await ask(opened, {
    recipe,
    dims: taskDims(model.card, task, sample),
    task: (inner: JobContext) => prepareCurrentTask(task, model.card, inner),
  });
  answers.set(key, answer);
  if (answers.size > KEPT) answers.delete([...answers.keys()][0]!);
  return answer;
}

/**
 * Stops a question to the transform worker. While a job uses that worker it is left to end by itself: a worker that does
 * not notice in time is terminated, and the job with it.
 */
export function stopUnlessBusy(controller: AbortController | null): void {
  const { job, opening } = studio.getState();
  if (!job && !opening) controller?.abort();
}
