/**
 * What each layer alone costs in the metric that decides: a layer in a candidate's form, everything else kept, built and
 * evaluated as any recipe is. A whole build and run for every pair, so the sensitivities choose which layers are worth it.
 */
import { throwIfCancelled } from '../base/cancel.ts';
import type { JobContext } from '../base/progress.ts';
import { judge } from '../eval/gate.ts';
import type { Evaluation, MetricDefinition } from '../eval/types.ts';
import { candidateSteps, defaultCandidateSettings, EMBEDDING_STEP } from '../precision/candidates.ts';
import { embeddingsOf, exactPattern } from '../precision/mixed-recipe.ts';
import type { CandidateId, SensitiveLayer, SensitivityResult } from '../precision/results.ts';
import { canonicalRecipe } from '../recipe/parse.ts';
import { simplifySteps } from '../recipe/presets.ts';
import { type Recipe, recipeSchema } from '../recipe/schema.ts';
import { orCancelled } from '../study/run.ts';
import type { Gate, Target } from '../study/schema.ts';
import type { SearchHost } from './ports.ts';
import { type Bench, build, evaluate, noMetric, openBench, untried, withSession } from './trial.ts';

export interface LayerMetricRequest<Handle> {
  readonly host: SearchHost<Handle>;
  readonly job: JobContext;
  readonly target: Target;
  /** Its mode says whether `worse` is a share of the original's value; its confidence is that of the intervals. */
  readonly gate: Gate;
  readonly sensitivity: SensitivityResult;
  /** Only the so many most sensitive layers. */
  readonly layers: number;
  /** Samples of the task to evaluate at most; undefined: all. */
  readonly samples?: number | undefined;
}

export interface LayerMetricPoint {
  readonly layer: string;
  readonly candidate: CandidateId;
  /** Of the metric; null where the variant could not be built or run. */
  readonly value: number | null;
  /** How much worse than the original, in the gate's mode; positive is worse. */
  readonly worse: number | null;
  readonly worseInterval: readonly [number, number] | null;
  readonly error: string | null;
}

export interface LayerMetricResult {
  readonly metric: MetricDefinition;
  readonly mode: Gate['mode'];
  readonly original: number;
  readonly samples: number;
  /** Layers by falling sensitivity, candidates in the order of the sensitivities. */
  readonly points: readonly LayerMetricPoint[];
}

/** The largest loss that a candidate causes. */
export function worstLoss({ points }: Pick<SensitiveLayer, 'points'>): number {
  return Math.max(...points.map(({ loss }) => loss));
}

/** The most sensitive first. */
export function bySensitivity(layers: readonly SensitiveLayer[]): SensitiveLayer[] {
  return [...layers].sort((a, b) => worstLoss(b) - worstLoss(a));
}

/**
 * @throws StudioError job/cancelled; errors of the task's data and of the original's build and run; task/bad-inputs where
 *   the task has no metric
 */
export async function measureLayerMetric<Handle>(request: LayerMetricRequest<Handle>): Promise<LayerMetricResult> {
  const { host, job, gate } = request;
  const task = await orCancelled(job, host.task(job));
  const samples = Math.min(request.samples ?? task.summary.sampleCount, task.summary.sampleCount);
  const { bench, original: unchanged } = await openBench(request, task, samples);
  const { definition } = bench;
  const original = await withSession(bench, unchanged.recipe, unchanged.built, (port) =>
    evaluate(bench, port, untried(unchanged.recipe), samples),
  );
  const before = original.metrics.find(({ metric }) => metric === definition.id);
  if (!before) throw noMetric();
  const pairs = pairsOf(request);
  const points: LayerMetricPoint[] = [];
  for (const [index, pair] of pairs.entries()) {
    throwIfCancelled(job.signal);
    const stage = `${pair.layer} in ${pair.candidate} (${index + 1} of ${pairs.length})`;
    const named: JobContext = {
      ...job,
      onProgress: () => job.onProgress({ stage, done: index, total: pairs.length, unit: 'runs' }),
    };
    points.push(await measurePair({ ...bench, job: named }, original, pair));
  }
  return { metric: definition, mode: gate.mode, original: before.value, samples, points };
}

interface Pair {
  readonly layer: string;
  readonly candidate: CandidateId;
  readonly recipe: Recipe;
}

function pairsOf({ sensitivity, layers }: Pick<LayerMetricRequest<unknown>, 'sensitivity' | 'layers'>): Pair[] {
  const ranked = bySensitivity(sensitivity.layers).slice(0, layers);
  const tables = embeddingsOf(sensitivity);
  const settings = { ...defaultCandidateSettings, blockSize: sensitivity.blockSize };
  return ranked.flatMap(({ name, points }) =>
    points
      .filter(({ candidate }) => candidate !== 'keep')
      .map(({ candidate }) => {
        const steps = candidateSteps(candidate, settings)!;
        const step = (tables.has(name) && steps.find(({ id }) => id === EMBEDDING_STEP)) || steps[0];
        const alone = { ...step, params: { ...step.params, include: [exactPattern(name)] } };
        const recipe = canonicalRecipe(
          recipeSchema.parse({ name: `${name} in ${candidate}`.slice(0, 100), steps: [...simplifySteps, alone] }),
        );
        if (!recipe.ok) throw recipe.error;
        return { layer: name, candidate, recipe: recipe.value };
      }),
  );
}

async function measurePair<Handle>(
  bench: Bench<Handle>,
  original: Evaluation,
  { layer, candidate, recipe }: Pair,
): Promise<LayerMetricPoint> {
  const { definition, gate, samples } = bench;
  const nothing = { layer, candidate, value: null, worse: null, worseInterval: null };
  const { record, built } = await build(bench, untried(recipe));
  if (!built) return { ...nothing, error: record.error!.message };
  const variant = await withSession(bench, recipe, built, (port) => evaluate(bench, port, record, samples));
  const { worse, worseInterval } = judge({ definition, gate, original, variant });
  const value = variant.metrics.find(({ metric }) => metric === definition.id)?.value ?? null;
  return { layer, candidate, value, worse, worseInterval, error: null };
}
