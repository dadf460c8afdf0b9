/**
 * Blockwise quantization of one panel of a weight matrix at a time: its ranges, then its packed codes. Two makers of
 * the same bits: SIMD kernels, and plain TypeScript where WebAssembly may not be compiled (a strict content security
 * policy) and for tests to compare with.
 */
import type { NBitsScheme } from './nbits-parameters.ts';
import {
  blockCount,
  type PanelQuantizer,
  type PanelRanges,
  type PanelShape,
  type QuantizedPanel,
  roundToNearestByParts,
} from './panel.ts';
import { PlainPanelQuantizer } from './plain-panel.ts';
import { SCRATCH_BYTES } from './search/kernel.ts';
import type { BlockSearch } from './search/types.ts';
import { assemble } from './wasm/assembler.ts';
import { blockKernelFunctions } from './wasm/block-kernels.ts';
import { fieldBits, type WeightBits } from './weight-bits.ts';

interface KernelExports {
  rangesOfColumns(
    source: number,
    rowBytes: number,
    rows: number,
    columnBytes: number,
    min: number,
    max: number,
  ): number;
  rangesOfRows(source: number, blocks: number, blockBytes: number, min: number, max: number): number;
}
type SearchExport = (...args: number[]) => number;
type ParametersExport = (bytes: number, min: number, max: number, scales: number) => number;
type QuantizeExport = (...args: number[]) => void;

const PAGE_BYTES = 65536;
const alignUp = (value: number, to: number) => Math.ceil(value / to) * to;
/**
 * Length of a row of floats that takes an odd number of 64-byte cache lines: going down a column whose rows lie a
 * power of two apart would hit the same few cache sets again and again (measured: three times slower).
 */
const oddLines = (floats: number) => (Math.ceil(floats / 16) | 1) * 16;
let compiled: WebAssembly.Module | undefined;
const compiledSearches = new Map<string, WebAssembly.Module>();
const TABLE_BYTES = 4096;

/** Holds one panel in linear memory, which grows to the largest panel seen (a few MB) and is freed with the object. */
class WasmPanelQuantizer implements PanelQuantizer {
  readonly #memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 1 });
  readonly #kernels: Record<string, unknown>;
  #shape: PanelShape = { order: 'rows', rows: 0, columns: 0, blockSize: 16 };
  /** Byte addresses of the panel's parts, and the padded length of its rows. */
  #rowBytes = 0;
  #blocks = 0;
  #minAt = 0;
  #maxAt = 0;
  #scaleAt = 0;
  #packedAt = 0;
  #tableAt = 0;
  readonly #searches = new Map<string, SearchExport>();

  constructor() {
    compiled ??= new WebAssembly.Module(assemble(blockKernelFunctions));
    this.#kernels = new WebAssembly.Instance(compiled, { host: { memory: this.#memory } }).exports;
  }

