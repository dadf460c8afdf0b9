/** A linear layer's weight as [K, N] in float32, a range of columns at a time. */
import { readTensorFloats } from '../../../ir/tensor.ts';
import type { LinearSite } from '../linear-sites.ts';

export interface ColumnTile {
  readonly first: number;
  readonly columns: number;
  /** [K, columns] */
  readonly values: Float32Array;
}

/** Elements of one tile: some ten arrays of this size are in the runtime's memory at once. */
const TILE_ELEMENTS = 2 << 20;

export async function* columnTiles(
  { weight, K, N, order }: Pick<LinearSite, 'weight' | 'K' | 'N' | 'order'>,
  limit = TILE_ELEMENTS,
): AsyncGenerator<ColumnTile> {
  const all = await readTensorFloats(weight.tensor);
  const width = Math.max(1, Math.min(N, Math.floor(limit / K)));
  if (width === N && order === 'columns') {
    yield { first: 0, columns: N, values: all };
    return;
  }
  for (let first = 0; first < N; first += width) {
    const columns = Math.min(width, N - first);
    const values = new Float32Array(K * columns);
    for (let k = 0, at = 0; k < K; k += 1)
      for (let n = first; n < first + columns; n += 1, at += 1)
        values[at] = all[order === 'columns' ? k * N + n : n * K + k]!;
    yield { first, columns, values };
  }
}

/** Largest magnitude of each input channel over all output channels. */
export async function inputMagnitudes(site: Pick<LinearSite, 'weight' | 'K' | 'N' | 'order'>): Promise<Float64Array> {
  const all = await readTensorFloats(site.weight.tensor);
  const { K, N, order } = site;
  const largest = new Float64Array(K);
  for (let at = 0; at < all.length; at += 1) {
    const k = order === 'columns' ? Math.floor(at / N) : at % K;
    const magnitude = Math.abs(all[at]!);
    if (magnitude > largest[k]!) largest[k] = magnitude;
  }
  return largest;
}
