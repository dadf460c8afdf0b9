/** GraphProto. */
import { StudioError } from '../base/errors/index.ts';
import type { Graph } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { headerBytes, type Reading } from './cursor.ts';
import { readBytes, readDocText, readEntry, readOptionalText } from './read-fields.ts';
import { readNode } from './read-node.ts';
import { readSparseTensor, readTensor } from './read-tensor.ts';
import { readValueInfo } from './read-types.ts';
import { UnknownFields } from './wire.ts';

/** Exporters nest two or three deep; 64 is far beyond need and far below what a stack can take. */
export const graphDepthLimit = 64;

/** Messages that wait for themselves: node, initializer, sparse_initializer. */
const nestedFields = new Set([1, 5, 15]);

export function* readGraph(context: ReadContext, end: number): Reading<Graph> {
  const { cursor } = context;
  context.graphDepth += 1;
  if (context.graphDepth > graphDepthLimit)
    throw new StudioError('model/too-deep', {
      depth: context.graphDepth,
      path: shortened(cursor.path),
      limit: graphDepthLimit,
    });
  const graph: Graph = {
    name: '',
    nodes: [],
    inputs: [],
    outputs: [],
    initializers: new Map(),
    sparseInitializers: [],
    valueInfo: new Map(),
    quantizationAnnotations: [],
  };
  const unknown = new UnknownFields();
  while (cursor.position < end) {
    if (cursor.lacks(headerBytes)) yield* cursor.load(headerBytes);
    const tagOffset = cursor.position;
    const tag = cursor.tag(end);
    if (!nestedFields.has(tag >>> 3) && cursor.lacksValue(tag)) yield* cursor.loadValue(end);
    switch (tag >>> 3) {
      case 1:
        graph.nodes.push(yield* readNode(context, cursor.begin(tag, end, 'node', graph.nodes.length)));
        cursor.leave();
        break;
      case 2:
        graph.name = readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 5: {
        const tensor = yield* readTensor(context, cursor.begin(tag, end, 'initializer', graph.initializers.size));
        cursor.leave();
        if (graph.initializers.has(tensor.name)) throw new StudioError('model/duplicate-value', { value: tensor.name });
        graph.initializers.set(tensor.name, tensor);
        break;
      }
      case 10: {
        const docString = readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') graph.docString = docString;
        break;
      }
      case 11:
        graph.inputs.push(readValueInfo(cursor, tag, end, 'input', graph.inputs.length));
        break;
      case 12:
        graph.outputs.push(readValueInfo(cursor, tag, end, 'output', graph.outputs.length));
        break;
      case 13: {
        const info = readValueInfo(cursor, tag, end, 'value_info', graph.valueInfo.size);
        // Only a hint, and a second one for the same value adds nothing: the first stays.
        if (!graph.valueInfo.has(info.name)) graph.valueInfo.set(info.name, info);
        break;
      }
      case 14:
        graph.quantizationAnnotations.push(readBytes(cursor, tag, end, 'quantization_annotation'));
        break;
      case 15: {
        const index = graph.sparseInitializers.length;
        const sparseEnd = cursor.begin(tag, end, 'sparse_initializer', index);
        graph.sparseInitializers.push(yield* readSparseTensor(context, sparseEnd));
        cursor.leave();
        break;
      }
      case 16:
        graph.metadataProps ??= new Map();
        readEntry(cursor, tag, end, 'metadata_props', graph.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  context.graphDepth -= 1;
  return unknown.attachTo(graph);
}

const shortened = (path: string): string => (path.length > 120 ? `${path.slice(0, 60)} ... ${path.slice(-50)}` : path);
