/** Area under the ROC curve over groups of scores (clips, documents), with an interval that resamples whole groups. */
import { bootstrapInterval } from '../intervals.ts';
import type { MetricDefinition, MetricValue } from '../types.ts';

/** Scores that belong together: neighbouring frames are alike, so they are drawn together or not at all. */
export interface ScoredGroup {
  readonly scores: readonly number[];
  readonly labels: readonly boolean[];
}

export function aucValue(metric: MetricDefinition, groups: readonly ScoredGroup[]): MetricValue {
  const areaOf = weightedArea(groups);
  const n = groups.length;
  const interval = bootstrapInterval(n, (draw) => {
    const weights = new Float64Array(n);
    for (const i of draw) weights[i]! += 1;
    return areaOf(weights);
  });
  return { metric: metric.id, value: areaOf(new Float64Array(n).fill(1)), interval, n };
}

/**
 * Sorts once; then each area takes one pass. Equal to `areaUnderRoc` over every group repeated as often as it weighs.
 * @returns weights of the groups to area, NaN when a class is missing
 */
export function weightedArea(groups: readonly ScoredGroup[]): (weights: ArrayLike<number>) => number {
  const all = groups.flatMap(({ scores, labels }, group) =>
    scores.map((score, i) => ({ score: Number.isNaN(score) ? -Infinity : score, positive: labels[i]!, group })),
  );
  all.sort((a, b) => (a.score < b.score ? -1 : a.score > b.score ? 1 : 0));
  const starts = all.map((item, i) => i === 0 || item.score !== all[i - 1]!.score);
  return (weights) => {
    let negativesBelow = 0;
    let tiedNegatives = 0;
    let tiedPositives = 0;
    let positives = 0;
    let won = 0;
    const closeTie = () => {
      won += tiedPositives * (negativesBelow + tiedNegatives / 2);
      negativesBelow += tiedNegatives;
      positives += tiedPositives;
      tiedNegatives = 0;
      tiedPositives = 0;
    };
    for (let i = 0; i < all.length; i++) {
      if (starts[i]) closeTie();
      const { positive, group } = all[i]!;
      if (positive) tiedPositives += weights[group]!;
      else tiedNegatives += weights[group]!;
    }
    closeTie();
    return won / (positives * negativesBelow);
  };
}
