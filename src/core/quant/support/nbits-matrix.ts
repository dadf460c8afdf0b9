/**
 * Blockwise quantization of one stored weight, by rounding to nearest or with a search for better parameters, a slab at a time: what is in memory is one slab of the
 * source and one of the result, however large the tensor (scales apart: 1/block of the weight).
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { StudioError } from '../../base/errors/index.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { bytesOf, floatsOf, readTensorSlab } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { sharedPanelQuantizer } from './block-panel.ts';
import { type NBitsLayout, type NBitsMatrix, raisePackedCodes, storeNBitsMatrix } from './nbits-store.ts';
import type { PanelQuantizer, QuantizedPanel } from './panel.ts';
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
/** A panel this large is still in a core's second-level cache when it is read again. */
const PANEL_BYTES = 256 << 10;
const COLUMNS_AT_A_TIME = 512;
/** Source bytes to have in memory at once, and bytes of codes to collect before they are handed on. */
const defaultLimits = { readBytes: 8 << 20, collectBytes: 48 << 20 };

/**
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements, or so wide a range that its scale
 *   overflows
 */
export async function quantizeMatrix(ctx: StepContext, request: NBitsRequest): Promise<NBitsMatrix> {
  const job = new MatrixJob(ctx, request);
  const { scales, zeroPoints } = job;
  return storeNBitsMatrix(ctx, request, { packed: job.codes(), scales, zeroPoints });
}

/** Part of the source in memory: `rows` rows from block `firstBlock` on, of `columns` columns from `firstColumn` on. */
interface ColumnSlab {
  readonly firstColumn: number;
  readonly columns: number;
  readonly firstBlock: number;
  readonly rows: number;
}

class MatrixJob {
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array | Float32Array;
  readonly blocksPerColumn: number;
  readonly blobBytes: number;
  readonly #panel: PanelQuantizer = sharedPanelQuantizer();
  readonly #elementBytes: number;
  readonly #limits: typeof defaultLimits;

  constructor(
    readonly ctx: StepContext,
    readonly request: NBitsRequest,
  ) {
    const { K, N, bits, blockSize } = request;
    this.blocksPerColumn = Math.ceil(K / blockSize);
    this.blobBytes = (blockSize * fieldBits(bits)) / 8;
    this.scales = new Float32Array(N * this.blocksPerColumn);
    const count = request.symmetric ? 0 : this.scales.length;
    this.zeroPoints = request.search?.hasFractionalZeroPoints ? new Float32Array(count) : new Uint8Array(count);
    const limits = request.limits ?? defaultLimits;
    const readBytes = Math.min(limits.readBytes, request.search ? SEARCH_READ_BYTES : limits.readBytes);
    this.#limits = { ...limits, readBytes };
    this.#elementBytes = dtypeInfo[request.tensor.dtype].bits / 8;
  }

  /** The codes in the order of the result, [N, blocks, blob]. */
  codes(): AsyncGenerator<Uint8Array> {
    return this.request.order === 'rows' ? this.#codesOfRows() : this.#codesOfColumns();
  }

  /** Stored [N, K]: the result has the source's order, so it can leave as it is made. */
  async *#codesOfRows(): AsyncGenerator<Uint8Array> {
    const { K, N } = this.request;
    const rowsPerSlab = Math.max(1, Math.floor(this.#limits.readBytes / (K * this.#elementBytes)));
    for (let n = 0; n < N; n += rowsPerSlab) {
      await this.#breathe();
      const rows = Math.min(rowsPerSlab, N - n);
      yield this.#quantizeRows(await this.#read(n * K, rows * K), n, rows);
    }
  }

  #quantizeRows(values: Float32Array, firstRow: number, rows: number): Uint8Array {
    const { K, blockSize } = this.request;
    const rowBytes = this.blocksPerColumn * this.blobBytes;
    const codes = new Uint8Array(rows * rowBytes);
    if (this.request.search && K % blockSize !== 0) return this.#searchRows(values, firstRow, rows, codes);
    const rowsPerPanel = Math.max(1, Math.floor(PANEL_BYTES / (K * 4)));
    for (let row = 0; row < rows; row += rowsPerPanel) {
      const panelRows = Math.min(rowsPerPanel, rows - row);
      const panel = values.subarray(row * K, (row + panelRows) * K);
      this.#panel.load(panel, { order: 'rows', rows: panelRows, columns: K, blockSize });
      const { packed, scales, zeroPoints } = this.#quantize();
      codes.set(packed, row * rowBytes);
      const at = (firstRow + row) * this.blocksPerColumn;
      this.scales.set(scales, at);
      if (this.zeroPoints.length > 0) this.zeroPoints.set(zeroPoints, at);
    }
    return codes;
  }

