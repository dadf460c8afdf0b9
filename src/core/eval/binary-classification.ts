/** Metrics of a detector that gives each sample a score; `labels` say which samples are positive. */

export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  readonly trueNegatives: number;
}

/** A score equal to the threshold counts as positive. */
export function confusionAt(scores: ArrayLike<number>, labels: ArrayLike<boolean>, threshold: number): Confusion {
  let truePositives = 0;
  let falsePositives = 0;
  let falseNegatives = 0;
  let trueNegatives = 0;
  for (let i = 0; i < labels.length; i++) {
    const positive = scores[i]! >= threshold;
    if (labels[i]) {
      if (positive) truePositives += 1;
      else falseNegatives += 1;
    } else if (positive) falsePositives += 1;
    else trueNegatives += 1;
  }
  return { truePositives, falsePositives, falseNegatives, trueNegatives };
}

/** F1 = 2 TP / (2 TP + FP + FN), as a ratio of sums so that samples can be added up; 0 / 0 where nothing is positive. */
export function f1Terms(confusion: Confusion): { readonly numerator: number; readonly denominator: number } {
  const numerator = 2 * confusion.truePositives;
  return { numerator, denominator: numerator + confusion.falsePositives + confusion.falseNegatives };
}

/**
 * Area under the ROC curve as the Mann-Whitney statistic: the probability that a random positive scores above a
 * random negative, ties counting one half. O(n log n) by mid-ranks. (Hanley & McNeil 1982.) NaN scores rank lowest.
 * @returns 0 to 1; NaN when either class is empty
 */
export function areaUnderRoc(scores: ArrayLike<number>, labels: ArrayLike<boolean>): number {
  const n = labels.length;
  const value = (i: number) => (Number.isNaN(scores[i]!) ? -Infinity : scores[i]!);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => {
    const x = value(a);
    const y = value(b);
    return x < y ? -1 : x > y ? 1 : 0;
  });
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < n; ) {
    let end = start + 1;
    while (end < n && value(order[end]!) === value(order[start]!)) end += 1;
    const midRank = (start + 1 + end) / 2;
    for (let k = start; k < end; k++)
      if (labels[order[k]!]) {
        positives += 1;
        rankSum += midRank;
      }
    start = end;
  }
  const negatives = n - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
