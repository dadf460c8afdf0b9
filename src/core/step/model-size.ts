/** Figures of a model that the ledger shows before and after each step; cheap enough to take after every step. */

import { byteLengthOf } from '../ir/dtype.ts';
import { elementCount } from '../ir/tensor.ts';
import type { Attribute, Model, Node, Tensor } from '../ir/types.ts';
import { forEachGraph, forEachNode } from '../ir/walk.ts';

export interface ModelSize {
  /** Nodes of the main graph, of subgraphs and of functions. */
  readonly nodes: number;
  /** Bytes of the serialized model: weights exactly, structure estimated from its strings. */
  readonly fileBytes: number;
}

/** Tag and length bytes that every protobuf field costs, about. */
const FIELD_BYTES = 4;

export function modelSize(model: Model): ModelSize {
  let nodes = 0;
  let fileBytes = 64;
  forEachNode(model, (node) => {
    nodes += 1;
    fileBytes += nodeBytes(node);
  });
  forEachGraph(model, (graph) => {
    for (const tensor of graph.initializers.values()) fileBytes += tensorBytes(tensor);
    for (const sparse of graph.sparseInitializers)
      fileBytes += tensorBytes(sparse.values) + tensorBytes(sparse.indices);
    for (const { name } of [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values()]) {
      fileBytes += name.length + 24;
    }
  });
  return { nodes, fileBytes };
}

function tensorBytes(tensor: Tensor): number {
  const payload =
    tensor.data.kind === 'strings'
      ? tensor.data.values.reduce((total, value) => total + value.byteLength, 0)
      : byteLengthOf(tensor.dtype, elementCount(tensor.dims));
  return payload + tensor.name.length + tensor.dims.length * 3 + 3 * FIELD_BYTES;
}

function nodeBytes(node: Node): number {
  let bytes = node.name.length + node.opType.length + node.domain.length + 3 * FIELD_BYTES;
  for (const value of node.inputs) bytes += value.length + 2;
  for (const value of node.outputs) bytes += value.length + 2;
  for (const [name, attribute] of node.attributes) bytes += name.length + FIELD_BYTES + attributeBytes(attribute);
  return bytes;
}

function attributeBytes(attribute: Attribute): number {
  switch (attribute.type) {
    case 'tensor':
      return tensorBytes(attribute.value);
    case 'tensors':
      return attribute.value.reduce((total, tensor) => total + tensorBytes(tensor), 0);
    case 'string':
      return attribute.value.byteLength;
    case 'strings':
      return attribute.value.reduce((total, value) => total + value.byteLength + 2, 0);
    case 'floats':
    case 'ints':
      return attribute.value.length * FIELD_BYTES;
    default:
      return 8;
  }
}
