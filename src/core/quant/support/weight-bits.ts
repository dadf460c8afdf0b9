/** How wide a quantized weight is, and the field that it is stored in. */

/** Bits of a code. */
export type WeightBits = 2 | 3 | 4 | 8;

/** Bits that a code takes in the file: MatMulNBits has kernels for these only. */
export type FieldBits = 2 | 4 | 8;

export const weightBits: readonly [2, 3, 4, 8] = [2, 3, 4, 8];

export function fieldBits(bits: WeightBits): FieldBits {
  return bits === 3 ? 4 : bits;
}

/**
 * What MatMulNBits subtracts where no zero points are given is half of the field's range; codes that are narrower than
 * their field and have no zero points are raised by this much.
 */
export function fieldOffset(bits: WeightBits): number {
  return 2 ** (fieldBits(bits) - 1) - 2 ** (bits - 1);
}
