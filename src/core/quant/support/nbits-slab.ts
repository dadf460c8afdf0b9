/** Blockwise quantization of a slab of a weight: what is in memory at a time, and what another thread can be given. */
import type { FilePart } from '../../base/bytes.ts';
import type { DType } from '../../ir/dtype.ts';
import { floatsOf } from '../../ir/tensor.ts';
import { sharedPanelQuantizer } from './block-panel.ts';
import type { NBitsScheme } from './nbits-parameters.ts';
import { raisePackedCodes } from './nbits-store.ts';
import type { PanelQuantizer, QuantizedPanel } from './panel.ts';
import { makeSearch } from './search/make.ts';
import type { BlockSearch, SearchSpec } from './search/types.ts';
import { fieldBits } from './weight-bits.ts';

/**
 * columns: whole rows of a row-major [K, N] weight, or parts of them, from the beginning of a block on; a block runs down
 * a column. rows: whole rows of a row-major [N, K] weight; a block runs along a row.
 */
export interface Slab {
  readonly order: 'columns' | 'rows';
  /** Of `values`, as they are stored. */
  readonly rows: number;
  readonly columns: number;
  readonly blockSize: number;
  readonly scheme: NBitsScheme;
}

/** For each column (or row, where blocks run along rows) its blocks one after the other. */
export interface QuantizedSlab {
  /** Codes, low bits first, blockSize * fieldBits(bits) / 8 bytes a block. */
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  /** Numbers that need not be whole where the search says so; empty when the scheme is symmetric. */
  readonly zeroPoints: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  /** False when there are NaN or infinite elements, or a range too wide for any scale. */
  readonly finite: boolean;
}

/** A panel this large is still in a core's second-level cache when it is read again. */
const PANEL_BYTES = 256 << 10;
const COLUMNS_AT_A_TIME = 512;

/** How it goes by another name: in a TaskPool. */
export interface SlabTask extends Slab {
  /** raw_data layout; a part of a file is for pools that read files, and is read before the task begins. */
  readonly bytes: Uint8Array | FilePart;
  readonly dtype: DType;
  readonly search?: SearchSpec | undefined;
}

