/** AttributeProto: a tagged union whose tag (`type`) and value are separate fields. */
import type { Attribute, AttributeExtras, Graph, SparseTensor, Tensor } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { type Cursor, headerBytes, type Reading } from './cursor.ts';
import { readBytes, readDocText, readFloats, readOptionalText, readVarints, varintValue } from './read-fields.ts';
import { readGraph } from './read-graph.ts';
import { readSparseTensor, readTensor } from './read-tensor.ts';
import { UnknownFields, wire } from './wire.ts';
import { attributeForms } from './wire-form.ts';

export interface NamedAttribute {
  readonly name: string;
  /** Undefined for a type that this version does not know. */
  readonly attribute: (Attribute & AttributeExtras) | undefined;
  /** Of the message. */
  readonly byteLength: number;
}

/** The value fields that were present. */
interface AttributeParts {
  float?: number;
  int?: bigint;
  string?: Uint8Array;
  tensor?: Tensor;
  graph?: Graph;
  type?: Uint8Array;
  'sparse-tensor'?: SparseTensor;
  floats?: number[];
  ints?: bigint[];
  strings?: Uint8Array[];
  tensors?: Tensor[];
  graphs?: Graph[];
  types?: Uint8Array[];
  'sparse-tensors'?: SparseTensor[];
}
type AttributeKind = keyof AttributeParts;
type DraftAttribute = Attribute & { -readonly [K in keyof AttributeExtras]: AttributeExtras[K] };

/** AttributeProto.AttributeType by number. */
export const attributeKinds: readonly (AttributeKind | undefined)[] = [
  undefined,
  'float',
  'int',
  'string',
  'tensor',
  'graph',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'sparse-tensor',
  'sparse-tensors',
  'type',
  'types',
];

/** Messages that wait for themselves: t, g, tensors, graphs, sparse_tensor, sparse_tensors. */
const nestedFields = new Set([5, 6, 10, 11, 22, 23]);

