/**
 * Blockwise quantization of one stored weight, by rounding to nearest or with a search for better parameters, a slab at a
 * time: what is in memory are a few slabs of the source and of the result, however large the tensor (scales apart:
 * 1/block of the weight). Where the host has more threads, they work on slabs side by side.
 */
import type { FilePart } from '../../base/bytes.ts';
import { throwIfCancelled } from '../../base/cancel.ts';
import { inOrder } from '../../base/in-order.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { floatsOf, readTensorSlab, tensorByteLength } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { TaskPool } from '../../step/task-pool.ts';
import { noFiniteScale } from './bad-weight.ts';
import { type QuantizedSlab, quantizeSlab, type Slab } from './nbits-slab.ts';
import { type NBitsLayout, type NBitsMatrix, storeNBitsMatrix } from './nbits-store.ts';
import { runPooled, tasksAtOnce } from './pooled.ts';
import type { BlockSearch } from './search/types.ts';
import { fieldBits } from './weight-bits.ts';

export interface NBitsRequest extends NBitsLayout {
  readonly tensor: Tensor;
  /** How it is stored: columns is row-major [K, N], rows is row-major [N, K]. */
  readonly order: 'columns' | 'rows';
  /** Round to nearest when left out. */
  readonly search?: BlockSearch | undefined;
  /** For tests. */
  readonly limits?: typeof defaultLimits;
}

/** A search takes tens of nanoseconds a weight: between reads there is a chance to cancel. */
const SEARCH_READ_BYTES = 1 << 20;
/** Source bytes to have in memory at once, and bytes of codes to collect before they are handed on. */
const defaultLimits = { readBytes: 8 << 20, collectBytes: 48 << 20 };
/** With less a task costs more to hand over than to do; with fewer than two of it a weight is not divided. */
const LEAST_TASK_BYTES = 128 << 10;
/** Rounding to nearest is little more than reading: more threads only fight over the memory (bench/README.md). */
const MOST_THREADS_OF_NEAREST = 4;
/** Source bytes that all threads' slabs may take together. */
const POOLED_BYTES = 32 << 20;

/**
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements, or so wide a range that its scale
 *   overflows
 */
export async function quantizeMatrix(ctx: StepContext, request: NBitsRequest): Promise<NBitsMatrix> {
  const job = new MatrixJob(ctx, request);
  const { scales, zeroPoints } = job;
  return storeNBitsMatrix(ctx, request, { packed: job.codes(), scales, zeroPoints });
}

/** A part of the source, where its results go. */
interface Place {
  /** Of the source as it is stored. */
  readonly firstRow: number;
  readonly rows: number;
  readonly firstColumn: number;
  readonly columns: number;
}

class MatrixJob {
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array | Float32Array;
  readonly blocksPerColumn: number;
  readonly blobBytes: number;
  readonly #elementBytes: number;
  readonly #pool: TaskPool | undefined;
  readonly #tasksAtOnce: number;
  readonly #readBytes: number;
  readonly #collectBytes: number;