  load(values: Float32Array, shape: PanelShape): void {
    const { order, rows, columns, blockSize, rowStride = columns } = shape;
    this.#shape = shape;
    const paddedColumns = order === 'columns' ? oddLines(columns) : alignUp(columns, blockSize);
    const paddedRows = order === 'columns' ? blockSize : rows;
    this.#rowBytes = paddedColumns * 4;
    this.#blocks = order === 'columns' ? alignUp(columns, 4) : rows * (paddedColumns / blockSize);
    this.#minAt = alignUp(paddedRows * this.#rowBytes, 16);
    this.#maxAt = alignUp(this.#minAt + this.#blocks * 4, 16);
    this.#scaleAt = alignUp(this.#maxAt + this.#blocks * 4, 16);
    this.#packedAt = alignUp(this.#scaleAt + this.#blocks * 4, 16);
    this.#tableAt = alignUp(this.#packedAt + this.#blocks * blockSize, 16);
    this.#reserve(this.#tableAt + TABLE_BYTES + SCRATCH_BYTES + 3 * blockSize * 4);

    const target = new Float32Array(this.#memory.buffer, 0, paddedRows * paddedColumns);
    if (paddedColumns === columns && rowStride === columns) target.set(values.subarray(0, rows * columns));
    else
      for (let row = 0; row < rows; row += 1) {
        target.set(values.subarray(row * rowStride, row * rowStride + columns), row * paddedColumns);
        target.fill(0, row * paddedColumns + columns, (row + 1) * paddedColumns);
      }
    target.fill(0, rows * paddedColumns);
  }

  ranges(): PanelRanges {
    const { order, rows, blockSize } = this.#shape;
    const { rangesOfColumns, rangesOfRows } = this.#kernels as unknown as KernelExports;
    const notFinite =
      order === 'columns'
        ? rangesOfColumns(0, this.#rowBytes, rows, this.#blocks * 4, this.#minAt, this.#maxAt)
        : rangesOfRows(0, this.#blocks, blockSize * 4, this.#minAt, this.#maxAt);
    const count = blockCount(this.#shape);
    const { buffer } = this.#memory;
    return {
      min: new Float32Array(buffer, this.#minAt, count),
      max: new Float32Array(buffer, this.#maxAt, count),
      finite: notFinite === 0,
    };
  }

  quantize(bits: WeightBits, reciprocals: Float32Array, zeroPoints: Float32Array): Uint8Array {
    const { buffer } = this.#memory;
    // The ranges have been read by now; their place serves the parameters.
    new Float32Array(buffer, this.#minAt).set(reciprocals);
    new Float32Array(buffer, this.#maxAt).set(zeroPoints);
    return this.#quantizeInPlace(bits);
  }

  roundToNearest(scheme: NBitsScheme): QuantizedPanel {
    if (scheme.scaleType !== 'float32') return roundToNearestByParts(this, scheme);
    const { finite } = this.ranges();
    const { bits, symmetric } = scheme;
    const padded = this.#clearPastRanges();
    const kernel = this.#kernels[`${symmetric ? 'symmetric' : 'asymmetric'}Parameters${bits}`] as ParametersExport;
    const overflow = kernel(padded * 4, this.#minAt, this.#maxAt, this.#scaleAt);
    return this.#codedPanel(bits, finite && overflow === 0);
  }

  /** Kernels take four blocks at a time: what lies past the last one must not look like a value that overflows. */
  #clearPastRanges(): number {
    const padded = alignUp(this.#blocks, 4);
    for (const at of [this.#minAt, this.#maxAt])
      new Float32Array(this.#memory.buffer, at, padded).fill(0, this.#blocks);
    return padded;
  }

  search(search: BlockSearch, scheme: NBitsScheme): QuantizedPanel {
    const { order, blockSize } = this.#shape;
    const rows = order === 'columns' ? this.#shape.rows : blockSize;
    const { finite } = this.ranges();
    this.#clearPastRanges();
    const table = new Float32Array(this.#memory.buffer, this.#tableAt, TABLE_BYTES / 4);
    table.set(search.table);
    const maxCode = 2 ** scheme.bits - 1;
    const overflow = this.#searchKernel(search, scheme)(
      ...[0, this.#rowBytes, rows, alignUp(this.#blocks, 4) * 4, this.#minAt, this.#maxAt, this.#scaleAt],
      ...[
        this.#tableAt,
        this.#tableAt + search.table.byteLength,
        this.#tableAt + TABLE_BYTES,
        maxCode,
        (maxCode + 1) / 2,
        rows,
        search.extra,
      ],
    );
    return this.#codedPanel(scheme.bits, finite && overflow === 0);
  }

  #searchKernel(search: BlockSearch, scheme: NBitsScheme): SearchExport {
    const { order } = this.#shape;
    const key = `${search.name}/${order}/${scheme.symmetric}/${scheme.scaleType}`;
    let kernel = this.#searches.get(key);
    if (!kernel) {
      const module = compiledSearches.get(key) ?? new WebAssembly.Module(assemble([search.kernel({ scheme, order })]));
      compiledSearches.set(key, module);
      const { exports } = new WebAssembly.Instance(module, { host: { memory: this.#memory } });
      kernel = (exports as Record<string, unknown>)[search.name] as SearchExport;
      this.#searches.set(key, kernel);
    }
    return kernel;
  }

  /** Codes by the reciprocals and zero points that lie in the place of the ranges. */
  #codedPanel(bits: WeightBits, finite: boolean): QuantizedPanel {
    const packed = this.#quantizeInPlace(bits);
    const { buffer } = this.#memory;
    const count = blockCount(this.#shape);
    return {
      packed,
      scales: new Float32Array(buffer, this.#scaleAt, count),
      zeroPoints: new Float32Array(buffer, this.#maxAt, count),
      finite,
    };
  }

  #quantizeInPlace(bits: WeightBits): Uint8Array {
    const { order, blockSize } = this.#shape;
    const { buffer } = this.#memory;
    const words = (blockSize * fieldBits(bits)) / 32;
    const blobBytes = words * 4;
    const kernel = this.#kernels[
      `${order === 'columns' ? 'quantizeColumns' : 'quantizeRows'}${bits}`
    ] as QuantizeExport;
    if (order === 'columns')
      kernel(0, this.#rowBytes, words, this.#blocks * 4, this.#minAt, this.#maxAt, this.#packedAt, blobBytes);
    else kernel(0, this.#blocks, words, this.#minAt, this.#maxAt, this.#packedAt);
    return new Uint8Array(buffer, this.#packedAt, blockCount(this.#shape) * blobBytes);
  }

  #reserve(bytes: number): void {
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
  }
}

export function createPanelQuantizer(): PanelQuantizer {
  try {
    return new WasmPanelQuantizer();
  } catch {
    return new PlainPanelQuantizer();
  }
}

let shared: PanelQuantizer | undefined;

/**
 * One for everybody: its memory is then paid for once. Between `load` and the last use of what comes out there must
 * be no `await`.
 */
export function sharedPanelQuantizer(): PanelQuantizer {
  shared ??= createPanelQuantizer();
  return shared;
}
