/** AWQ's candidate factors for the input channels of linear layers. */
import { readTensorFloats } from '../../ir/tensor.ts';
import type { LinearSite } from './linear-sites.ts';

const SMALLEST = 1e-4;

/**
 * s = x^alpha / w^(1 - alpha), of geometric mean 1 between its extremes. A channel that is never active tells nothing:
 * it gets 1.
 */
export function awqFactors(x: Float64Array, w: Float64Array | undefined, alpha: number): Float64Array {
  const factors = x.map((mean, channel) =>
    Math.max(mean ** alpha / (w ? w[channel]! ** (1 - alpha) + SMALLEST : 1), SMALLEST),
  );
  let [low, high] = [Number.POSITIVE_INFINITY, 0];
  for (const [channel, factor] of factors.entries()) {
    if (x[channel] === 0) continue;
    low = Math.min(low, factor);
    high = Math.max(high, factor);
  }
  const middle = high > 0 ? Math.sqrt(low * high) : 1;
  return factors.map((factor, channel) => (x[channel] === 0 ? 1 : factor / middle));
}

/** Of each input channel the mean over columns of |w| against the largest in its block (AutoAWQ's second statistic). */
export async function weightMeans(
  sites: readonly LinearSite[],
  blockSizeOf: (site: LinearSite) => number,
): Promise<Float64Array> {
  const sums = new Float64Array(sites[0]!.K);
  let columns = 0;
  for (const site of sites) {
    const { K, N, order } = site;
    const blockSize = blockSizeOf(site);
    const values = await readTensorFloats(site.weight.tensor);
    const [kStride, nStride] = order === 'columns' ? [N, 1] : [1, K];
    for (let n = 0; n < N; n += 1)
      for (let first = 0; first < K; first += blockSize) {
        const end = Math.min(K, first + blockSize);
        let largest = 0;
        for (let k = first; k < end; k += 1) largest = Math.max(largest, Math.abs(values[k * kStride + n * nStride]!));
        if (largest === 0) continue;
        for (let k = first; k < end; k += 1)
          sums[k] = sums[k]! + Math.abs(values[k * kStride + n * nStride]!) / largest;
      }
    columns += N;
  }
  return sums.map((sum) => sum / columns);
}
