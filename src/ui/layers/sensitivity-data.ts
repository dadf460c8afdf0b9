/** Sensitivities as a ranking, a table, a sentence, a file, and a curve of sizes to choose a mixture from. */
import { defaultCandidateSettings } from '../../core/precision/candidates.ts';
import { pointWithinBytes, precisionFrontier } from '../../core/precision/frontier.ts';
import { choicesOf, layerGroups, mixedRecipe } from '../../core/precision/mixed-recipe.ts';
import type { CandidateId, SensitiveLayer, SensitivityPoint, SensitivityResult } from '../../core/precision/results.ts';
import { simplifySteps } from '../../core/recipe/presets.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import { csvText } from '../../core/report/csv-text.ts';
import { formatBytes } from '../format.ts';

export const CANDIDATE_TITLES: Readonly<Record<CandidateId, string>> = {
  keep: 'Kept',
  '2': '2 bits',
  '3': '3 bits',
  '4': '4 bits',
  '8': '8 bits',
  'int8-weights': 'INT8 weights',
  int8: 'INT8 dynamic',
  'int8-static': 'INT8 static',
};

/** Fits into a mark of the chart. */
export const CANDIDATE_MARKS: Readonly<Record<CandidateId, string>> = {
  keep: 'k',
  '2': '2',
  '3': '3',
  '4': '4',
  '8': '8',
  'int8-weights': 'W8',
  int8: 'D8',
  'int8-static': 'S8',
};

/** Candidates with a figure, those that lose most first. */
export function measuredCandidates({ candidates }: SensitivityResult): CandidateId[] {
  return candidates.filter((candidate) => candidate !== 'keep');
}

export function pointOf(layer: SensitiveLayer, candidate: CandidateId): SensitivityPoint | undefined {
  return layer.points.find((point) => point.candidate === candidate);
}

/** Layers that have this form, most loss first. */
export function rankedLayers({ layers }: SensitivityResult, candidate: CandidateId): SensitiveLayer[] {
  return layers
    .filter((layer) => pointOf(layer, candidate))
    .sort((a, b) => pointOf(b, candidate)!.loss - pointOf(a, candidate)!.loss);
}

/** What the losses are, in words. */
export function lossUnit({ lossKind }: SensitivityResult): string {
  return lossKind === 'kl' ? 'KL divergence, nats' : 'relative squared error';
}

export function formatLoss(loss: number): string {
  if (loss === 0) return '0';
  return loss >= 0.001 ? loss.toPrecision(3) : loss.toExponential(1).replace('-', '\u2212');
}

export function sensitivitySummary(result: SensitivityResult, candidate: CandidateId): string {
  const ranked = rankedLayers(result, candidate);
  const [first] = ranked;
  if (!first) return `No layer can be stored as ${CANDIDATE_TITLES[candidate]}.`;
  const losses = ranked.map((layer) => pointOf(layer, candidate)!.loss);
  const sum = losses.reduce((a, b) => a + b, 0);
  if (sum === 0) return `With ${CANDIDATE_TITLES[candidate]} no layer loses anything that the outputs show.`;
  let half = 0;
  let count = 0;
  while (half < sum / 2) half += losses[count++]!;
  const share = count === 1 ? 'It alone has' : `The first ${count} of ${ranked.length} layers have`;
  return `With ${CANDIDATE_TITLES[candidate]} ${first.name} loses most (${formatLoss(losses[0]!)}). ${share} half of all loss.`;
}

export function sensitivityCsv(result: SensitivityResult): string {
  const candidates = measuredCandidates(result);
  const head = candidates.flatMap((id) => [`${id}_loss`, `${id}_local_sqnr_db`, `${id}_bytes`]);
  return csvText(
    ['layer', 'op_type', 'parameters', 'weight_bytes', ...head],
    result.layers.map((layer) => [
      layer.name,
      layer.opType,
      layer.parameters,
      layer.weightBytes,
      ...candidates.flatMap((id): (string | number)[] => {
        const point = pointOf(layer, id);
        return point ? [point.loss, point.localSqnrDb, point.bytes] : ['', '', ''];
      }),
    ]),
  );
}

/** Fewer than the search takes: drawn while a slider moves, and one part in so many of the bytes is near enough. */
const STATES = 500;

export interface MixtureCurve {
  readonly smallestBytes: number;
  readonly largestBytes: number;
  /** The least loss of at most so many bytes of the whole file, as predicted. */
  within(bytes: number): MixturePoint;
}

export interface MixturePoint {
  readonly bytes: number;
  readonly loss: number;
  /** Layers by what they are stored in. */
  readonly counts: readonly { readonly candidate: CandidateId; readonly layers: number }[];
  recipe(stepId: string): Recipe;
}

/** @returns null where no layer has a choice */
export function mixtureCurve(result: SensitivityResult): MixtureCurve | null {
  const groups = layerGroups(result, { family: 'weights' });
  if (groups.length === 0) return null;
  const frontier = precisionFrontier(groups, STATES);
  const kept = groups.reduce((sum, { options }) => sum + options[0]!.bytes, 0);
  const rest = result.modelBytes - kept;
  const { points } = frontier;
  return {
    smallestBytes: rest + points[0]!.bytes,
    largestBytes: rest + points.at(-1)!.bytes,
    within(bytes) {
      const at = Math.max(0, pointWithinBytes(frontier, bytes - rest));
      const choices = choicesOf(groups, frontier.choices(at));
      const total = rest + points[at]!.bytes;
      return {
        bytes: total,
        loss: points[at]!.loss,
        counts: countChoices(choices.values()),
        recipe: (stepId) =>
          mixedRecipe({
            name: `Mixed bits, ${formatBytes(total)}`,
            steps: simplifySteps,
            choices,
            settings: {
              ...defaultCandidateSettings,
              blockSize: result.blockSize,
              weightStep: { id: stepId, params: {} },
            },
          }),
      };
    },
  };
}

function countChoices(choices: Iterable<CandidateId>): { candidate: CandidateId; layers: number }[] {
  const counts = new Map<CandidateId, number>();
  for (const choice of choices) counts.set(choice, (counts.get(choice) ?? 0) + 1);
  return [...counts].map(([candidate, layers]) => ({ candidate, layers })).sort((a, b) => b.layers - a.layers);
}
