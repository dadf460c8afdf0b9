/**
 * Figures of a model that the ledger shows before and after each step. The size is computed from the rules of the
 * protobuf encoding without writing anything: after every step a real write would cost more than the steps themselves.
 */
import { tensorByteLength } from '../ir/tensor.ts';
import type { Attribute, Dim, FunctionDef, Graph, Model, Node, Tensor, ValueInfo } from '../ir/types.ts';

export interface ModelSize {
  /** Nodes of the main graph, of subgraphs and of functions. */
  readonly nodes: number;
  /** Bytes of the model as one file, weights included. */
  readonly fileBytes: number;
}

export function modelSize(model: Model): ModelSize {
  const count = { nodes: 0 };
  let fileBytes = field(graphBytes(model.graph, count));
  for (const definition of model.functions) fileBytes += field(functionBytes(definition, count));
  fileBytes += text(model.producerName) + text(model.producerVersion) + text(model.domain) + text(model.docString) + 2;
  for (const domain of model.opsetImports.keys()) fileBytes += field(2 + text(domain));
  for (const entry of model.metadataProps) fileBytes += field(text(entry[0]) + text(entry[1]));
  for (const bytes of model.trainingInfo) fileBytes += field(bytes.byteLength);
  return { nodes: count.nodes, fileBytes };
}

interface NodeCount {
  nodes: number;
}

/** Bytes of a varint. */
function varint(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** A length-delimited field with a one-byte tag. */
const field = (byteLength: number): number => 1 + varint(byteLength) + byteLength;

/** A string field; left out when empty, as proto3 writers do. Names are nearly always ASCII. */
const text = (value: string | undefined): number => (value ? field(value.length) : 0);

function graphBytes(graph: Graph, count: NodeCount): number {
  let bytes = text(graph.name);
  for (const node of graph.nodes) bytes += field(nodeBytes(node, count));
  for (const tensor of graph.initializers.values()) bytes += field(tensorBytes(tensor));
  for (const { values, indices } of graph.sparseInitializers) {
    bytes += field(field(tensorBytes(values)) + field(tensorBytes(indices))) + 1;
  }
  for (const info of [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values()]) bytes += field(infoBytes(info));
  for (const annotation of graph.quantizationAnnotations) bytes += field(annotation.byteLength);
  return bytes;
}

function functionBytes(definition: FunctionDef, count: NodeCount): number {
  let bytes = text(definition.name) + text(definition.domain);
  for (const name of [...definition.inputs, ...definition.outputs, ...definition.attributeNames]) bytes += text(name);
  for (const node of definition.nodes) bytes += field(nodeBytes(node, count));
  return bytes;
}

function nodeBytes(node: Node, count: NodeCount): number {
  count.nodes += 1;
  let bytes = text(node.name) + text(node.opType) + text(node.domain) + text(node.docString);
  // An input that is left out is written as an empty string.
  for (const value of node.inputs) bytes += field(value.length);
  for (const value of node.outputs) bytes += field(value.length);
  for (const [name, attribute] of node.attributes) bytes += field(text(name) + attributeBytes(attribute, count));
  return bytes;
}

/** The value, and the type (a field number above 15: two bytes of tag). */
function attributeBytes(attribute: Attribute, count: NodeCount): number {
  return 3 + valueBytes(attribute, count);
}

function valueBytes(attribute: Attribute, count: NodeCount): number {
  switch (attribute.type) {
    case 'float':
      return 5;
    case 'int':
      return 1 + varintOf(attribute.value);
    case 'string':
    case 'type':
      return field(attribute.value.byteLength);
    case 'tensor':
      return field(tensorBytes(attribute.value));
    case 'graph':
      return field(graphBytes(attribute.value, count));
    case 'floats':
      return attribute.value.length * 5;
    case 'ints':
      return attribute.value.reduce((total, value) => total + 1 + varintOf(value), 0);
    case 'strings':
    case 'types':
      return attribute.value.reduce((total, value) => total + field(value.byteLength), 0);
    case 'tensors':
      return attribute.value.reduce((total, tensor) => total + field(tensorBytes(tensor)), 0);
    case 'graphs':
      return attribute.value.reduce((total, graph) => total + field(graphBytes(graph, count)), 0);
    case 'reference':
      return 1 + field(attribute.refAttrName.length);
    default:
      return 0;
  }
}

/** A negative number takes all ten bytes. */
const varintOf = (value: bigint): number => (value < 0n ? 10 : varint(Number(value)));

function tensorBytes(tensor: Tensor): number {
  const payload = tensorByteLength(tensor);
  let bytes = text(tensor.name) + 2 + (payload > 0 ? field(payload) : 0);
  for (const dim of tensor.dims) bytes += 1 + varint(dim);
  return bytes;
}

function infoBytes({ name, type, docString }: ValueInfo): number {
  const typed = type === undefined ? 0 : type.kind === 'other' ? field(type.proto.byteLength) : typeBytes(type.shape);
  return text(name) + text(docString) + typed;
}

function typeBytes(shape: readonly Dim[] | undefined): number {
  if (shape === undefined) return field(field(2));
  const dims = shape.reduce<number>((total, dim) => {
    if (dim === null) return total + field(0);
    return total + field(typeof dim === 'number' ? 1 + varint(dim) : text(dim));
  }, 0);
  return field(field(2 + field(dims)));
}
