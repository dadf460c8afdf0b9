/** ModelProto. */
import type { FunctionDef, Graph, Model } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { headerBytes, type Reading } from './cursor.ts';
import { readBytes, readDocText, readEntry, readOptionalText, varintValue } from './read-fields.ts';
import { OpsetImports, readFunction } from './read-function.ts';
import { readGraph } from './read-graph.ts';
import { UnknownFields, wire } from './wire.ts';

/** How much the start of a file looked like a ModelProto: decides what a failure is called. */
export interface Plausibility {
  knownFields: number;
  unknownFields: number;
  graphBegun: boolean;
}

/** Messages that wait for themselves: graph, functions. */
const nestedFields = new Set([7, 25]);

/** The model, or undefined for a message without a graph. */
export function* readModelMessage(context: ReadContext, end: number, seen: Plausibility): Reading<Model | undefined> {
  const { cursor } = context;
  const unknown = new UnknownFields();
  const functions: FunctionDef[] = [];
  const head = {
    irVersion: 0,
    producerName: '',
    producerVersion: '',
    domain: '',
    modelVersion: 0n,
    docString: '',
    opsetImports: new Map<string, number>(),
    metadataProps: new Map<string, string>(),
    functions,
    trainingInfo: [] as Uint8Array[],
  };
  const opsets = new OpsetImports(head);
  let graph: Graph | undefined;
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (!nestedFields.has(tag >>> 3) && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        head.irVersion = varintValue(cursor, tag, end, 'ir_version');
        if (!(head.irVersion >= 0 && head.irVersion < 1000))
          throw cursor.malformed(`ir_version is ${cursor.signedBig}`, tagOffset);
        if (head.irVersion === 0) unknown.addZero(1);
        break;
      case 2:
        head.producerName = readDocText(cursor, tag, end, 'producer_name', unknown);
        break;
      case 3:
        head.producerVersion = readDocText(cursor, tag, end, 'producer_version', unknown);
        break;
      case 4:
        head.domain = readOptionalText(cursor, tag, end, 'domain', unknown);
        break;
      case 5:
        cursor.expect(tag, wire.varint, 'model_version');
        cursor.varint(end);
        head.modelVersion = cursor.signedBig;
        if (head.modelVersion === 0n) unknown.addZero(5);
        break;
      case 6:
        head.docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        break;
      case 7:
        if (graph) throw cursor.malformed('there are two graphs', tagOffset);
        // A graph so long that the file cannot hold it is the commonest sign of a download that was cut off.
        if ((tag & 7) === wire.bytes) seen.graphBegun = true;
        graph = yield* readGraph(context, cursor.begin(tag, end, 'graph'));
        cursor.leave();
        break;
      case 8:
        opsets.read(cursor, tag, end);
        break;
      case 14:
        readEntry(cursor, tag, end, 'metadata_props', head.metadataProps, unknown);
        break;
      case 20:
        head.trainingInfo.push(readBytes(cursor, tag, end, 'training_info'));
        break;
      case 25:
        functions.push(yield* readFunction(context, cursor.begin(tag, end, 'functions', functions.length)));
        cursor.leave();
        break;
      default:
        // Field 26 (configuration, since IR 11) is known and kept as it is.
        if (tag >>> 3 !== 26) seen.unknownFields += 1;
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
        continue;
    }
    seen.knownFields += 1;
  }
  return graph && unknown.attachTo<Model>({ ...head, graph });
}
