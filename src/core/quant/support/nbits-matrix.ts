/**
 * Round-to-nearest blockwise quantization of one stored weight, a slab at a time: what is in memory is one slab of the
 * source and one of the result, however large the tensor (scales apart: 1/block of the weight).
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, floatsOf, readTensorSlab, tensorFromBytes, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Tensor, TensorData } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { createPanelQuantizer, type PanelQuantizer, type QuantizedPanel } from './block-panel.ts';
import type { NBitsScheme } from './nbits-parameters.ts';
import { packZeroPoints } from './pack-nbits.ts';

/** Weights in the form MatMulNBits takes (ContribOperators.md, onnxruntime 1.30). */
export interface NBitsMatrix {
  readonly K: number;
  readonly N: number;
  readonly bits: 2 | 4 | 8;
  readonly blockSize: number;
  /** uint8 [N, K/block, block * bits / 8]. */
  readonly packed: Tensor;
  /** [N, K/block], float32 or float16. */
  readonly scales: Tensor;
  /** uint8 [N, ceil(K/block * bits / 8)]; absent when every zero point is 2^(bits-1). */
  readonly zeroPoints: Tensor | undefined;
}

export interface NBitsRequest extends NBitsScheme {
  readonly tensor: Tensor;
  /** Base of the new tensors' names. */
  readonly name: string;
  readonly K: number;
  readonly N: number;
  readonly order: 'columns' | 'rows';
  readonly blockSize: number;
  /** For tests. */
  readonly limits?: typeof defaultLimits;
}

/** Source bytes to have in memory at once, and bytes of codes to collect before they are handed on. */
const defaultLimits = { readBytes: 8 << 20, collectBytes: 48 << 20 };

/**
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements, or so wide a range that its scale
 *   overflows
 */
export async function quantizeMatrix(ctx: StepContext, request: NBitsRequest): Promise<NBitsMatrix> {
  const { K, N, bits, blockSize, symmetric, name } = request;
  const blocksPerColumn = Math.ceil(K / blockSize);
  const blobBytes = (blockSize * bits) / 8;
  const job = new MatrixJob(ctx, request, blocksPerColumn, blobBytes);
  const data: TensorData = await ctx.store.put(N * blocksPerColumn * blobBytes, job.codes());
  const scales = tensorFromNumbers(`${name}_scales`, request.scaleType, [N, blocksPerColumn], job.scales);
  const zeroPoints = symmetric
    ? undefined
    : tensorFromBytes(
        `${name}_zero_points`,
        'uint8',
        [N, Math.ceil((blocksPerColumn * bits) / 8)],
        packZeroPoints(job.zeroPoints, N, blocksPerColumn, bits),
      );
  const packed: Tensor = { name: `${name}_Q${bits}`, dtype: 'uint8', dims: [N, blocksPerColumn, blobBytes], data };
  return { K, N, bits, blockSize, packed, scales, zeroPoints };
}

class MatrixJob {
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array;
  readonly #panel: PanelQuantizer = createPanelQuantizer();
  readonly #elementBytes: number;
  readonly #limits: typeof defaultLimits;

  constructor(
    readonly ctx: StepContext,
    readonly request: NBitsRequest,
    readonly blocksPerColumn: number,
    readonly blobBytes: number,
  ) {
    this.scales = new Float32Array(request.N * blocksPerColumn);
    this.zeroPoints = new Uint8Array(request.symmetric ? 0 : this.scales.length);
    this.#limits = request.limits ?? defaultLimits;
    this.#elementBytes = dtypeInfo[request.tensor.dtype].bits / 8;
  }

  /** The codes in the order of the result, [N, blocks, blob]. */
  codes(): AsyncGenerator<Uint8Array> {
    return this.request.order === 'rows' ? this.#codesOfRows() : this.#codesOfColumns();
  }

