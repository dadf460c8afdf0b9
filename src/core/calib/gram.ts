/**
 * X^T X over all tokens of all samples, the second moments of a linear layer's input (GPTQ's Hessian but for a factor).
 * It is one large matrix product, so the runtime computes it: multi-threaded and vectorized. Rows are collected into
 * chunks, and only K x K numbers come back for each.
 */
import { StudioError } from '../base/errors/index.ts';
import { attrInt } from '../ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../ir/build.ts';
import { bytesOf, floatsOf, tensorFromInts } from '../ir/tensor.ts';
import { modelToBytes } from '../onnx/write.ts';
import type { Executor, ExecutorSession } from '../step/define.ts';
import { openPart } from './part-model.ts';

/** As many rows a product as the matrix has columns, so that the K x K numbers that come back cost little beside it. */
const MIN_ROWS = 512;
/** Columns of a strip at least: narrower products are slow. */
const MIN_STRIP = 128;
const MAX_CHUNK_BYTES = 128 << 20;

export class GramAccumulator {
  /** Rows so far: tokens. */
  rows = 0;
  readonly columns: number;
  readonly #executor: Executor;
  readonly #name: string;
  #chunk: Float32Array<ArrayBuffer>;
  #pending = 0;
  #lastSample = 0;
  #sum: Float32Array | undefined;
  #session: ExecutorSession | undefined;

  /**
   * @param columns K, the length of a row
   * @param name of the value, for messages
   */
  constructor(executor: Executor, columns: number, name: string) {
    this.#executor = executor;
    this.columns = columns;
    this.#name = name;
    const most = Math.max(1, Math.floor(MAX_CHUNK_BYTES / (4 * columns)));
    this.#chunk = new Float32Array(Math.min(most, Math.max(MIN_ROWS, columns)) * columns);
  }

  /**
   * @param values rows of K elements one after the other
   * @param sample from 0, for messages
   * @throws StudioError runtime/*, calib/not-finite
   */
  async add(values: Float32Array, sample: number): Promise<void> {
    this.#lastSample = sample + 1;
    for (let at = 0; at < values.length; ) {
      const count = Math.min(values.length - at, this.#chunk.length - this.#pending);
      if (!copyFinite(values.subarray(at, at + count), this.#chunk, this.#pending)) throw this.#notFinite();
      at += count;
      this.#pending += count;
      if (this.#pending === this.#chunk.length) await this.#flush();
    }
  }

  /**
   * Ends the accumulation and frees what it took.
   * @returns [K, K] row-major, symmetric; zeros when nothing was added
   * @throws StudioError runtime/*, calib/not-finite
   */
  async finish(): Promise<Float32Array> {
    try {
      await this.#flush();
    } finally {
      await this.close();
    }
    const sum = this.#sum ?? new Float32Array(this.columns * this.columns);
    this.#sum = undefined;
    mirror(sum, this.columns);
    return sum;
  }

  /** Ends it without a result. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#chunk = new Float32Array(0);
    await session?.close();
  }

  async #flush(): Promise<void> {
    if (this.#pending === 0) return;
    const { columns } = this;
    const rows = this.#pending / columns;
    this.#session ??= await openPart(this.#executor, await gramModel(columns));
    const data = bytesOf(this.#chunk.subarray(0, this.#pending));
    const outputs = await this.#session.run(new Map([['x', { dtype: 'float32', dims: [rows, columns], data }]]));
    this.rows += rows;
    this.#pending = 0;
    this.#sum ??= new Float32Array(columns * columns);
    for (const [i, start] of stripsOf(columns).slice(0, -1).entries()) {
      const { data: strip, dims } = outputs.get(`gram${i}`)!;
      addStrip(this.#sum, columns, start, floatsOf('float32', strip, dims[0]! * dims[1]!));
    }
    // Finite values whose squares overflow.
    for (let i = 0; i < columns; i += 1) if (!Number.isFinite(this.#sum[i * columns + i]!)) throw this.#notFinite();
  }

  #notFinite(): StudioError {
    return new StudioError('calib/not-finite', { tensor: this.#name, sample: this.#lastSample });
  }
}

/** @returns false when there is a NaN or an infinity among the values */
function copyFinite(values: Float32Array, target: Float32Array, at: number): boolean {
  let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    poison += value * 0;
    target[at + i] = value;
  }
  return poison === 0;
}

/** Adds rows start.. of the upper triangle, given from column `start` on. */
function addStrip(sum: Float32Array, columns: number, start: number, strip: Float32Array): void {
  const width = columns - start;
  for (let from = 0, row = start; from < strip.length; from += width, row += 1) {
    const target = row * columns + start;
    for (let i = 0; i < width; i += 1) sum[target + i]! += strip[from + i]!;
  }
}

const MIRROR_TILE = 64;

/** Copies the upper triangle to the lower one, in tiles that fit into the cache. */
function mirror(sum: Float32Array, columns: number): void {
  for (let top = 0; top < columns; top += MIRROR_TILE)
    for (let left = 0; left <= top; left += MIRROR_TILE)
      for (let row = top; row < Math.min(columns, top + MIRROR_TILE); row += 1)
        for (let column = left; column < Math.min(row, left + MIRROR_TILE); column += 1)
          sum[row * columns + column] = sum[column * columns + row]!;
}

/**
 * The matrix is symmetric, so the columns are split into strips and each strip is multiplied with itself and those after
 * it only: 8 strips save 7 sixteenths of the work.
 */
function stripsOf(columns: number): number[] {
  const count = Math.max(1, Math.min(8, Math.floor(columns / MIN_STRIP)));
  const width = Math.ceil(columns / count / 16) * 16;
  const starts = Array.from({ length: count }, (_, i) => i * width).filter((start) => start < columns);
  return [...starts, columns];
}

/** x [rows, K] -> for each strip of columns from a to b: gramI = x[:, a:b]^T x[:, a:]. */
function gramModel(columns: number): Promise<Uint8Array> {
  const strips = stripsOf(columns);
  const nodes = strips.slice(0, -1).flatMap((_, i) => {
    const slice = (output: string, end: string) =>
      makeNode({ opType: 'Slice', inputs: ['x', `start${i}`, end, 'axis'], outputs: [output] });
    const transA = { transA: attrInt(1) };
    if (strips.length === 2)
      return [makeNode({ opType: 'Gemm', inputs: ['x', 'x'], outputs: ['gram0'], attributes: transA })];
    return [
      slice(`strip${i}`, `start${i + 1}`),
      slice(`rest${i}`, 'end'),
      makeNode({ opType: 'Gemm', inputs: [`strip${i}`, `rest${i}`], outputs: [`gram${i}`], attributes: transA }),
    ];
  });
  const constants = strips.map((start, i) => tensorFromInts(`start${i}`, [1], [start]));
  return modelToBytes(
    makeModel({
      graph: makeGraph({
        nodes,
        inputs: [valueInfo('x', 'float32', ['rows', columns])],
        outputs: strips.slice(0, -1).map((_, i) => valueInfo(`gram${i}`, 'float32')),
        initializers:
          strips.length === 2
            ? []
            : [...constants, tensorFromInts('end', [1], [columns]), tensorFromInts('axis', [1], [1])],
      }),
    }),
  );
}