  constructor(
    readonly ctx: StepContext,
    readonly request: NBitsRequest,
  ) {
    const { K, N, bits, blockSize, tensor } = request;
    this.blocksPerColumn = Math.ceil(K / blockSize);
    this.blobBytes = (blockSize * fieldBits(bits)) / 8;
    this.scales = new Float32Array(N * this.blocksPerColumn);
    const count = request.symmetric ? 0 : this.scales.length;
    this.zeroPoints = request.search?.hasFractionalZeroPoints ? new Float32Array(count) : new Uint8Array(count);
    this.#elementBytes = dtypeInfo[tensor.dtype].bits / 8;
    const limits = request.limits ?? defaultLimits;
    this.#collectBytes = limits.collectBytes;
    const alone = Math.min(limits.readBytes, request.search ? SEARCH_READ_BYTES : limits.readBytes);
    const bytes = tensorByteLength(tensor);
    const pool = ctx.executor?.pool;
    this.#pool = pool && bytes >= 2 * LEAST_TASK_BYTES ? pool : undefined;
    const threads = Math.min(
      this.#pool?.threads ?? 1,
      request.search ? Number.POSITIVE_INFINITY : MOST_THREADS_OF_NEAREST,
    );
    this.#tasksAtOnce = Math.min(tasksAtOnce(this.#pool), 2 * threads);
    const each = Math.min(POOLED_BYTES / this.#tasksAtOnce, bytes / threads);
    this.#readBytes = this.#pool ? Math.min(alone, Math.max(LEAST_TASK_BYTES, each)) : alone;
  }

  /** The codes in the order of the result, [N, blocks, blob]. */
  codes(): AsyncGenerator<Uint8Array> {
    return this.request.order === 'rows' ? this.#codesOfRows() : this.#codesOfColumns();
  }

  /** Stored [N, K]: the result has the source's order, so it can leave as it is made. */
  async *#codesOfRows(): AsyncGenerator<Uint8Array> {
    const { K, N } = this.request;
    const rows = Math.max(1, Math.floor(this.#readBytes / (K * this.#elementBytes)));
    const places = placesOf(N, rows, (firstRow, count) => ({ firstRow, rows: count, firstColumn: 0, columns: K }));
    for await (const { place, slab } of this.#quantized(places)) {
      const at = place.firstRow * this.blocksPerColumn;
      this.scales.set(slab.scales, at);
      if (this.zeroPoints.length > 0) this.zeroPoints.set(slab.zeroPoints, at);
      yield slab.packed;
    }
  }

  /** Stored [K, N]: codes of a column come from all over the source, so a range of columns is collected at a time. */
  async *#codesOfColumns(): AsyncGenerator<Uint8Array> {
    const { K, N, blockSize } = this.request;
    const columnBytes = this.blocksPerColumn * this.blobBytes;
    const columnsPerPass = Math.max(1, Math.min(N, Math.floor(this.#collectBytes / columnBytes)));
    for (let firstColumn = 0; firstColumn < N; firstColumn += columnsPerPass) {
      const columns = Math.min(columnsPerPass, N - firstColumn);
      const blockRowBytes = blockSize * columns * this.#elementBytes;
      const blocks = columns === N ? Math.max(1, Math.floor(this.#readBytes / blockRowBytes)) : 1;
      const places = placesOf(K, blocks * blockSize, (firstRow, rows) => ({ firstRow, rows, firstColumn, columns }));
      const collected = new Uint8Array(columns * columnBytes);
      for await (const { place, slab } of this.#quantized(places)) this.#collect(place, slab, collected);
      yield collected;
    }
  }

  /** The blocks of each column go to their place among all of the column's blocks. */
  #collect({ firstRow, rows, firstColumn, columns }: Place, slab: QuantizedSlab, collected: Uint8Array): void {
    const { blobBytes, blocksPerColumn, scales, zeroPoints } = this;
    const { blockSize } = this.request;
    const block = firstRow / blockSize;
    const count = Math.ceil(rows / blockSize);
    for (let column = 0; column < columns; column += 1) {
      const from = column * count;
      const to = column * blocksPerColumn + block;
      collected.set(slab.packed.subarray(from * blobBytes, (from + count) * blobBytes), to * blobBytes);
      const at = firstColumn * blocksPerColumn + to;
      for (let i = 0; i < count; i += 1) scales[at + i] = slab.scales[from + i]!;
      if (zeroPoints.length > 0) for (let i = 0; i < count; i += 1) zeroPoints[at + i] = slab.zeroPoints[from + i]!;
    }
  }

  async *#quantized(places: Iterable<Place>): AsyncGenerator<{ place: Place; slab: QuantizedSlab }> {
    const work = async (place: Place) => ({ place, slab: await this.#quantize(place) });
    for await (const done of inOrder(places, this.#tasksAtOnce, work)) {
      if (!done.slab.finite) throw noFiniteScale(this.request.tensor.name);
      throwIfCancelled(this.ctx.signal);
      yield done;
    }
  }

  async #quantize({ firstRow, rows, firstColumn, columns }: Place): Promise<QuantizedSlab> {
    throwIfCancelled(this.ctx.signal);
    await this.ctx.yield();
    const { tensor, order, blockSize, bits, symmetric, scaleType, search } = this.request;
    const slab: Slab = { order, rows, columns, blockSize, scheme: { bits, symmetric, scaleType } };
    const width = order === 'rows' ? this.request.K : this.request.N;
    if (columns !== width)
      return quantizeSlab(slab, await this.#readPart(firstRow, rows, firstColumn, columns), search);
    const task = { ...slab, dtype: tensor.dtype, search: search?.spec };
    const part = this.#filePart(firstRow * width, rows * width);
    if (this.#pool && part) return runPooled(this.#pool, 'nbits-slab', { ...task, bytes: part }, []);
    const bytes = await this.#read(firstRow * width, rows * width);
    if (!this.#pool) return quantizeSlab(slab, floatsOf(tensor.dtype, bytes, rows * columns, tensor.name), search);
    const own = ownBytes(tensor, bytes);
    return runPooled(this.#pool, 'nbits-slab', { ...task, bytes: own }, [own.buffer]);
  }

  /** What a thread can read itself: side by side with the others, into memory that it has used before. */
  #filePart(firstElement: number, count: number): FilePart | undefined {
    const { data } = this.request.tensor;
    if (!this.#pool?.readsFiles || data.kind !== 'range') return undefined;
    const { source, offset } = data.range;
    const { name, fileDescriptor } = source;
    if (fileDescriptor === undefined) return undefined;
    const byteLength = count * this.#elementBytes;
    return { name, fileDescriptor, offset: offset + firstElement * this.#elementBytes, byteLength };
  }

  #read(firstElement: number, count: number): Promise<Uint8Array> {
    return readTensorSlab(this.request.tensor, firstElement * this.#elementBytes, count * this.#elementBytes);
  }

  async #readPart(firstRow: number, rows: number, firstColumn: number, columns: number): Promise<Float32Array> {
    const { N, tensor } = this.request;
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row += 1) {
      const bytes = await this.#read((firstRow + row) * N + firstColumn, columns);
      values.set(floatsOf(tensor.dtype, bytes, columns, tensor.name), row * columns);
    }
    return values;
  }
}

function* placesOf(total: number, size: number, place: (first: number, count: number) => Place): Generator<Place> {
  for (let first = 0; first < total; first += size) yield place(first, Math.min(size, total - first));
}

/** Bytes that may be given away: read from a file just now, or copied. */
function ownBytes({ data }: Tensor, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const wasRead = data.kind === 'range' && !data.range.source.readSync;
  const isWhole = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer;
  return wasRead && isWhole ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
}
