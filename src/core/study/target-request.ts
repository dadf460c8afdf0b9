/** What measuring on one target is given, and what all its parts need: a name for progress, a place for a session. */
import { throwIfCancelled } from '../base/cancel.ts';
import type { JobContext } from '../base/progress.ts';
import type { Recipe } from '../recipe/schema.ts';
import type { BuiltVariant, InferPort, PreparedTask } from './ports.ts';
import { type OriginalOutputs, orCancelled, type StudyRun, targetLabel } from './run.ts';
import type { Target } from './schema.ts';

export interface Contestant<Handle> {
  /** Position among the study's variants; 0 is the baseline. */
  readonly index: number;
  readonly recipe: Recipe;
  readonly variant: BuiltVariant<Handle>;
}

export interface TargetRequest<Handle> {
  readonly run: StudyRun<Handle>;
  readonly target: Target;
  readonly contestants: readonly Contestant<Handle>[];
  readonly task: PreparedTask;
  readonly originals: OriginalOutputs;
}

/** Says whose progress it is. */
export function laneJob<Handle>(request: TargetRequest<Handle>, contestant: Contestant<Handle>): JobContext {
  const { job } = request.run.request;
  const prefix = `${contestant.recipe.name} on ${targetLabel(request.target)}`;
  return { ...job, onProgress: (progress) => job.onProgress({ ...progress, stage: `${prefix}: ${progress.stage}` }) };
}

/** A place for a session. One that is ready only after the job was cancelled is disposed: nobody else knows of it. */
export async function openPlace<Handle>(
  run: StudyRun<Handle>,
  job: JobContext,
  target: Target,
): Promise<InferPort<Handle>> {
  throwIfCancelled(job.signal);
  const opening = run.request.host.openInfer(target);
  try {
    return await orCancelled(job, opening);
  } catch (error) {
    opening.then((port) => port.dispose()).catch(() => {});
    throw error;
  }
}
