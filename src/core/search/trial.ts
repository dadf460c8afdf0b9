/** Builds, runs and evaluates one recipe at a time, on more and more samples; remembers what was measured. */
import { canonicalHash } from '../base/canonical-hash.ts';
import { StudioError, toErrorRecord } from '../base/errors/index.ts';
import type { JobContext } from '../base/progress.ts';
import { classOutputs } from '../eval/agreement.ts';
import { agreementPrimary } from '../eval/agreement-rule.ts';
import { judge } from '../eval/gate.ts';
import { ratioOfSums } from '../eval/intervals.ts';
import { agreementMetrics, collectOutputs } from '../eval/tasks/agreement-task.ts';
import type { Evaluation, Feeds, MetricDefinition, TaskSource, VerdictRecord } from '../eval/types.ts';
import type { Recipe } from '../recipe/schema.ts';
import { summarizeLatency } from '../study/latency.ts';
import type { BuiltVariant, InferPort, PreparedTask } from '../study/ports.ts';
import type { Latency } from '../study/results.ts';
import { orCancelled, rethrowIfCancelled } from '../study/run.ts';
import type { Gate, Target } from '../study/schema.ts';
import type { SearchHost } from './ports.ts';
import { originalRecipe } from './proposals.ts';
import type { Tried } from './results.ts';

export interface Bench<Handle> {
  readonly host: SearchHost<Handle>;
  readonly job: JobContext;
  readonly target: Target;
  readonly gate: Gate;
  readonly task: PreparedTask;
  /** How many samples decide. */
  readonly samples: number;
  /** With the original's outputs in it, where agreement with them is what is judged. */
  readonly source: TaskSource;
  readonly definition: MetricDefinition;
}

/** Nothing is known of it yet. */
export function untried(recipe: Recipe): Tried {
  return { id: recipeId(recipe), recipe, facts: null, error: null, evaluations: [], latency: null };
}

/** The same recipe has the same id, whatever it is called. */
export function recipeId({ steps, runtime }: Recipe): string {
  return canonicalHash({ steps, runtime }).slice(0, 16);
}

/**
 * How many samples are evaluated, one round after the other: most recipes that fail do so on the first few. Samples of a
 * round are evaluated again in the next, which costs a third more than one round for those that pass.
 */
export function rounds(samples: number): number[] {
  if (samples <= 40) return [samples];
  const first = Math.max(20, Math.ceil(samples / 8));
  const second = Math.ceil(samples / 2.5);
  return [...new Set([first, second, samples])].sort((a, b) => a - b);
}

/** @throws StudioError job/cancelled; whatever else goes wrong is in the record */
export async function build<Handle>(
  { host, job }: Bench<Handle>,
  record: Tried,
): Promise<{ readonly record: Tried; readonly built: BuiltVariant<Handle> | null }> {
  const { recipe } = record;
  const named: JobContext = {
    ...job,
    onProgress: (progress) => job.onProgress({ ...progress, stage: `${recipe.name}: ${progress.stage}` }),
  };
  try {
    const built = await orCancelled(job, host.build(recipe, named));
    return { record: { ...record, facts: built.facts, error: null }, built };
  } catch (error) {
    rethrowIfCancelled(error);
    return { record: { ...record, facts: null, error: toErrorRecord(error) }, built: null };
  }
}

export async function withSession<Handle, T>(
  { host, job, target }: Pick<Bench<Handle>, 'host' | 'job' | 'target'>,
  recipe: Recipe,
  built: BuiltVariant<Handle>,
  use: (port: InferPort<Handle>) => Promise<T>,
): Promise<T> {
  const port = await openPort(host, job, target);
  try {
    await orCancelled(job, port.open(built.files, { target, settings: recipe.runtime, inspect: false }, job));
    return await use(port);
  } finally {
    port.dispose();
  }
}

async function openPort<Handle>(host: SearchHost<Handle>, job: JobContext, target: Target): Promise<InferPort<Handle>> {
  const opening = host.openInfer(target);
  try {
    return await orCancelled(job, opening);
  } catch (error) {
    // One that is ready only after the cancel belongs to nobody.
    opening.then((port) => port.dispose()).catch(() => {});
    throw error;
  }
}

