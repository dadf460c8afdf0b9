/** ValueInfoProto and the types inside it. */
import { StudioError } from '../base/errors/index.ts';
import { type DType, dtypeFromOnnx } from '../ir/dtype.ts';
import type { Dim, ValueInfo, ValueType } from '../ir/types.ts';
import type { Cursor, Reading } from './cursor.ts';
import { headerBytes } from './cursor.ts';
import { readDocText, readEntry, readOptionalText, textNow } from './read-fields.ts';
import { UnknownFields, wire } from './wire.ts';
import { typeForms } from './wire-form.ts';

export function* readValueInfo(cursor: Cursor, end: number): Reading<ValueInfo> {
  const info: ValueInfo = { name: '' };
  const unknown = new UnknownFields();
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    switch (tag >>> 3) {
      case 1:
        info.name = yield* readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 2: {
        const length = cursor.length(tag, end, 'type');
        info.type = yield* readType(cursor, length, info.name);
        break;
      }
      case 3: {
        const docString = yield* readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') info.docString = docString;
        break;
      }
      case 4:
        info.metadataProps ??= new Map();
        yield* readEntry(cursor, tag, end, 'metadata_props', info.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  return Object.assign(info, unknown.asProperty());
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

function* readType(cursor: Cursor, length: number, valueName: string): Reading<ValueType> {
  // With room for one more header, so that nothing below has to wait.
  if (cursor.lacks(length + headerBytes)) yield* cursor.load(length + headerBytes);
  const start = cursor.position;
  cursor.enter('type');
  const parsed = parseType(cursor, start + length, valueName);
  cursor.leave();
  const { type, otherName, denotation, plain } = parsed;
  if (!type) return { kind: 'other', name: otherName, proto: yield* cursor.copyRange(start, length) };
  const complete = denotation === undefined ? type : { ...type, denotation };
  if (!plain) typeForms.set(complete, yield* cursor.copyRange(start, length));
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
    } else if (field === 6) parsed.denotation = textNow(cursor, tag, end, 'denotation');
    else {
      // Types made of other types stay as they are in the file; only the outermost kind is named.
      parsed.plain = false;
      if (otherKinds[field]) {
        parsed.otherName = otherKinds[field];
        parsed.type = undefined;
      }
      skipField(cursor, tag, end);
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
      skipField(cursor, tag, end);
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
      skipField(cursor, tag, end);
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
    } else if (tag >>> 3 === 2) dim = textNow(cursor, tag, end, 'dim_param');
    else {
      parsed.plain = false;
      skipField(cursor, tag, end);
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

/** For messages that are in the window as a whole. */
function skipField(cursor: Cursor, tag: number, end: number): void {
  const step = cursor.takeField(tag, cursor.position, end).next();
  if (!step.done) throw cursor.malformed('a type passes its own end');
}
