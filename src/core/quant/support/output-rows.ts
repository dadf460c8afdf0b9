/** Reads a product's weight output by output, however it is stored, with a bounded part of it in memory. */
import { throwIfCancelled } from '../../base/cancel.ts';
import type { JobContext } from '../../base/progress.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { floatsOf, readTensorSlab } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';

export interface StoredProductWeight {
  readonly tensor: Tensor;
  readonly K: number;
  readonly N: number;
  /** columns: row-major [K, N]; rows: row-major [N, K]. */
  readonly order: 'columns' | 'rows';
}

/** The weights of `count` outputs from `first` on. */
export interface OutputRows {
  readonly first: number;
  readonly count: number;
  /** [count, K]. May share memory with the tensor: read only. */
  readonly values: Float32Array;
}

/** Bytes of float32 to hand out at once. */
const ROW_BYTES = 16 << 20;
/** Elements turned together, so that both sides stay in the cache. */
const TILE = 32;

/** All N outputs in order. */
export async function* outputRows(
  job: Pick<JobContext, 'signal' | 'yield'>,
  { tensor, K, N, order }: StoredProductWeight,
  rowBytes = ROW_BYTES,
): AsyncGenerator<OutputRows> {
  const elementBytes = dtypeInfo[tensor.dtype].bits / 8;
  const read = async (first: number, count: number) =>
    floatsOf(
      tensor.dtype,
      await readTensorSlab(tensor, first * elementBytes, count * elementBytes),
      count,
      tensor.name,
    );
  const atOnce = Math.max(1, Math.floor(rowBytes / (K * 4)));
  for (let first = 0; first < N; first += atOnce) {
    throwIfCancelled(job.signal);
    await job.yield();
    const count = Math.min(atOnce, N - first);
    if (order === 'rows') {
      yield { first, count, values: await read(first * K, count * K) };
      continue;
    }
    const values = new Float32Array(count * K);
    if (count === N) turn(await read(0, K * N), values, { K, N, first, count, firstRow: 0, rows: K });
    else
      for (let row = 0; row < K; row += 1)
        turn(await read(row * N + first, count), values, { K, N: count, first: 0, count, firstRow: row, rows: 1 });
    yield { first, count, values };
  }
}

interface Part {
  /** Of the result's rows. */
  readonly K: number;
  /** Of the source's rows. */
  readonly N: number;
  readonly first: number;
  readonly count: number;
  /** Where in the result's rows the source's rows go. */
  readonly firstRow: number;
  readonly rows: number;
}

function turn(source: Float32Array, out: Float32Array, { K, N, first, count, firstRow, rows }: Part): void {
  for (let rowTile = 0; rowTile < rows; rowTile += TILE)
    for (let tile = 0; tile < count; tile += TILE) {
      const rowEnd = Math.min(rows, rowTile + TILE);
      const end = Math.min(count, tile + TILE);
      for (let row = rowTile; row < rowEnd; row += 1)
        for (let c = tile, from = row * N + first + tile; c < end; c += 1, from += 1)
          out[c * K + firstRow + row] = source[from]!;
    }
}
