/** Codes, scales and zero points, however a method found them, as the tensors that com.microsoft.MatMulNBits takes. */
import { float32ArrayToFloat16 } from '../../base/float16.ts';
import { bytesOf } from '../../ir/tensor.ts';
import type { Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import type { NBitsScheme } from './nbits-parameters.ts';
import { packZeroPoints, zeroPointRowBytes } from './pack-nbits.ts';
import { type FieldBits, fieldBits, fieldOffset, type WeightBits } from './weight-bits.ts';

/** Weights in the form MatMulNBits takes (ContribOperators.md, onnxruntime 1.30). */
export interface NBitsMatrix {
  readonly K: number;
  readonly N: number;
  /** MatMulNBits' attribute: the width of a field. */
  readonly bits: FieldBits;
  /** The width of a code, which may be narrower. */
  readonly codeBits: WeightBits;
  readonly blockSize: number;
  /** uint8 [N, K/block, block * bits / 8]. */
  readonly packed: Tensor;
  /** [N, K/block], float32 or float16. */
  readonly scales: Tensor;
  /**
   * uint8 [N, ceil(K/block * bits / 8)], or of the scales' type and dims; absent when every zero point is
   * 2^(bits-1).
   */
  readonly zeroPoints: Tensor | undefined;
}

export interface NBitsLayout extends NBitsScheme {
  /** Base of the new tensors' names. */
  readonly name: string;
  readonly K: number;
  readonly N: number;
  readonly blockSize: number;
}

/** What a method found, all in the order [N, K/block]; the last block of each row is padded. */
export interface NBitsParts {
  /** Packed codes, see packCodes; taken in full before the other two are looked at. */
  readonly packed: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly scales: Float32Array;
  /** Integers in bytes, or any numbers as floats; left out when the scheme is symmetric. */
  readonly zeroPoints: Uint8Array | Float32Array;
}

/** @throws StudioError storage/full */
export async function storeNBitsMatrix(ctx: StepContext, layout: NBitsLayout, parts: NBitsParts): Promise<NBitsMatrix> {
  const { name, K, N, bits, blockSize, symmetric, scaleType } = layout;
  const blocks = Math.ceil(K / blockSize);
  const field = fieldBits(bits);
  const blobBytes = (blockSize * field) / 8;
  const tensor = async (
    suffix: string,
    dtype: Tensor['dtype'],
    dims: number[],
    chunks: NBitsParts['packed'],
  ): Promise<Tensor> => {
    const elementBytes = { uint8: 1, float16: 2, float32: 4 }[dtype as 'uint8' | 'float16' | 'float32'];
    const data = await ctx.store.put(
      dims.reduce((a, b) => a * b, elementBytes),
      chunks,
    );
    return { name: `${name}_${suffix}`, dtype, dims, data };
  };
  const inScaleType = (values: Float32Array) => [
    bytesOf(scaleType === 'float16' ? float32ArrayToFloat16(values) : values),
  ];
  const packed = await tensor(`Q${bits}`, 'uint8', [N, blocks, blobBytes], parts.packed);
  const scales = await tensor('scales', scaleType, [N, blocks], inScaleType(parts.scales));
  const matrix = { K, N, bits: field, codeBits: bits, blockSize, packed, scales };
  if (symmetric) return { ...matrix, zeroPoints: undefined };
  const points = parts.zeroPoints;
  const zeroPoints =
    points instanceof Float32Array
      ? await tensor('zero_points', scaleType, [N, blocks], inScaleType(points))
      : await tensor(
          'zero_points',
          'uint8',
          [N, zeroPointRowBytes(blocks, field)],
          [packZeroPoints(points, N, blocks, field)],
        );
  return { ...matrix, zeroPoints };
}

/**
 * @param codes one a byte, 0 to 2^bits - 1, whole blocks
 * @returns the same, low bits first in fields of 2, 4 or 8 bits, as storeNBitsMatrix takes them
 */
export function packCodes(codes: Uint8Array, { bits, symmetric }: NBitsScheme): Uint8Array<ArrayBuffer> {
  const field = fieldBits(bits);
  const perByte = 8 / field;
  const offset = symmetric ? fieldOffset(bits) : 0;
  const packed = new Uint8Array(codes.length / perByte);
  for (let i = 0; i < codes.length; i += 1)
    packed[Math.floor(i / perByte)]! |= (codes[i]! + offset) << ((i % perByte) * field);
  return packed;
}

/** Raises codes that are packed but not yet raised to the middle of their fields, in place. */
export function raisePackedCodes(packed: Uint8Array, bits: WeightBits): void {
  const offset = fieldOffset(bits);
  if (offset === 0) return;
  const words = new Uint32Array(packed.buffer, packed.byteOffset, packed.byteLength / 4);
  // No carry: a code that is narrower than its field leaves room for the offset.
  const raise = offset * 0x11111111;
  for (let i = 0; i < words.length; i += 1) words[i] = words[i]! + raise;
}
