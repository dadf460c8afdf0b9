/** A panel of a weight matrix, and what its quantizers do with it; block-panel.ts and plain-panel.ts make them. */
import { type NBitsScheme, roundToNearestParameters } from './nbits-parameters.ts';
import type { BlockSearch } from './search/types.ts';
import type { WeightBits } from './weight-bits.ts';

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
  /** The same with parameters that the search finds. Blocks must be at most 256 long, rows made of whole blocks. */
  search(search: BlockSearch, scheme: NBitsScheme): QuantizedPanel;
}

/** Arrays have one entry (or blob) per block and are valid until the next call. */
export interface QuantizedPanel {
  readonly packed: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Float32Array;
  /** False when the panel holds NaN or an infinity, or a range whose scale overflows. */
  readonly finite: boolean;
}

export function roundToNearestByParts(quantizer: PanelQuantizer, scheme: NBitsScheme): QuantizedPanel {
  const { min, max, finite } = quantizer.ranges();
  const parameters = roundToNearestParameters(min, max, scheme);
  const { scales, reciprocals, zeroPoints } = parameters;
  const packed = quantizer.quantize(scheme.bits, reciprocals, zeroPoints);
  return { packed, scales, zeroPoints, finite: finite && parameters.finite };
}

export function blockCount({ order, rows, columns, blockSize }: PanelShape): number {
  return order === 'columns' ? columns : rows * Math.ceil(columns / blockSize);
}
