/** GraphProto. */
import { StudioError } from '../base/errors/index.ts';
import type { Graph } from '../ir/types.ts';
import type { ReadContext } from './context.ts';
import { headerBytes, type Reading } from './cursor.ts';
import { readBytes, readDocText, readEntry, readOptionalText } from './read-fields.ts';
import { readNode } from './read-node.ts';
import { readNested, readSparseTensor, readTensor } from './read-tensor.ts';
import { readValueInfo } from './read-types.ts';
import { UnknownFields } from './wire.ts';

/** Exporters nest two or three deep; 64 is far beyond need and far below what a stack can take. */
export const graphDepthLimit = 64;

const valueInfoOf = ({ cursor }: ReadContext, end: number) => readValueInfo(cursor, end);

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
    switch (tag >>> 3) {
      case 1:
        graph.nodes.push(yield* readNested(context, tag, end, 'node', graph.nodes.length, readNode));
        break;
      case 2:
        graph.name = yield* readOptionalText(cursor, tag, end, 'name', unknown);
        break;
      case 5: {
        const tensor = yield* readNested(context, tag, end, 'initializer', graph.initializers.size, readTensor);
        if (graph.initializers.has(tensor.name)) throw new StudioError('model/duplicate-value', { value: tensor.name });
        graph.initializers.set(tensor.name, tensor);
        break;
      }
      case 10: {
        const docString = yield* readDocText(cursor, tag, end, 'doc_string', unknown);
        if (docString !== '') graph.docString = docString;
        break;
      }
      case 11:
        graph.inputs.push(yield* readNested(context, tag, end, 'input', graph.inputs.length, valueInfoOf));
        break;
      case 12:
        graph.outputs.push(yield* readNested(context, tag, end, 'output', graph.outputs.length, valueInfoOf));
        break;
      case 13: {
        const info = yield* readNested(context, tag, end, 'value_info', graph.valueInfo.size, valueInfoOf);
        // Only a hint, and a second one for the same value adds nothing: the first stays.
        if (!graph.valueInfo.has(info.name)) graph.valueInfo.set(info.name, info);
        break;
      }
      case 14:
        graph.quantizationAnnotations.push(yield* readBytes(cursor, tag, end, 'quantization_annotation'));
        break;
      case 15: {
        const index = graph.sparseInitializers.length;
        graph.sparseInitializers.push(
          yield* readNested(context, tag, end, 'sparse_initializer', index, readSparseTensor),
        );
        break;
      }
      case 16:
        graph.metadataProps ??= new Map();
        yield* readEntry(cursor, tag, end, 'metadata_props', graph.metadataProps, unknown);
        break;
      default:
        unknown.add(yield* cursor.takeField(tag, tagOffset, end));
    }
  }
  context.graphDepth -= 1;
  return Object.assign(graph, unknown.asProperty());
}

const shortened = (path: string): string => (path.length > 120 ? `${path.slice(0, 60)} ... ${path.slice(-50)}` : path);
