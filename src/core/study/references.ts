/** What agreement is measured against: the original's outputs, and the metrics that these outputs allow. */
import { classOutputs } from '../eval/agreement.ts';
import { type AgreementPrimary, agreementPrimary } from '../eval/agreement-rule.ts';
import { agreementMetrics, collectOutputs, isAgreementPrimary } from '../eval/tasks/agreement-task.ts';
import type { Feeds } from '../eval/types.ts';
import type { InferPort } from './ports.ts';
import { orCancelled, rethrowIfCancelled } from './run.ts';
import type { Target } from './schema.ts';
import { laneJob, openPlace, type TargetRequest } from './target-request.ts';

/** Runs the original once over the task's inputs, on WASM (or the first target of a host that has none). */
export async function collectReferences<Handle>(request: TargetRequest<Handle>): Promise<void> {
  const { run, contestants, task, originals } = request;
  const baseline = contestants.find(({ index }) => index === 0);
  if (task.source.kind !== 'agreement' || !baseline) return;
  const job = laneJob(request, baseline);
  const target: Target = request.target.provider === 'cpu' ? request.target : { provider: 'wasm', threads: 0 };
  let port: InferPort<Handle> | undefined;
  try {
    const opened = await openPlace(run, job, target);
    port = opened;
    const settings = baseline.recipe.runtime;
    await orCancelled(job, opened.open(baseline.variant.files, { target, settings, inspect: false }, job));
    const runner = { run: async (feeds: Feeds) => (await orCancelled(job, opened.run(feeds))).outputs };
    const references = await collectOutputs(runner, task.source.feeds, job);
    const classes = classOutputs(references);
    originals.source = { ...task.source, references, classOutputs: classes };
    setMetrics(request, agreementPrimary(references, classes));
  } catch (error) {
    // Without the original's outputs nothing can be compared; each card says so when its evaluation fails.
    rethrowIfCancelled(error);
  } finally {
    port?.dispose();
  }
}

/**
 * Which metrics judge agreement is known only from the original's outputs; where nothing has to be run, cached
 * evaluations say it.
 */
export function showAgreementMetrics<Handle>(request: TargetRequest<Handle>): void {
  const { run, task, target, originals } = request;
  if (task.source.kind !== 'agreement' || task.source.references !== null || originals.source) return;
  const evaluated = run.variants.map((_, index) => run.measurement(index, target)?.evaluation).find((found) => found);
  const primary = evaluated?.metrics[0]?.metric;
  if (isAgreementPrimary(primary)) setMetrics(request, primary);
}

function setMetrics<Handle>({ run, task }: TargetRequest<Handle>, primary: AgreementPrimary): void {
  run.setTask({ ...task, summary: { ...task.summary, metrics: agreementMetrics(primary) } });
}
