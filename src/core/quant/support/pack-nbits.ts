/**
 * Packing as com.microsoft.MatMulNBits wants it (ContribOperators.md, onnxruntime 1.30): low bits first, and each row
 * of zero points begins at a byte of its own, so that an odd number of blocks leaves padding bits.
 */
import type { FieldBits } from './weight-bits.ts';

/** Bytes of one row of packed zero points. */
export function zeroPointRowBytes(blocksPerRow: number, bits: FieldBits): number {
  return Math.ceil((blocksPerRow * bits) / 8);
}

/**
 * @param zeroPoints [rows, blocksPerRow], one number each
 * @returns [rows, zeroPointRowBytes]; padding holds the default zero point, as onnxruntime's own quantizer leaves it
 */
export function packZeroPoints(
  zeroPoints: ArrayLike<number>,
  rows: number,
  blocksPerRow: number,
  bits: FieldBits,
): Uint8Array<ArrayBuffer> {
  const rowBytes = zeroPointRowBytes(blocksPerRow, bits);
  const perByte = 8 / bits;
  const padding = 2 ** (bits - 1);
  const packed = new Uint8Array(rows * rowBytes);
  for (let row = 0, at = 0; row < rows; row += 1) {
    const end = (row + 1) * blocksPerRow;
    for (let from = row * blocksPerRow; from < end; from += perByte) {
      let byte = 0;
      for (let i = 0; i < perByte; i += 1) byte |= (from + i < end ? zeroPoints[from + i]! : padding) << (i * bits);
      packed[at++] = byte;
    }
  }
  return packed;
}

/** Code `index` of a packed run. */
export function codeAt(packed: Uint8Array, index: number, bits: FieldBits): number {
  const perByte = 8 / bits;
  return (packed[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & (2 ** bits - 1);
}
