/** The graph of a variant, and questions about its nodes and weights, asked of the transform worker. */
import type { MemoryTimeline } from '../core/analysis/memory-plan.ts';
import { canonicalJson } from '../core/base/json.ts';
import { type JobContext, quietJob } from '../core/base/progress.ts';
import type { NodeDetail } from '../core/graph-view/node-detail.ts';
import type { WeightStatistics } from '../core/graph-view/weight-statistics.ts';
import { needsCalibration } from '../core/recipe/needs.ts';
import type { Recipe } from '../core/recipe/schema.ts';
import type { GraphAnswer } from '../rpc/contract.ts';
import type { HostRequest, OpenModel } from './engine.ts';
import type { SessionVariant } from './worker/transform-session.ts';

export interface VariantGraph extends GraphAnswer {
  /** Names what it depends on. */
  readonly key: string;
  /** @param index of the node in the file's list */
  node(scope: number, index: number): Promise<NodeDetail | null>;
  /** null: not numbers. */
  weight(scope: number, name: string, job: JobContext): Promise<WeightStatistics | null>;
  /** Elements as text, in C order. */
  values(scope: number, name: string, start: number, count: number): Promise<readonly string[]>;
}

export interface GraphQuestion extends Pick<HostRequest, 'dims' | 'task'> {
  readonly recipe: Recipe;
}

/**
 * Builds the variant where needed; nothing is measured.
 * @throws StudioError recipe/*, pass/*, calib/*, task/*, job/cancelled, worker/crashed
 */
export async function variantGraph(opened: OpenModel, question: GraphQuestion, job: JobContext): Promise<VariantGraph> {
  const { session } = opened;
  const { variant, key } = await askedFor(opened, question, job);
  const answer = await session.graph(variant, key, job);
  return {
    ...answer,
    key,
    node: (scope, index) => session.ask('graphNode', variant, key, { scope, index }, quietJob),
    weight: (scope, name, inner) => session.ask('graphWeight', variant, key, { scope, name }, inner),
    values: (scope, name, start, count) =>
      session.ask('graphValues', variant, key, { scope, name, start, count }, quietJob),
  };
}

/** The variant's memory over time, predicted. @throws as variantGraph does */
export async function variantMemory(
  opened: OpenModel,
  question: GraphQuestion,
  job: JobContext,
): Promise<MemoryTimeline> {
  const { variant, key } = await askedFor(opened, question, job);
  return opened.session.memory(variant, key, job);
}

async function askedFor(
  { identity }: OpenModel,
  { recipe, dims, task }: GraphQuestion,
  job: JobContext,
): Promise<{ readonly variant: SessionVariant; readonly key: string }> {
  const prepared = needsCalibration(recipe) ? await task(job) : undefined;
  const key = canonicalJson({ steps: recipe.steps, dims, task: prepared?.key ?? null });
  const calibration = prepared ? { calibration: prepared.source } : {};
  return { variant: { recipe, modelKey: identity.key, dims, ...calibration }, key };
}
