/** GraphProto, NodeProto, AttributeProto and FunctionProto. The recursion is over nesting, which the reader limits. */
import type { Attribute, AttributeExtras, FunctionDef, Graph, Node } from '../ir/types.ts';
import { attributeKinds } from './read-attribute.ts';
import type { ReverseWriter } from './reverse-writer.ts';
import { attributeForms } from './wire-form.ts';
import { type PlaceOf, writeSparseTensor, writeTensor } from './write-tensor.ts';
import { writeValueInfo } from './write-types.ts';

export function writeGraph(writer: ReverseWriter, graph: Graph, placeOf: PlaceOf): void {
  writer.entries(16, graph.metadataProps);
  for (const sparse of graph.sparseInitializers.toReversed())
    writer.message(15, () => writeSparseTensor(writer, sparse, placeOf));
  for (const annotation of graph.quantizationAnnotations.toReversed()) writer.partField(14, annotation);
  for (const info of [...graph.valueInfo.values()].reverse()) writer.message(13, () => writeValueInfo(writer, info));
  for (const info of graph.outputs.toReversed()) writer.message(12, () => writeValueInfo(writer, info));
  for (const info of graph.inputs.toReversed()) writer.message(11, () => writeValueInfo(writer, info));
  writer.optionalText(10, graph.docString);
  for (const tensor of [...graph.initializers.values()].reverse())
    writer.message(5, () => writeTensor(writer, tensor, placeOf));
  writer.optionalText(2, graph.name);
  writeNodes(writer, 1, graph.nodes, placeOf);
  if (graph.unknown) writer.bytes(graph.unknown);
}

function writeNodes(writer: ReverseWriter, field: number, nodes: readonly Node[], placeOf: PlaceOf): void {
  for (let i = nodes.length - 1; i >= 0; i -= 1) writer.message(field, () => writeNode(writer, nodes[i]!, placeOf));
}

function writeNode(writer: ReverseWriter, node: Node, placeOf: PlaceOf): void {
  writer.entries(9, node.metadataProps);
  writer.optionalText(8, node.overload);
  writer.optionalText(7, node.domain);
  writer.optionalText(6, node.docString);
  writeAttributes(writer, 5, node.attributes, placeOf);
  writer.optionalText(4, node.opType);
  writer.optionalText(3, node.name);
  writeTexts(writer, 2, node.outputs);
  writeTexts(writer, 1, node.inputs);
  if (node.unknown) writer.bytes(node.unknown);
}

function writeTexts(writer: ReverseWriter, field: number, texts: readonly string[]): void {
  for (let i = texts.length - 1; i >= 0; i -= 1) writer.textField(field, texts[i]!);
}

type Attributes = ReadonlyMap<string, Attribute & AttributeExtras>;

function writeAttributes(writer: ReverseWriter, field: number, attributes: Attributes, placeOf: PlaceOf): void {
  for (const [name, attribute] of [...attributes].reverse())
    writer.message(field, () => {
      const form = attributeForms.get(attribute);
      if (form) writer.bytes(form);
      else writeAttribute(writer, name, attribute, placeOf);
    });
}

function writeAttribute(
  writer: ReverseWriter,
  name: string,
  attribute: Attribute & AttributeExtras,
  placeOf: PlaceOf,
): void {
  if (attribute.type === 'reference') {
    writer.textField(21, attribute.refAttrName);
    if (attribute.attrType !== 0) writer.varintField(20, attribute.attrType);
  } else {
    writer.varintField(20, attributeKinds.indexOf(attribute.type));
    writeValue(writer, attribute, placeOf);
  }
  writer.optionalText(13, attribute.docString);
  writer.optionalText(1, name);
  if (attribute.unknown) writer.bytes(attribute.unknown);
}

function writeValue(
  writer: ReverseWriter,
  attribute: Exclude<Attribute, { type: 'reference' }>,
  placeOf: PlaceOf,
): void {
  switch (attribute.type) {
    case 'float':
      writer.floatField(2, attribute.value);
      return;
    case 'int':
      writer.bigVarintField(3, attribute.value);
      return;
    case 'string':
      writer.partField(4, attribute.value);
      return;
    case 'tensor':
      writer.message(5, () => writeTensor(writer, attribute.value, placeOf));
      return;
    case 'graph':
      writer.message(6, () => writeGraph(writer, attribute.value, placeOf));
      return;
    case 'type':
      writer.partField(14, attribute.value);
      return;
    case 'sparse-tensor':
      writer.message(22, () => writeSparseTensor(writer, attribute.value, placeOf));
      return;
    default:
      writeValues(writer, attribute, placeOf);
  }
}

type Repeated = Extract<
  Attribute,
  { type: 'floats' | 'ints' | 'strings' | 'tensors' | 'graphs' | 'types' | 'sparse-tensors' }
>;

/** Numbers are not packed: onnx.proto is proto2 and does not ask for it here. */
function writeValues(writer: ReverseWriter, attribute: Repeated, placeOf: PlaceOf): void {
  switch (attribute.type) {
    case 'floats':
      for (const value of attribute.value.toReversed()) writer.floatField(7, value);
      return;
    case 'ints':
      for (const value of attribute.value.toReversed()) writer.bigVarintField(8, value);
      return;
    case 'strings':
      for (const value of attribute.value.toReversed()) writer.partField(9, value);
      return;
    case 'tensors':
      for (const value of attribute.value.toReversed()) writer.message(10, () => writeTensor(writer, value, placeOf));
      return;
    case 'graphs':
      for (const value of attribute.value.toReversed()) writer.message(11, () => writeGraph(writer, value, placeOf));
      return;
    case 'types':
      for (const value of attribute.value.toReversed()) writer.partField(15, value);
      return;
    case 'sparse-tensors':
      for (const value of attribute.value.toReversed())
        writer.message(23, () => writeSparseTensor(writer, value, placeOf));
  }
}

export function writeFunction(writer: ReverseWriter, definition: FunctionDef, placeOf: PlaceOf): void {
  writer.entries(14, definition.metadataProps);
  writer.optionalText(13, definition.overload);
  for (const info of [...definition.valueInfo.values()].reverse())
    writer.message(12, () => writeValueInfo(writer, info));
  writeAttributes(writer, 11, definition.attributeDefaults, placeOf);
  writer.optionalText(10, definition.domain);
  writeOpsetImports(writer, 9, definition);
  writer.optionalText(8, definition.docString);
  writeNodes(writer, 7, definition.nodes, placeOf);
  writeTexts(writer, 6, definition.attributeNames);
  writeTexts(writer, 5, definition.outputs);
  writeTexts(writer, 4, definition.inputs);
  writer.optionalText(1, definition.name);
  if (definition.unknown) writer.bytes(definition.unknown);
}

export function writeOpsetImports(
  writer: ReverseWriter,
  field: number,
  owner: Pick<FunctionDef, 'opsetImports' | 'opsetImportExtras'>,
): void {
  for (const [domain, version] of [...owner.opsetImports].reverse())
    writer.message(field, () => {
      if (version !== 0) writer.varintField(2, version);
      writer.optionalText(1, domain);
      const extras = owner.opsetImportExtras?.get(domain);
      if (extras) writer.bytes(extras);
    });
}
