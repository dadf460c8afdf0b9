import { type NBitsScheme, roundToNearestParameters } from './nbits-parameters.ts';
import {
  blockCount,
  type PanelQuantizer,
  type PanelRanges,
  type PanelShape,
  type QuantizedPanel,
  roundToNearestByParts,
} from './panel.ts';
import type { BlockSearch } from './search/types.ts';
import { fieldBits, type WeightBits } from './weight-bits.ts';

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

  search(search: BlockSearch, scheme: NBitsScheme): QuantizedPanel {
    const { finite, min, max } = this.ranges();
    const parameters = roundToNearestParameters(min, max, scheme);
    const { scales, reciprocals, zeroPoints } = parameters;
    this.#forEachBlock((index, start, stride, length) => {
      const values = Float32Array.from({ length }, (_, i) => this.#values[start + i * stride]!);
      const nearest = { scale: scales[index]!, reciprocal: reciprocals[index]!, zeroPoint: zeroPoints[index]! };
      const found = search.plain({ values, scheme, nearest });
      scales[index] = found.scale;
      reciprocals[index] = found.reciprocal;
      zeroPoints[index] = found.zeroPoint;
    });
    const packed = this.quantize(scheme.bits, reciprocals, zeroPoints);
    return { packed, scales, zeroPoints, finite: finite && parameters.finite };
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
