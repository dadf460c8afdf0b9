/**
 * Packing of integers below 8 bits as ONNX stores them (TensorProto.raw_data, INT4/UINT4 since opset 21, INT2/UINT2
 * since opset 25): the first element in the low bits of the first byte; bits left over in the last byte are zero.
 */

/** Packs 4-bit integers, signed or unsigned; only the low 4 bits of each value count. */
export function packNibbles(values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return packBits(values, 4);
}

export function unpackUint4(bytes: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 1]! >> ((i & 1) * 4)) & 0xf);
}

/** Values from -8 to 7. */
export function unpackInt4(bytes: Uint8Array, count: number): Int8Array<ArrayBuffer> {
  return Int8Array.from({ length: count }, (_, i) => signExtend((bytes[i >> 1]! >> ((i & 1) * 4)) & 0xf, 4));
}

/** Packs integers of 2 or 4 bits; only the low bits of each value count. */
export function packBits(values: ArrayLike<number>, bits: 2 | 4): Uint8Array<ArrayBuffer> {
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  const out = new Uint8Array(Math.ceil(values.length / perByte));
  for (let i = 0; i < values.length; i += 1) {
    const byte = Math.floor(i / perByte);
    out[byte] = out[byte]! | ((values[i]! & mask) << ((i % perByte) * bits));
  }
  return out;
}

/** Element `index` of packed integers of 2 or 4 bits. */
export function bitsAt(bytes: Uint8Array, index: number, bits: 2 | 4, signed: boolean): number {
  const perByte = 8 / bits;
  const raw = (bytes[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & ((1 << bits) - 1);
  return signed ? signExtend(raw, bits) : raw;
}

function signExtend(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}
