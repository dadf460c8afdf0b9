/** Bits for each layer: a point on the frontier of measured losses, moved until the whole model just passes the gate. */
import type { JobContext } from '../base/progress.ts';
import { defaultCandidateSettings } from '../precision/candidates.ts';
import { type Frontier, type LayerGroup, pointWithinLoss, precisionFrontier } from '../precision/frontier.ts';
import { type CandidateFamily, choicesOf, embeddingsOf, layerGroups, mixedRecipe } from '../precision/mixed-recipe.ts';
import type { CandidateId, SensitivityResult } from '../precision/results.ts';
import { simplifySteps } from '../recipe/presets.ts';
import type { Recipe } from '../recipe/schema.ts';
import type { SearchBook } from './book.ts';
import type { SearchHost } from './ports.ts';
import type { Runner } from './runner.ts';

const measured: Record<CandidateFamily, readonly CandidateId[]> = {
  weights: ['2', '4', '8', 'int8-weights'],
  dynamic: ['int8'],
  static: ['int8-static'],
};

export interface Mixture {
  readonly groups: readonly LayerGroup[];
  readonly frontier: Frontier;
  /** Predicted bytes of the whole file at a point of the frontier. */
  bytesAt(point: number): number;
  /** @param stepId the step that stores weights in blocks */
  recipeAt(point: number, stepId: string): Recipe;
}

export async function measureMixture<Handle>(
  host: SearchHost<Handle>,
  job: JobContext,
  book: SearchBook<Handle>,
  family: CandidateFamily,
  maxSamples: number | undefined,
): Promise<Mixture> {
  const candidates = measured[family];
  const resume = book.sensitivity(candidates);
  const options = { candidates, ...(maxSamples && { maxSamples }), ...(resume && { resume }) };
  const found = await host.sensitivity(options, job, (partial) => book.keepSensitivity(partial, candidates));
  book.keepSensitivity(found, candidates);
  return mixtureOf(found, family);
}

export function mixtureOf(sensitivity: SensitivityResult, family: CandidateFamily): Mixture {
  const groups = layerGroups(sensitivity, { family });
  const frontier = precisionFrontier(groups);
  const embeddings = embeddingsOf(sensitivity);
  const kept = groups.reduce((sum, { options }) => sum + options[0]!.bytes, 0);
  return {
    groups,
    frontier,
    bytesAt: (point) => sensitivity.modelBytes - kept + frontier.points[point]!.bytes,
    recipeAt: (point, stepId) => {
      const choices = choicesOf(groups, frontier.choices(point));
      const megabytes = ((sensitivity.modelBytes - kept + frontier.points[point]!.bytes) / 1e6).toFixed(2);
      const settings = { ...defaultCandidateSettings, weightStep: { id: stepId, params: {} } };
      return mixedRecipe({
        name: `${familyNames[family]}, ${megabytes} MB`,
        steps: simplifySteps,
        choices,
        embeddings,
        settings,
      });
    },
  };
}

const familyNames: Record<CandidateFamily, string> = {
  weights: 'Mixed bits',
  dynamic: 'INT8 dynamic, sensitive layers kept',
  static: 'INT8 static, sensitive layers kept',
};

export interface BisectOptions {
  readonly stepId: string;
  /** Only files smaller than this are of interest; falls as something passes. */
  readonly belowBytes: number;
  /** A loss to begin with: that of a recipe known to be near the gate. */
  readonly startLoss?: number | undefined;
  /** Losses known to pass and to fail. */
  readonly passes?: number | undefined;
  readonly fails?: number | undefined;
  readonly mostTrials: number;
}

/** Steps of the search below this share of the bytes are not worth an evaluation. */
const WORTHWHILE = 0.005;

/**
 * Losses of layers do not quite add up, so the sum that the gate allows is found by trying: bisection over the sum of
 * losses, on a logarithmic scale. Each trial is a real build and a real evaluation.
 * @returns the smallest that passed, with the losses on both sides
 */
export async function bisect<Handle>(
  runner: Runner<Handle>,
  { frontier, bytesAt, recipeAt }: Mixture,
  options: BisectOptions,
): Promise<BisectOutcome> {
  const positive = frontier.points.map(({ loss }) => loss).filter((loss) => loss > 0);
  if (positive.length === 0) return { best: null, passes: undefined, fails: undefined };
  let best: number | null = null;
  let below = options.belowBytes;
  let [low, high] = [options.passes ?? positive.at(-1)!, options.fails ?? 2 * positive[0]!];
  let [passes, fails] = [options.passes, options.fails];
  const tried = new Set<number>();
  let next = options.startLoss;
  while (tried.size < options.mostTrials && !runner.isSpent && high / low > NEAR) {
    const loss = next ?? Math.sqrt(low * high);
    next = undefined;
    const point = pointWithinLoss(frontier, loss);
    if (bytesAt(point) > below * (1 - WORTHWHILE)) {
      // Too large to be of interest, whether it passes or not.
      low = Math.max(low, loss);
      if (loss >= high) break;
      continue;
    }
    if (tried.has(point)) break;
    tried.add(point);
    const exact = frontier.points[point]!.loss;
    const index = await runner.prepare(recipeAt(point, options.stepId), 'mixed', exact);
    if (await runner.judge(index)) {
      best = index;
      below = runner.bytesOf(index);
      low = loss;
      passes = exact;
    } else {
      high = Math.max(low, exact);
      fails = exact;
    }
  }
  return { best, passes, fails };
}

export interface BisectOutcome {
  /** Place in the book of the smallest that passed. */
  readonly best: number | null;
  /** The largest loss that passed and the smallest that did not. */
  readonly passes: number | undefined;
  readonly fails: number | undefined;
}

/** Losses this near to each other are the same. */
const NEAR = 1.03;

/** The sum of losses of storing every layer in one form, those that have no such form in the best one that they have. */
export function uniformLoss({ groups }: Mixture, candidate: CandidateId): number {
  return groups.reduce((sum, { options }) => sum + (options.find((o) => o.candidate === candidate)?.loss ?? 0), 0);
}