  /** Searches want blocks of one length: they are turned, and the shorter ones at the ends of rows go last. */
  #searchRows(values: Float32Array, firstRow: number, rows: number, codes: Uint8Array): Uint8Array {
    const { K, blockSize } = this.request;
    const whole = Math.floor(K / blockSize);
    const target = { codes, firstBlock: firstRow * this.blocksPerColumn };
    const wholeBlocks = Array.from(
      { length: rows * whole },
      (_, i) => Math.floor(i / whole) * this.blocksPerColumn + (i % whole),
    );
    const lastBlocks = Array.from({ length: rows }, (_, row) => row * this.blocksPerColumn + whole);
    this.#searchBlocks(values, wholeBlocks, blockSize, target);
    if (whole < this.blocksPerColumn) this.#searchBlocks(values, lastBlocks, K - whole * blockSize, target);
    return codes;
  }

  /** @param blocks positions in the result of blocks of `length` values each */
  #searchBlocks(
    values: Float32Array,
    blocks: readonly number[],
    length: number,
    target: { codes: Uint8Array; firstBlock: number },
  ): void {
    const { K, blockSize } = this.request;
    for (let from = 0; from < blocks.length; from += COLUMNS_AT_A_TIME) {
      const some = blocks.slice(from, from + COLUMNS_AT_A_TIME);
      const turned = new Float32Array(length * some.length);
      some.forEach((block, column) => {
        const row = Math.floor(block / this.blocksPerColumn);
        const start = row * K + (block % this.blocksPerColumn) * blockSize;
        for (let i = 0, at = column; i < length; i += 1, at += some.length) turned[at] = values[start + i]!;
      });
      this.#panel.load(turned, { order: 'columns', rows: length, columns: some.length, blockSize });
      const { packed, scales, zeroPoints } = this.#quantize();
      some.forEach((block, column) => {
        target.codes.set(
          packed.subarray(column * this.blobBytes, (column + 1) * this.blobBytes),
          block * this.blobBytes,
        );
        this.scales[target.firstBlock + block] = scales[column]!;
        if (this.zeroPoints.length > 0) this.zeroPoints[target.firstBlock + block] = zeroPoints[column]!;
      });
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
        this.#quantizeColumns(values, collected, { firstColumn: n, columns, firstBlock: block, rows });
      }
      yield bytesOf(collected);
    }
  }

  /** Some columns at a time, all blocks of theirs, so that the place where their codes go stays in the cache. */
  #quantizeColumns(values: Float32Array, collected: Uint32Array, slab: ColumnSlab): void {
    const { blockSize } = this.request;
    const { columns, rows, firstBlock } = slab;
    for (let column = 0; column < columns; column += COLUMNS_AT_A_TIME) {
      const width = Math.min(COLUMNS_AT_A_TIME, columns - column);
      for (let row = 0; row < rows; row += blockSize) {
        const panelRows = Math.min(blockSize, rows - row);
        this.#panel.load(values.subarray(row * columns + column), {
          order: 'columns',
          rows: panelRows,
          columns: width,
          blockSize,
          rowStride: columns,
        });
        this.#scatter(this.#quantize(), collected, column, width, firstBlock + row / blockSize, slab.firstColumn);
      }
    }
  }

  /** Block `block` of each column goes to its place among the column's blocks. */
  #scatter(
    panel: QuantizedPanel,
    collected: Uint32Array,
    column: number,
    width: number,
    block: number,
    firstColumn: number,
  ): void {
    const words = this.blobBytes / 4;
    const source = new Uint32Array(panel.packed.buffer, panel.packed.byteOffset, width * words);
    const columnWords = this.blocksPerColumn * words;
    for (let i = 0, from = 0; i < width; i += 1) {
      const to = (column + i) * columnWords + block * words;
      for (let word = 0; word < words; word += 1) collected[to + word] = source[from++]!;
    }
    const { scales, zeroPoints } = this;
    let at = (firstColumn + column) * this.blocksPerColumn + block;
    for (let i = 0; i < width; i += 1, at += this.blocksPerColumn) {
      scales[at] = panel.scales[i]!;
      if (zeroPoints.length > 0) zeroPoints[at] = panel.zeroPoints[i]!;
    }
  }

  #quantize(): QuantizedPanel {
    const { search } = this.request;
    const panel = search ? this.#panel.search(search, this.request) : this.#panel.roundToNearest(this.request);
    if (!panel.finite)
      throw new StudioError('pass/bad-weight', {
        tensor: this.request.tensor.name,
        reason: 'has NaN or infinite elements, or a range too wide for any scale',
      });
    if (this.request.symmetric) raisePackedCodes(panel.packed, this.request.bits);
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
