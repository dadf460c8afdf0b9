/**
 * Element types of sequences and optionals: the IR keeps such types as the bytes of their TypeProto, and this reads the
 * little of it that inference uses (onnx.proto: TypeProto, TensorShapeProto).
 */
import { dtypeFromOnnx } from '../ir/dtype.ts';
import type { Dim, ValueType } from '../ir/types.ts';

type Field = readonly [number: number, value: number | Uint8Array];

const tensorType = 1;
const sequenceType = 4;
const optionalType = 9;

/** @returns undefined for maps, opaque types and anything malformed */
export function elementTypeOf(typeProto: Uint8Array): ValueType | undefined {
  for (const [number, value] of fieldsOf(typeProto)) {
    if ((number !== sequenceType && number !== optionalType) || typeof value === 'number') continue;
    const element = lastMessage(value, 1);
    return element && valueTypeOf(element);
  }
  return undefined;
}

function valueTypeOf(typeProto: Uint8Array): ValueType | undefined {
  for (const [number, value] of fieldsOf(typeProto)) {
    if (typeof value === 'number') continue;
    if (number === tensorType) return tensorTypeOf(value);
    if (number === sequenceType) return { kind: 'other', name: 'sequence', proto: typeProto };
    if (number === optionalType) return { kind: 'other', name: 'optional', proto: typeProto };
  }
  return undefined;
}

function tensorTypeOf(message: Uint8Array): ValueType {
  let dtype = dtypeFromOnnx(0)!;
  let shape: Dim[] | undefined;
  for (const [number, value] of fieldsOf(message)) {
    if (number === 1 && typeof value === 'number') dtype = dtypeFromOnnx(value) ?? dtype;
    if (number === 2 && typeof value !== 'number')
      shape = fieldsOf(value).flatMap(([field, dim]) => (field === 1 && typeof dim !== 'number' ? [dimOf(dim)] : []));
  }
  return { kind: 'tensor', dtype, ...(shape && { shape }) };
}

function dimOf(message: Uint8Array): Dim {
  let dim: Dim = null;
  for (const [number, value] of fieldsOf(message)) {
    if (number === 1 && typeof value === 'number') dim = value;
    if (number === 2 && typeof value !== 'number') dim = new TextDecoder().decode(value) || null;
  }
  return dim;
}

function lastMessage(message: Uint8Array, wanted: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (const [number, value] of fieldsOf(message)) if (number === wanted && typeof value !== 'number') found = value;
  return found;
}

/** Varint and length-delimited fields; reading stops at anything else, which these messages do not contain. */
function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; at < message.length; scale *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) fields.push([number, varint()]);
    else if (tag % 8 === 2) {
      const length = varint();
      fields.push([number, message.subarray(at, at + length)]);
      at += length;
    } else break;
  }
  return fields;
}
