/** NodeProto. */
import type { Node } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { type Cursor, headerBytes, type Reading } from './cursor.ts';
import { readAttribute } from './read-attribute.ts';
import { readDocText, readEntry, readOptionalText, readText } from './read-fields.ts';
import { encodeUtf8 } from './text.ts';
import { encodeBytesField, UnknownFields } from './wire.ts';

export function* readNode(context: ReadContext, end: number): Reading<Node> {
  const { cursor } = context;
  const node: Node = { name: '', opType: '', domain: '', inputs: [], outputs: [], attributes: new Map() };
  const unknown = new UnknownFields();
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (tag >>> 3 !== 5 && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        node.inputs.push(readText(cursor, tag, end, 'input'));
        break;
      case 2:
        node.outputs.push(readText(cursor, tag, end, 'output'));
        break;
      case 3:
        node.name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 4:
        node.opType = readOptionalText(cursor, tag, end, 'op_type', unknown);
        break;
      case 5: {
        const named = yield* readAttribute(context, cursor.begin(tag, end, 'attribute', node.attributes.size));
        cursor.leave();
        if (named.attribute === undefined) {
          const contentOffset = cursor.position - named.byteLength;
          unknown.add(encodeBytesField(5, yield* cursor.copyRange(contentOffset, named.byteLength)));
          break;
        }
        if (node.attributes.has(named.name))
          throw cursor.malformed(`attribute "${named.name}" of node "${node.name}" is given twice`);
        node.attributes.set(named.name, named.attribute);
        break;
      }
      case 6: {
        const docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') node.docString = docString;
        break;
      }
      case 7:
        node.domain = readDomain(cursor, tag, end, unknown);
        break;
      case 8: {
        const overload = readOptionalText(cursor, tag, end, 'overload', unknown);
        if (overload !== '') node.overload = overload;
        break;
      }
      case 9:
        node.metadataProps ??= new Map();
        readEntry(cursor, tag, end, 'metadata_props', node.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  return unknown.attachTo(node);
}

/** 'ai.onnx' is another spelling of ''; which one the file used is remembered in `unknown`. */
export function readDomain(cursor: Cursor, tag: number, end: number, unknown: UnknownFields): string {
  const domain = readOptionalText(cursor, tag, end, 'domain', unknown);
  if (domain !== 'ai.onnx') return domain;
  unknown.add(encodeBytesField(tag >>> 3, encodeUtf8(domain)));
  return '';
}
