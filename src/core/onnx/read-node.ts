/** NodeProto. */
import type { Node } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { headerBytes, type Reading } from './cursor.ts';
import { readAttribute } from './read-attribute.ts';
import { readDocText, readEntry, readOptionalText, readText } from './read-fields.ts';
import { readNested } from './read-tensor.ts';
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
    switch (tag >>> 3) {
      case 1:
        node.inputs.push(yield* readText(cursor, tag, end, 'input'));
        break;
      case 2:
        node.outputs.push(yield* readText(cursor, tag, end, 'output'));
        break;
      case 3:
        node.name = yield* readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 4:
        node.opType = yield* readOptionalText(cursor, tag, end, 'op_type', unknown);
        break;
      case 5: {
        const named = yield* readNested(context, tag, end, 'attribute', node.attributes.size, readAttribute);
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
        const docString = yield* readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') node.docString = docString;
        break;
      }
      case 7:
        node.domain = yield* readDomain(cursor, tag, end, unknown);
        break;
      case 8: {
        const overload = yield* readOptionalText(cursor, tag, end, 'overload', unknown);
        if (overload !== '') node.overload = overload;
        break;
      }
      case 9:
        node.metadataProps ??= new Map();
        yield* readEntry(cursor, tag, end, 'metadata_props', node.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  return Object.assign(node, unknown.asProperty());
}

/** 'ai.onnx' is another spelling of ''; which one the file used is remembered in `unknown`. */
export function* readDomain(
  cursor: ReadContext['cursor'],
  tag: number,
  end: number,
  unknown: UnknownFields,
): Reading<string> {
  const domain = yield* readOptionalText(cursor, tag, end, 'domain', unknown);
  if (domain !== 'ai.onnx') return domain;
  unknown.add(encodeBytesField(tag >>> 3, encodeUtf8(domain)));
  return '';
}