  /** Stored [N, K]: the result has the source's order, so it can leave as it is made. */
  async *#codesOfRows(): AsyncGenerator<Uint8Array> {
    const { K, N, blockSize } = this.request;
    const rowsPerSlab = Math.max(1, Math.floor(this.#limits.readBytes / (K * this.#elementBytes)));
    for (let n = 0; n < N; n += rowsPerSlab) {
      await this.#breathe();
      const rows = Math.min(rowsPerSlab, N - n);
      const values = await this.#read(n * K, rows * K);
      this.#panel.load(values, { order: 'rows', rows, columns: K, blockSize });
      const { packed, scales, zeroPoints } = this.#quantize();
      this.scales.set(scales, n * this.blocksPerColumn);
      if (this.zeroPoints.length > 0) this.zeroPoints.set(zeroPoints, n * this.blocksPerColumn);
      yield packed.slice();
    }
  }

  /** Stored [K, N]: codes of a column come from all over the source, so a range of columns is collected at a time. */
  async *#codesOfColumns(): AsyncGenerator<Uint8Array> {
    const { K, N, blockSize } = this.request;
    const columnBytes = this.blocksPerColumn * this.blobBytes;
    const columnsPerPass = Math.max(1, Math.min(N, Math.floor(this.#limits.collectBytes / columnBytes)));
    for (let n = 0; n < N; n += columnsPerPass) {
      const columns = Math.min(columnsPerPass, N - n);
      const collected = new Uint32Array((columns * columnBytes) / 4);
      const panelBytes = blockSize * columns * this.#elementBytes;
      const panelsPerRead = columns === N ? Math.max(1, Math.floor(this.#limits.readBytes / panelBytes)) : 1;
      for (let block = 0; block < this.blocksPerColumn; block += panelsPerRead) {
        await this.#breathe();
        const firstRow = block * blockSize;
        const rows = Math.min(panelsPerRead * blockSize, K - firstRow);
        const values = await this.#readRows(firstRow, rows, n, columns);
        for (let row = 0; row < rows; row += blockSize) {
          const panelRows = Math.min(blockSize, rows - row);
          const panel = values.subarray(row * columns, (row + panelRows) * columns);
          this.#panel.load(panel, { order: 'columns', rows: panelRows, columns, blockSize });
          this.#scatter(this.#quantize(), collected, n, columns, block + row / blockSize);
        }
      }
      yield bytesOf(collected);
    }
  }

  /** Block `block` of each column goes to its place among the column's blocks. */
  #scatter(panel: QuantizedPanel, collected: Uint32Array, firstColumn: number, columns: number, block: number): void {
    const words = this.blobBytes / 4;
    const source = new Uint32Array(panel.packed.buffer, panel.packed.byteOffset, columns * words);
    const columnWords = this.blocksPerColumn * words;
    for (let column = 0, from = 0; column < columns; column += 1) {
      const to = column * columnWords + block * words;
      for (let word = 0; word < words; word += 1) collected[to + word] = source[from++]!;
    }
    for (let column = 0; column < columns; column += 1) {
      const at = (firstColumn + column) * this.blocksPerColumn + block;
      this.scales[at] = panel.scales[column]!;
      if (this.zeroPoints.length > 0) this.zeroPoints[at] = panel.zeroPoints[column]!;
    }
  }

  #quantize(): QuantizedPanel {
    const panel = this.#panel.roundToNearest(this.request);
    if (!panel.finite)
      throw new StudioError('pass/bad-weight', {
        tensor: this.request.tensor.name,
        reason: 'has NaN or infinite elements, or a range too wide for any scale',
      });
    return panel;
  }

  async #breathe(): Promise<void> {
    throwIfCancelled(this.ctx.signal);
    await this.ctx.yield();
  }

  async #read(firstElement: number, count: number): Promise<Float32Array> {
    const { tensor } = this.request;
    const bytes = await readTensorSlab(tensor, firstElement * this.#elementBytes, count * this.#elementBytes);
    return floatsOf(tensor.dtype, bytes, count, tensor.name);
  }

  async #readRows(firstRow: number, rows: number, firstColumn: number, columns: number): Promise<Float32Array> {
    const { N } = this.request;
    if (columns === N) return this.#read(firstRow * N, rows * N);
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row += 1)
      values.set(await this.#read((firstRow + row) * N + firstColumn, columns), row * columns);
    return values;
  }
}
