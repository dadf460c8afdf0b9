/**
 * Blockwise quantization of one panel of a weight matrix at a time: its ranges, then its packed codes. Two makers of
 * the same bits: SIMD kernels, and plain TypeScript where WebAssembly may not be compiled (a strict content security
 * policy) and for tests to compare with.
 */
import { type NBitsScheme, roundToNearestParameters } from './nbits-parameters.ts';
import { assemble } from './wasm/assembler.ts';
import { blockKernelFunctions } from './wasm/block-kernels.ts';
import { fieldBits, type WeightBits } from './weight-bits.ts';

/**
 * columns: `values` is one block row of a row-major [K, N] weight, `rows` <= blockSize by `columns` = N; block c is
 * column c. rows: `values` is `rows` rows of a row-major [N, K] weight, `columns` = K; block (n, b) is row n from
 * b * blockSize, in this order. What a block lacks at the end of K counts as 0.
 */
export interface PanelShape {
  readonly order: 'columns' | 'rows';
  readonly rows: number;
  readonly columns: number;
  /** A power of two, at least 16. */
  readonly blockSize: number;
  /** Elements from one row of `values` to the next; `columns` when left out. */
  readonly rowStride?: number;
}

export interface PanelRanges {
  /** One value per block. Valid until the next panel is loaded. */
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** False when the panel holds a NaN or an infinity. */
  readonly finite: boolean;
}

export interface PanelQuantizer {
  load(values: Float32Array, shape: PanelShape): void;
  ranges(): PanelRanges;
  /**
   * @returns for each block its blob of blockSize * fieldBits(bits) / 8 bytes, lowest bits first; valid until the next call
   * @param reciprocals 1 / scale of each block, 0 for a block of zeros
   * @param zeroPoints one number per block
   */
  quantize(bits: WeightBits, reciprocals: Float32Array, zeroPoints: Float32Array): Uint8Array;
  /** Ranges, round-to-nearest parameters and codes in one go: the same result as the single calls, faster. */
  roundToNearest(scheme: NBitsScheme): QuantizedPanel;
}

/** Arrays have one entry (or blob) per block and are valid until the next call. */
export interface QuantizedPanel {
  readonly packed: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Float32Array;
  /** False when the panel holds NaN or an infinity, or a range whose scale overflows. */
  readonly finite: boolean;
}

function roundToNearestByParts(quantizer: PanelQuantizer, scheme: NBitsScheme): QuantizedPanel {
  const { min, max, finite } = quantizer.ranges();
  const parameters = roundToNearestParameters(min, max, scheme);
  const { scales, reciprocals, zeroPoints } = parameters;
  const packed = quantizer.quantize(scheme.bits, reciprocals, zeroPoints);
  return { packed, scales, zeroPoints, finite: finite && parameters.finite };
}

export function blockCount({ order, rows, columns, blockSize }: PanelShape): number {
  return order === 'columns' ? columns : rows * Math.ceil(columns / blockSize);
}

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
    this.#reserve(this.#packedAt + this.#blocks * blockSize);

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
    const padded = alignUp(this.#blocks, 4);
    // The kernel takes four blocks at a time; what lies past the last one must not look like a value that overflows.
    for (const at of [this.#minAt, this.#maxAt])
      new Float32Array(this.#memory.buffer, at, padded).fill(0, this.#blocks);
    const kernel = this.#kernels[`${symmetric ? 'symmetric' : 'asymmetric'}Parameters${bits}`] as ParametersExport;
    const overflow = kernel(padded * 4, this.#minAt, this.#maxAt, this.#scaleAt);
    const packed = this.#quantizeInPlace(bits);
    const { buffer } = this.#memory;
    const count = blockCount(this.#shape);
    return {
      packed,
      scales: new Float32Array(buffer, this.#scaleAt, count),
      zeroPoints: new Float32Array(buffer, this.#maxAt, count),
      finite: finite && overflow === 0,
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

/** The reference: slower, and free of WebAssembly. */
export class PlainPanelQuantizer implements PanelQuantizer {
  #values: Float32Array = new Float32Array(0);
  #shape: PanelShape = { order: 'rows', rows: 0, columns: 0, blockSize: 16 };

  load(values: Float32Array, shape: PanelShape): void {
    this.#values = values;
    this.#shape = shape;
  }

  ranges(): PanelRanges {
    const count = blockCount(this.#shape);
    const min = new Float32Array(count);
    const max = new Float32Array(count);
    let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
    this.#forEachBlock((index, start, stride, length) => {
      let low = this.#values[start]!;
      let high = low;
      for (let i = 0, at = start; i < length; i += 1, at += stride) {
        const value = this.#values[at]!;
        if (value < low) low = value;
        if (value > high) high = value;
        poison += value * 0;
      }
      min[index] = low;
      max[index] = high;
    });
    return { min, max, finite: poison === 0 };
  }

  quantize(bits: WeightBits, reciprocals: Float32Array, zeroPoints: Float32Array): Uint8Array {
    const { blockSize } = this.#shape;
    const field = fieldBits(bits);
    const blobBytes = (blockSize * field) / 8;
    const perByte = 8 / field;
    const maxCode = 2 ** bits - 1;
    const packed = new Uint8Array(blockCount(this.#shape) * blobBytes);
    this.#forEachBlock((index, start, stride, length) => {
      const reciprocal = reciprocals[index]!;
      const zeroPoint = zeroPoints[index]!;
      for (let i = 0, at = start; i < blockSize; i += 1, at += stride) {
        const value = i < length ? this.#values[at]! : 0;
        const scaled = Math.fround(Math.fround(value * reciprocal) + zeroPoint);
        const code = Math.floor(Math.min(Math.max(scaled, 0), maxCode) + 0.5);
        packed[index * blobBytes + Math.floor(i / perByte)]! |= code << ((i % perByte) * field);
      }
    });
    return packed;
  }

  roundToNearest(scheme: NBitsScheme): QuantizedPanel {
    return roundToNearestByParts(this, scheme);
  }

  #forEachBlock(visit: (index: number, start: number, stride: number, length: number) => void): void {
    const { order, rows, columns, blockSize, rowStride = columns } = this.#shape;
    if (order === 'columns') {
      for (let column = 0; column < columns; column += 1) visit(column, column, rowStride, rows);
      return;
    }
    const perRow = Math.ceil(columns / blockSize);
    for (let row = 0; row < rows; row += 1)
      for (let b = 0; b < perRow; b += 1)
        visit(row * perRow + b, row * rowStride + b * blockSize, 1, Math.min(blockSize, columns - b * blockSize));
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
