/** Decoding of TensorProto's typed fields (onnx.proto, the comments at float_data .. uint64_data) to raw_data layout. */
import { StudioError } from '../base/errors/index.ts';
import { byteLengthOf, type DType, dtypeInfo } from './dtype.ts';
import type { TypedDataField } from './types.ts';

/** The typed field that holds a dtype, or undefined where only raw_data or string_data can. */
export function typedFieldOf(dtype: DType): TypedDataField | undefined {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'float_data';
    case 'float64':
    case 'complex128':
      return 'double_data';
    case 'int64':
      return 'int64_data';
    case 'uint32':
    case 'uint64':
      return 'uint64_data';
    case 'string':
    case 'undefined':
      return undefined;
    default:
      return 'int32_data';
  }
}

/** How many entries of its typed field `count` elements take: two for complex, one a byte below 8 bits. */
export function typedEntryCount(dtype: DType, count: number): number {
  const { bits } = dtypeInfo[dtype];
  if (dtype === 'complex64' || dtype === 'complex128') return count * 2;
  return bits < 8 ? byteLengthOf(dtype, count) : count;
}

/**
 * Decodes packed payloads, in order, to raw_data layout.
 * @throws StudioError model/data-mismatch when they do not hold exactly `count` elements
 */
export function decodeTypedField(
  tensor: { readonly name: string; readonly dtype: DType; readonly dims: readonly number[] },
  field: TypedDataField,
  payloads: readonly Uint8Array[],
  count: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(byteLengthOf(tensor.dtype, count));
  const stored =
    field === 'float_data' || field === 'double_data'
      ? concatInto(out, payloads)
      : decodeVarints(out, entryBytes(tensor.dtype), payloads);
  if (stored !== out.byteLength)
    throw new StudioError('model/data-mismatch', {
      tensor: tensor.name,
      dtype: tensor.dtype,
      dims: tensor.dims.join(', '),
      expected: out.byteLength,
      actual: stored,
    });
  return out;
}

const entryBytes = (dtype: DType): number => Math.max(1, dtypeInfo[dtype].bits / 8);

/** Returns how many bytes there are in all; what does not fit is only counted. */
function concatInto(out: Uint8Array, payloads: readonly Uint8Array[]): number {
  let at = 0;
  for (const payload of payloads) {
    if (at + payload.byteLength <= out.byteLength) out.set(payload, at);
    at += payload.byteLength;
  }
  return at;
}

/** Writes the low `width` bytes of every varint, little-endian. Returns width times the number of varints. */
function decodeVarints(out: Uint8Array, width: number, payloads: readonly Uint8Array[]): number {
  let at = 0;
  for (const payload of payloads) {
    let position = 0;
    while (position < payload.byteLength) {
      // 64 bits as two halves: bits 0-31 and 32-63.
      let low = 0;
      let high = 0;
      let shift = 0;
      let byte = 0x80;
      while (byte & 0x80 && position < payload.byteLength && shift < 70) {
        byte = payload[position]!;
        position += 1;
        const part = byte & 0x7f;
        if (shift < 28) low |= part << shift;
        else if (shift === 28) {
          low |= part << 28;
          high |= part >>> 4;
        } else high |= part << (shift - 32);
        shift += 7;
      }
      if (byte & 0x80) return -1;
      if (at + width <= out.byteLength) writeLittleEndian(out, at, width, low, high);
      at += width;
    }
  }
  return at;
}

function writeLittleEndian(out: Uint8Array, at: number, width: number, low: number, high: number): void {
  for (let i = 0; i < width; i += 1) out[at + i] = i < 4 ? low >>> (8 * i) : high >>> (8 * (i - 4));
}
