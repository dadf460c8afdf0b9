/** FunctionProto and OperatorSetIdProto. */
import type { FunctionDef } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import type { ReadContext } from './context.ts';
import { type Cursor, headerBytes, type Reading } from './cursor.ts';
import { readAttribute } from './read-attribute.ts';
import { readDocText, readEntry, readOptionalText, readText, varintValue } from './read-fields.ts';
import { readDomain, readNode } from './read-node.ts';
import { readValueInfo } from './read-types.ts';
import { encodeUtf8 } from './text.ts';
import { encodeBytesField, UnknownFields } from './wire.ts';

/** Messages that wait for themselves: node, attribute_proto. */
const nestedFields = new Set([7, 11]);

export function* readFunction(context: ReadContext, end: number): Reading<FunctionDef> {
  const { cursor } = context;
  const definition: FunctionDef = {
    name: '',
    domain: '',
    inputs: [],
    outputs: [],
    attributeNames: [],
    attributeDefaults: new Map(),
    nodes: [],
    opsetImports: new Map(),
    valueInfo: new Map(),
  };
  const opsets = new OpsetImports(definition);
  const unknown = new UnknownFields();
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (!nestedFields.has(tag >>> 3) && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        definition.name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 4:
        definition.inputs.push(readText(cursor, tag, end, 'input'));
        break;
      case 5:
        definition.outputs.push(readText(cursor, tag, end, 'output'));
        break;
      case 6:
        definition.attributeNames.push(readText(cursor, tag, end, 'attribute'));
        break;
      case 7:
        definition.nodes.push(yield* readNode(context, cursor.begin(tag, end, 'node', definition.nodes.length)));
        cursor.leave();
        break;
      case 8: {
        const docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') definition.docString = docString;
        break;
      }
      case 9:
        opsets.read(cursor, tag, end);
        break;
      case 10:
        definition.domain = readDomain(cursor, tag, end, unknown);
        break;
      case 11: {
        const index = definition.attributeDefaults.size;
        const named = yield* readAttribute(context, cursor.begin(tag, end, 'attribute_proto', index));
        cursor.leave();
        if (named.attribute && !definition.attributeDefaults.has(named.name))
          definition.attributeDefaults.set(named.name, named.attribute);
        else {
          const contentOffset = cursor.position - named.byteLength;
          unknown.add(encodeBytesField(11, yield* cursor.copyRange(contentOffset, named.byteLength)));
        }
        break;
      }
      case 12: {
        const index = definition.valueInfo.size;
        const info = readValueInfo(cursor, tag, end, 'value_info', index);
        if (!definition.valueInfo.has(info.name)) definition.valueInfo.set(info.name, info);
        break;
      }
      case 13: {
        const overload = readOptionalText(cursor, tag, end, 'overload', unknown);
        if (overload !== '') definition.overload = overload;
        break;
      }
      case 14:
        definition.metadataProps ??= new Map();
        readEntry(cursor, tag, end, 'metadata_props', definition.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  return unknown.attachTo(definition);
}

type OpsetOwner = Pick<FunctionDef, 'opsetImports' | 'opsetImportExtras'>;

/** Collects opset imports, and what else stood in their messages. */
export class OpsetImports {
  readonly #versions: Map<string, number>;
  readonly #owner: OpsetOwner;
  readonly #extras = new Map<string, Uint8Array>();

  constructor(owner: OpsetOwner) {
    this.#versions = owner.opsetImports;
    this.#owner = owner;
  }

  /** The message must be in the window. */
  read(cursor: Cursor, tag: number, end: number): void {
    const messageEnd = cursor.begin(tag, end, 'opset_import', this.#versions.size);
    const extras = new UnknownFields();
    let domain = '';
    let version = 0;
    while (cursor.position < messageEnd) {
      const tagOffset = cursor.position;
      const inner = cursor.tag(messageEnd);
      if (inner >>> 3 === 1) {
        domain = readText(cursor, inner, messageEnd, 'domain');
        // The usual way to write '' is to leave it out; exporters also write it as '' or 'ai.onnx'.
        if (isDefaultDomain(domain)) {
          extras.add(encodeBytesField(1, encodeUtf8(domain)));
          domain = '';
        }
      } else if (inner >>> 3 === 2) {
        version = varintValue(cursor, inner, messageEnd, 'version');
        if (version === 0) extras.addZero(2);
      } else extras.add(cursor.takeLoadedField(inner, tagOffset, messageEnd));
    }
    cursor.leave();
    const known = this.#versions.get(domain);
    if (known !== undefined && known !== version)
      throw cursor.malformed(`domain "${domain}" is imported in versions ${known} and ${version}`);
    this.#versions.set(domain, version);
    if (!extras.bytes) return;
    this.#extras.set(domain, extras.bytes);
    this.#owner.opsetImportExtras = this.#extras;
  }
}
