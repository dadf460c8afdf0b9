import type { Bounds, FixedHistogram, RangeSummary } from './types.ts';

/**
 * The smallest range of whole bins that leaves at most 100 - `percentile` percent of the values outside: on a histogram
 * of magnitudes at both ends together, on a signed one half of it at either end. onnxruntime 1.30 (PercentileCalibrater)
 * takes the lower edge of the last bin and so may cut up to one bin more. Exact zeros count as inside.
 */
export function percentileBounds(histogram: FixedHistogram, range: RangeSummary, percentile: number): Bounds {
  const outside = (range.count * (100 - percentile)) / 100;
  if (histogram.kind === 'magnitude') {
    const t = upperCut(histogram, outside);
    return { min: Math.max(range.min, -t), max: Math.min(range.max, t) };
  }
  // Zero has a code in any case: a range need not be cut beyond it.
  const low = Math.max(range.min, Math.min(lowerCut(histogram, outside / 2), Math.max(range.min, 0)));
  const high = Math.min(range.max, Math.max(upperCut(histogram, outside / 2), Math.min(range.max, 0)));
  return { min: low, max: high };
}

function upperCut({ counts, min, max }: FixedHistogram, allowed: number): number {
  let cut = 0;
  let bin = counts.length;
  while (bin > 0 && cut + counts[bin - 1]! <= allowed) {
    bin -= 1;
    cut += counts[bin]!;
  }
  return bin === counts.length ? max : min + ((max - min) * bin) / counts.length;
}

function lowerCut({ counts, min, max }: FixedHistogram, allowed: number): number {
  let cut = 0;
  let bin = 0;
  while (bin < counts.length && cut + counts[bin]! <= allowed) {
    cut += counts[bin]!;
    bin += 1;
  }
  return min + ((max - min) * bin) / counts.length;
}
