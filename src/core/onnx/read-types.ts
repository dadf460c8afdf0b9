/** ValueInfoProto and the types inside it. */
import { StudioError } from '../base/errors/index.ts';
import { type DType, dtypeFromOnnx } from '../ir/dtype.ts';
import type { Dim, ValueInfo, ValueType } from '../ir/types.ts';
import type { Cursor } from './cursor.ts';
import { readDocText, readEntry, readOptionalText, readText } from './read-fields.ts';
import { UnknownFields, wire } from './wire.ts';
import { typeForms } from './wire-form.ts';

/** Reads the message that is the value of a field; it must be in the window. */
export function readValueInfo(
  cursor: Cursor,
  outerTag: number,
  outerEnd: number,
  field: string,
  index: number,
): ValueInfo {
  const end = cursor.begin(outerTag, outerEnd, field, index);
  const info: ValueInfo = { name: '' };
  const unknown = new UnknownFields();
  while (cursor.position < end) {
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    switch (tag >>> 3) {
      case 1:
        info.name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 2:
        info.type = readType(cursor, tag, end, info.name);
        break;
      case 3: {
        const docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') info.docString = docString;
        break;
      }
      case 4:
        info.metadataProps ??= new Map();
        readEntry(cursor, tag, end, 'metadata_props', info.metadataProps, unknown);
        break;
      default:
        unknown.add(cursor.takeLoadedField(tag, tagOffset, end));
    }
  }
  cursor.leave();
  return unknown.attachTo(info);
}

const otherKinds: Record<number, string> = { 4: 'sequence', 5: 'map', 7: 'opaque', 9: 'optional' };

/** What a TypeProto says, and whether writing that gives the same message again. */
interface ParsedType {
  type: ValueType | undefined;
  otherName: string;
  denotation: string | undefined;
  /** False as soon as there is anything that `ValueType` cannot hold. */
  plain: boolean;
}

function readType(cursor: Cursor, tag: number, end: number, valueName: string): ValueType {
  const typeEnd = cursor.begin(tag, end, 'type');
  const start = cursor.position;
  const { type, otherName, denotation, plain } = parseType(cursor, typeEnd, valueName);
  cursor.leave();
  const content = (): Uint8Array => {
    cursor.skip(start - cursor.position);
    return new Uint8Array(cursor.view(typeEnd - start));
  };
  if (!type) return { kind: 'other', name: otherName, proto: content() };
  const complete = denotation === undefined ? type : { ...type, denotation };
  if (!plain) typeForms.set(complete, content());
  return complete;
}

function parseType(cursor: Cursor, end: number, valueName: string): ParsedType {
  const parsed: ParsedType = { type: undefined, otherName: 'unset', denotation: undefined, plain: true };
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    const field = tag >>> 3;
    if (field === 1 || field === 8) {
      if (parsed.type) parsed.plain = false;
      const length = cursor.length(tag, end, field === 1 ? 'tensor_type' : 'sparse_tensor_type');
      parseTensorType(cursor, cursor.position + length, field === 1 ? 'tensor' : 'sparse-tensor', valueName, parsed);
    } else if (field === 6) parsed.denotation = readText(cursor, tag, end, 'denotation');
    else {
      // Types made of other types stay as they are in the file; only the outermost kind is named.
      parsed.plain = false;
      if (otherKinds[field]) {
        parsed.otherName = otherKinds[field];
        parsed.type = undefined;
      }
      cursor.takeLoadedField(tag, cursor.position, end);
    }
  }
  return parsed;
}

function parseTensorType(
  cursor: Cursor,
  end: number,
  kind: 'tensor' | 'sparse-tensor',
  valueName: string,
  parsed: ParsedType,
): void {
  let dtype: DType | undefined;
  let shape: Dim[] | undefined;
  let known = true;
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag >>> 3 === 1) {
      cursor.expect(tag, wire.varint, 'elem_type');
      cursor.varint(end);
      dtype = dtypeFromOnnx(cursor.signed);
      if (!dtype) {
        known = false;
        parsed.otherName = `${kind} of element type ${cursor.signed}`;
      }
    } else if (tag >>> 3 === 2) {
      const length = cursor.length(tag, end, 'shape');
      if (shape) parsed.plain = false;
      cursor.enter('shape');
      shape = parseShape(cursor, cursor.position + length, valueName, parsed, shape ?? []);
      cursor.leave();
    } else {
      parsed.plain = false;
      cursor.takeLoadedField(tag, cursor.position, end);
    }
  }
  if (dtype === undefined) parsed.plain = false;
  parsed.type = known ? { kind, dtype: dtype ?? 'undefined', ...(shape ? { shape } : {}) } : undefined;
}

function parseShape(cursor: Cursor, end: number, valueName: string, parsed: ParsedType, shape: Dim[]): Dim[] {
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag >>> 3 === 1) {
      const length = cursor.length(tag, end, 'dim');
      shape.push(parseDim(cursor, cursor.position + length, valueName, parsed));
    } else {
      parsed.plain = false;
      cursor.takeLoadedField(tag, cursor.position, end);
    }
  }
  return shape;
}

function parseDim(cursor: Cursor, end: number, valueName: string, parsed: ParsedType): Dim {
  let dim: Dim = null;
  while (cursor.position < end) {
    const tag = cursor.tag(end);
    if (tag >>> 3 === 1) {
      cursor.expect(tag, wire.varint, 'dim_value');
      cursor.varint(end);
      dim = dimValue(cursor, valueName);
    } else if (tag >>> 3 === 2) dim = readText(cursor, tag, end, 'dim_param');
    else {
      parsed.plain = false;
      cursor.takeLoadedField(tag, cursor.position, end);
    }
  }
  // Exporters write -1 or an empty name for "unknown"; ORT takes both so.
  if (dim === '' || (typeof dim === 'number' && dim < 0)) {
    parsed.plain = false;
    return null;
  }
  return dim;
}

function dimValue(cursor: Cursor, valueName: string): number {
  const value = cursor.signed;
  if (!Number.isNaN(value)) return value;
  throw new StudioError('model/bad-dims', {
    tensor: valueName,
    dims: `${cursor.signedBig}`,
    reason: 'is beyond 2^53',
  });
}
