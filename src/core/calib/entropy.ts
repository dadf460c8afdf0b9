import { quantizationError } from './mse.ts';
import type { Bounds, CodeGrid, FixedHistogram, RangeSummary } from './types.ts';

/** Mass that Q keeps, spread over all bins, for what it cannot represent: without it every clip would be infinitely bad. */
const FLOOR = 1e-4;

/**
 * The clip that loses least of the distribution P of the values, by KL(P || Q). For every i from the number of levels up,
 * Q is what codes over the first i bins can represent: these bins merged into `levels` and spread evenly over those that
 * are not empty (S. Migacz, "8-bit inference with TensorRT", GTC 2017). There P is clipped too, with the rest in its
 * last bin; where many values are equal (the background of an image, all through a network), a clip at this peak then
 * looks perfect and destroys the model. So P is the whole distribution here, and what is clipped counts as lost.
 * A clip whose squared error is above that of not clipping at all is no candidate: divergence does not know how far off a
 * clipped value is, and the few large activations of transformers carry much of what the next layer sees.
 * The bins (2048 for 128 levels) cover a range fixed beforehand; onnxruntime 1.30 begins with as many bins as levels,
 * whose only candidate is the full range.
 * @param histogram of magnitudes
 */
export function entropyBounds(histogram: FixedHistogram, range: RangeSummary, grid: CodeGrid): Bounds {
  // A range on one side of zero has all codes for its magnitudes; else each sign has half of them.
  const isOneSided = !grid.symmetric && (range.min >= 0 || range.max <= 0);
  const levels = isOneSided ? grid.steps + 1 : Math.ceil((grid.steps + 1) / 2);
  const stepsOfSide = isOneSided ? grid.steps : grid.steps / 2;
  const t = bestClip(histogram, levels, stepsOfSide);
  return { min: Math.max(range.min, -t), max: Math.min(range.max, t) };
}

function bestClip(histogram: FixedHistogram, levels: number, steps: number): number {
  const { counts, max, total } = histogram;
  if (total === 0 || max === 0) return max;
  const squaredError = (bins: number) =>
    quantizationError(histogram, { min: 0, max: (max * bins) / counts.length }, steps);
  const unclipped = squaredError(counts.length);
  let best = counts.length;
  let least = Number.POSITIVE_INFINITY;
  for (let i = levels; i <= counts.length; i += 1) {
    const divergence = divergenceOf(counts, i, levels, total);
    // The widest of equals clips least.
    if (divergence <= least && squaredError(i) <= unclipped) {
      least = divergence;
      best = i;
    }
  }
  return (max * best) / counts.length;
}

/** KL(P || Q) in nats when the first `bins` bins are merged into `levels` and the others are clipped. */
export function divergenceOf(counts: Float64Array, bins: number, levels: number, total: number): number {
  const floor = FLOOR / counts.length;
  let divergence = 0;
  for (let level = 0; level < levels; level += 1) {
    const from = Math.floor((level * bins) / levels);
    const to = Math.floor(((level + 1) * bins) / levels);
    let sum = 0;
    let filled = 0;
    for (let i = from; i < to; i += 1) {
      sum += counts[i]!;
      if (counts[i] !== 0) filled += 1;
    }
    if (filled > 0) divergence += partOf(counts, from, to, total, (1 - FLOOR) * (sum / filled / total) + floor);
  }
  return divergence + partOf(counts, bins, counts.length, total, floor);
}

/** The sum of p ln(p / q) over a run of bins with the same q. */
function partOf(counts: Float64Array, from: number, to: number, total: number, q: number): number {
  let sum = 0;
  for (let i = from; i < to; i += 1) {
    if (counts[i] === 0) continue;
    const p = counts[i]! / total;
    sum += p * Math.log(p / q);
  }
  return sum;
}