/** @returns the evaluation on the first `limit` samples; taken from the record where it is there */
export async function evaluate<Handle>(
  { job, source }: Bench<Handle>,
  port: InferPort<Handle>,
  record: Tried,
  limit: number,
): Promise<Evaluation> {
  const known = record.evaluations.find((entry) => entry.limit === limit);
  return known?.evaluation ?? orCancelled(job, port.evaluate(source, job, limit));
}

/**
 * The original's evaluation as it would be on fewer samples, for a verdict that compares like with like.
 * @returns undefined where the metric is not a sum over samples: then it has to be measured
 */
export function evaluationOfFirst(evaluation: Evaluation, limit: number): Evaluation | undefined {
  if (limit >= evaluation.n) return evaluation;
  const [primary, ...others] = evaluation.metrics;
  if (!evaluation.scores || !primary) return undefined;
  const scores = {
    ...evaluation.scores,
    numerators: evaluation.scores.numerators.slice(0, limit),
    denominators: evaluation.scores.denominators.slice(0, limit),
  };
  return {
    ...evaluation,
    metrics: [{ metric: primary.metric, value: ratioOfSums(scores), n: limit }, ...others],
    scores,
    n: limit,
  };
}

/** A verdict on part of the samples counts only when it is "fail": passing is for all of them to say. */
export function verdictOn<Handle>(bench: Bench<Handle>, original: Evaluation, variant: Evaluation): VerdictRecord {
  const { definition, gate, task } = bench;
  return judge({ definition, gate, original, variant, available: task.summary.sampleCount });
}

/** Turns of original and variant, so that drift of the machine hits both alike. */
export async function timeInTurns<Handle>(
  { job, task, host }: Bench<Handle>,
  ports: readonly InferPort<Handle>[],
  runs: number,
): Promise<Latency[]> {
  const feeds = task.summary.latencyFeeds;
  const samples: number[][] = ports.map(() => []);
  const turnsBeganAt = host.wallClock();
  for (let round = -1; round < runs; round += 1) {
    job.onProgress({ stage: 'timing in turns', done: Math.max(0, round), total: runs, unit: 'runs' });
    for (const [index, port] of ports.entries()) {
      const [ms] = await orCancelled(job, port.time(feeds, 1));
      if (round >= 0) samples[index]!.push(ms!);
    }
  }
  return samples.map((own) => summarizeLatency(own, ports.length > 1, turnsBeganAt));
}

/**
 * The original, built, and the source and metric that judge: the first of the task's, or agreement with the original.
 * @param samples how many decide
 * @throws StudioError job/cancelled; errors of the original's build and run; task/bad-inputs where there is no metric
 */
export async function openBench<Handle>(
  request: Pick<Bench<Handle>, 'host' | 'job' | 'target' | 'gate'>,
  task: PreparedTask,
  samples: number,
) {
  const { host, job, target, gate } = request;
  const recipe = originalRecipe();
  const built = await orCancelled(job, host.build(recipe, job));
  const { source, metrics } = await withSession(request, recipe, built, (port) => referenceSource(job, task, port));
  const [definition] = metrics;
  if (!definition) throw noMetric();
  const bench: Bench<Handle> = { host, job, target, gate, task, samples, source, definition };
  return { bench, metrics, original: { recipe, built } };
}

/** What agreement is measured against, where it is: the original's outputs on the task's inputs. */
async function referenceSource<Handle>(
  job: JobContext,
  { source, summary }: PreparedTask,
  port: InferPort<Handle>,
): Promise<{ readonly source: TaskSource; readonly metrics: readonly MetricDefinition[] }> {
  if (source.kind !== 'agreement' || source.references !== null) return { source, metrics: summary.metrics };
  const runner = { run: async (feeds: Feeds) => (await orCancelled(job, port.run(feeds))).outputs };
  const references = await collectOutputs(runner, source.feeds, job);
  const classes = classOutputs(references);
  const metrics = agreementMetrics(agreementPrimary(references, classes));
  return { source: { ...source, references, classOutputs: classes }, metrics };
}

export function noMetric(): StudioError {
  return new StudioError('task/bad-inputs', { reason: 'the task has no metric that a gate could judge' });
}