export function slabTask({ bytes, dtype, search, ...slab }: SlabTask): QuantizedSlab {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${bytes.name}: a part was not read before its task`);
  const values = floatsOf(dtype, bytes, slab.rows * slab.columns);
  return quantizeSlab(slab, values, search && makeSearch(search));
}

/** @param search round to nearest when left out */
export function quantizeSlab(slab: Slab, values: Float32Array, search: BlockSearch | undefined): QuantizedSlab {
  const job = new SlabJob(slab, search);
  if (slab.order === 'columns') job.columns(values);
  else if (search && slab.columns % slab.blockSize !== 0) job.unevenRows(values);
  else job.rows(values);
  if (slab.scheme.symmetric) raisePackedCodes(job.packed, slab.scheme.bits);
  const { packed, scales, zeroPoints, finite } = job;
  return { packed, scales, zeroPoints, finite };
}

class SlabJob {
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  readonly zeroPoints: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  finite = true;
  readonly #slab: Slab;
  readonly #search: BlockSearch | undefined;
  readonly #panel: PanelQuantizer = sharedPanelQuantizer();
  /** Blocks of one column (or row). */
  readonly #blocks: number;
  readonly #blobBytes: number;

  constructor(slab: Slab, search: BlockSearch | undefined) {
    this.#slab = slab;
    this.#search = search;
    const { order, rows, columns, blockSize, scheme } = slab;
    this.#blocks = Math.ceil((order === 'columns' ? rows : columns) / blockSize);
    this.#blobBytes = (blockSize * fieldBits(scheme.bits)) / 8;
    const count = this.#blocks * (order === 'columns' ? columns : rows);
    this.packed = new Uint8Array(count * this.#blobBytes);
    this.scales = new Float32Array(count);
    const points = scheme.symmetric ? 0 : count;
    this.zeroPoints = search?.hasFractionalZeroPoints ? new Float32Array(points) : new Uint8Array(points);
  }

  rows(values: Float32Array): void {
    const { rows, columns: K, blockSize } = this.#slab;
    const rowsPerPanel = Math.max(1, Math.floor(PANEL_BYTES / (K * 4)));
    for (let row = 0; row < rows; row += rowsPerPanel) {
      const panelRows = Math.min(rowsPerPanel, rows - row);
      const panel = values.subarray(row * K, (row + panelRows) * K);
      this.#panel.load(panel, { order: 'rows', rows: panelRows, columns: K, blockSize });
      const { packed, scales, zeroPoints } = this.#quantize();
      const at = row * this.#blocks;
      this.packed.set(packed, at * this.#blobBytes);
      this.scales.set(scales, at);
      if (this.zeroPoints.length > 0) this.zeroPoints.set(zeroPoints, at);
    }
  }

  /** Searches want blocks of one length: they are turned, and the shorter ones at the ends of rows go last. */
  unevenRows(values: Float32Array): void {
    const { rows, columns: K, blockSize } = this.#slab;
    const whole = Math.floor(K / blockSize);
    const wholeBlocks = Array.from(
      { length: rows * whole },
      (_, i) => Math.floor(i / whole) * this.#blocks + (i % whole),
    );
    const lastBlocks = Array.from({ length: rows }, (_, row) => row * this.#blocks + whole);
    this.#searchBlocks(values, wholeBlocks, blockSize);
    this.#searchBlocks(values, lastBlocks, K - whole * blockSize);
  }

  /** @param blocks positions in the result of blocks of `length` values each */
  #searchBlocks(values: Float32Array, blocks: readonly number[], length: number): void {
    const { columns: K, blockSize } = this.#slab;
    const bytes = this.#blobBytes;
    for (let from = 0; from < blocks.length; from += COLUMNS_AT_A_TIME) {
      const some = blocks.slice(from, from + COLUMNS_AT_A_TIME);
      const turned = new Float32Array(length * some.length);
      some.forEach((block, column) => {
        const start = Math.floor(block / this.#blocks) * K + (block % this.#blocks) * blockSize;
        for (let i = 0, at = column; i < length; i += 1, at += some.length) turned[at] = values[start + i]!;
      });
      this.#panel.load(turned, { order: 'columns', rows: length, columns: some.length, blockSize });
      const { packed, scales, zeroPoints } = this.#quantize();
      some.forEach((block, column) => {
        this.packed.set(packed.subarray(column * bytes, (column + 1) * bytes), block * bytes);
        this.scales[block] = scales[column]!;
        if (this.zeroPoints.length > 0) this.zeroPoints[block] = zeroPoints[column]!;
      });
    }
  }

  /** Some columns at a time, all blocks of theirs, so that the place where their codes go stays in the cache. */
  columns(values: Float32Array): void {
    const { rows, columns, blockSize } = this.#slab;
    for (let column = 0; column < columns; column += COLUMNS_AT_A_TIME) {
      const width = Math.min(COLUMNS_AT_A_TIME, columns - column);
      for (let row = 0; row < rows; row += blockSize) {
        const shape = { order: 'columns', rows: Math.min(blockSize, rows - row), columns: width, blockSize } as const;
        this.#panel.load(values.subarray(row * columns + column), { ...shape, rowStride: columns });
        this.#scatter(this.#quantize(), column, width, row / blockSize);
      }
    }
  }

  /** Block `block` of each column goes to its place among the column's blocks. */
  #scatter(panel: QuantizedPanel, column: number, width: number, block: number): void {
    const words = this.#blobBytes / 4;
    const source = new Uint32Array(panel.packed.buffer, panel.packed.byteOffset, width * words);
    const target = new Uint32Array(this.packed.buffer);
    const columnWords = this.#blocks * words;
    for (let i = 0, from = 0; i < width; i += 1) {
      const to = (column + i) * columnWords + block * words;
      for (let word = 0; word < words; word += 1) target[to + word] = source[from++]!;
    }
    const { scales, zeroPoints } = this;
    let at = column * this.#blocks + block;
    for (let i = 0; i < width; i += 1, at += this.#blocks) {
      scales[at] = panel.scales[i]!;
      if (zeroPoints.length > 0) zeroPoints[at] = panel.zeroPoints[i]!;
    }
  }

  #quantize(): QuantizedPanel {
    const { scheme } = this.#slab;
    const panel = this.#search ? this.#panel.search(this.#search, scheme) : this.#panel.roundToNearest(scheme);
    this.finite &&= panel.finite;
    return panel;
  }
}