export function* readAttribute(context: ReadContext, end: number): Reading<NamedAttribute> {
  const { cursor } = context;
  const start = cursor.position;
  const byteLength = end - start;
  const unknown = new UnknownFields();
  const parts: AttributeParts = {};
  let name = '';
  let docString = '';
  let refAttrName = '';
  let attrType = 0;
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (!nestedFields.has(tag >>> 3) && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 13:
        docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        break;
      case 20:
        attrType = varintValue(cursor, tag, end, 'type');
        if (attrType === 0) unknown.addZero(20);
        break;
      case 21:
        refAttrName = readOptionalText(cursor, tag, end, 'ref_attr_name', unknown);
        break;
      default:
        if (!(yield* readValue(context, tag, end, parts))) unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  if (attrType < 0 || attrType >= attributeKinds.length) return { name, attribute: undefined, byteLength };
  const present = Object.keys(parts) as AttributeKind[];
  if (refAttrName !== '') {
    const reference: DraftAttribute = { type: 'reference', refAttrName, attrType };
    if (docString !== '') reference.docString = docString;
    return { name, attribute: unknown.attachTo(reference), byteLength };
  }
  const kind = attributeKinds[attrType] ?? impliedKind(cursor, name, present);
  const attribute: DraftAttribute = makeAttribute(cursor, name, kind, parts);
  if (docString !== '') attribute.docString = docString;
  unknown.attachTo(attribute);
  if (!isPlain(kind, attrType, present) && !present.some((part) => /tensor|graph/.test(part)))
    attributeForms.set(attribute, yield* cursor.copyRange(start, byteLength));
  return { name, attribute, byteLength };
}

/** Reads a field that holds (part of) the value; false when it is none. */
function* readValue(context: ReadContext, tag: number, end: number, parts: AttributeParts): Reading<boolean> {
  const { cursor } = context;
  switch (tag >>> 3) {
    case 2:
      cursor.expect(tag, wire.fixed32, 'f');
      parts.float = cursor.float32(end);
      return true;
    case 3:
      cursor.expect(tag, wire.varint, 'i');
      cursor.varint(end);
      parts.int = cursor.signedBig;
      return true;
    case 4:
      parts.string = readBytes(cursor, tag, end, 's');
      return true;
    case 5:
      parts.tensor = yield* readTensor(context, cursor.begin(tag, end, 't'));
      cursor.leave();
      return true;
    case 6:
      parts.graph = yield* readGraph(context, cursor.begin(tag, end, 'g'));
      cursor.leave();
      return true;
    case 7:
      parts.floats ??= [];
      readFloats(cursor, tag, end, 'floats', parts.floats);
      return true;
    case 8:
      parts.ints ??= [];
      readVarints(cursor, tag, end, 'ints', parts.ints, ({ signedBig }) => signedBig);
      return true;
    case 9:
      parts.strings ??= [];
      parts.strings.push(readBytes(cursor, tag, end, 'strings'));
      return true;
    default:
      return yield* readRareValue(context, tag, end, parts);
  }
}

function* readRareValue(context: ReadContext, tag: number, end: number, parts: AttributeParts): Reading<boolean> {
  const { cursor } = context;
  switch (tag >>> 3) {
    case 10:
      parts.tensors ??= [];
      parts.tensors.push(yield* readTensor(context, cursor.begin(tag, end, 'tensors', parts.tensors.length)));
      cursor.leave();
      return true;
    case 11:
      parts.graphs ??= [];
      parts.graphs.push(yield* readGraph(context, cursor.begin(tag, end, 'graphs', parts.graphs.length)));
      cursor.leave();
      return true;
    case 14:
      parts.type = readBytes(cursor, tag, end, 'tp');
      return true;
    case 15:
      parts.types ??= [];
      parts.types.push(readBytes(cursor, tag, end, 'type_protos'));
      return true;
    case 22:
      parts['sparse-tensor'] = yield* readSparseTensor(context, cursor.begin(tag, end, 'sparse_tensor'));
      cursor.leave();
      return true;
    case 23: {
      parts['sparse-tensors'] ??= [];
      const index = parts['sparse-tensors'].length;
      const sparseEnd = cursor.begin(tag, end, 'sparse_tensors', index);
      parts['sparse-tensors'].push(yield* readSparseTensor(context, sparseEnd));
      cursor.leave();
      return true;
    }
    default:
      return false;
  }
}

/** Files before IR version 2 have no `type`; the value field says it. */
function impliedKind(cursor: Cursor, name: string, present: readonly AttributeKind[]): AttributeKind {
  if (present.length === 1) return present[0]!;
  throw cursor.malformed(`attribute "${name}" has no type and ${present.length} value fields`);
}

function makeAttribute(cursor: Cursor, name: string, kind: AttributeKind, parts: AttributeParts): Attribute {
  switch (kind) {
    // proto3-style writers leave out a value that is zero.
    case 'float':
      return { type: kind, value: parts.float ?? 0 };
    case 'int':
      return { type: kind, value: parts.int ?? 0n };
    case 'string':
      return { type: kind, value: parts.string ?? new Uint8Array(0) };
    case 'floats':
    case 'ints':
    case 'strings':
    case 'tensors':
    case 'graphs':
    case 'types':
    case 'sparse-tensors':
      return { type: kind, value: parts[kind] ?? [] } as Attribute;
    default:
      if (parts[kind] === undefined) throw cursor.malformed(`attribute "${name}" of type ${kind} has no value`);
      return { type: kind, value: parts[kind] } as Attribute;
  }
}

/** Whether the usual way of writing the attribute gives the same message. */
function isPlain(kind: AttributeKind, attrType: number, present: readonly AttributeKind[]): boolean {
  if (attrType === 0) return false;
  if (present.length === 0) return kind.endsWith('s');
  return present.length === 1 && present[0] === kind;
}
