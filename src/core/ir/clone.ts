/** Drafts to edit: containers are copied, tensors and other immutable values are shared. */
import type { Attribute, AttributeExtras, FunctionDef, Graph, Model, Node, ValueInfo } from './types.ts';

export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsetImports: new Map(model.opsetImports),
    metadataProps: new Map(model.metadataProps),
    graph: cloneGraph(model.graph),
    functions: model.functions.map(cloneFunction),
    trainingInfo: [...model.trainingInfo],
  };
}

export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(cloneNode),
    inputs: graph.inputs.map(cloneValueInfo),
    outputs: graph.outputs.map(cloneValueInfo),
    initializers: new Map(graph.initializers),
    sparseInitializers: [...graph.sparseInitializers],
    valueInfo: cloneValueInfos(graph.valueInfo),
    quantizationAnnotations: [...graph.quantizationAnnotations],
    ...copyProps(graph),
  };
}

export function cloneNode(node: Node): Node {
  return {
    ...node,
    inputs: [...node.inputs],
    outputs: [...node.outputs],
    attributes: cloneAttributes(node.attributes),
    ...copyProps(node),
  };
}

export function cloneFunction(definition: FunctionDef): FunctionDef {
  return {
    ...definition,
    inputs: [...definition.inputs],
    outputs: [...definition.outputs],
    attributeNames: [...definition.attributeNames],
    attributeDefaults: cloneAttributes(definition.attributeDefaults),
    nodes: definition.nodes.map(cloneNode),
    opsetImports: new Map(definition.opsetImports),
    valueInfo: cloneValueInfos(definition.valueInfo),
    ...copyProps(definition),
  };
}

export function cloneValueInfo(info: ValueInfo): ValueInfo {
  return { ...info, ...copyProps(info) };
}

function cloneValueInfos(infos: ReadonlyMap<string, ValueInfo>): Map<string, ValueInfo> {
  const copy = new Map<string, ValueInfo>();
  for (const [name, info] of infos) copy.set(name, cloneValueInfo(info));
  return copy;
}

type Attributes = Map<string, Attribute & AttributeExtras>;

/** Only graphs inside attributes are drafts; all other attribute values are immutable. */
function cloneAttributes(attributes: Attributes): Attributes {
  const copy: Attributes = new Map(attributes);
  for (const [name, attribute] of attributes) {
    if (attribute.type === 'graph') copy.set(name, { ...attribute, value: cloneGraph(attribute.value) });
    else if (attribute.type === 'graphs') copy.set(name, { ...attribute, value: attribute.value.map(cloneGraph) });
  }
  return copy;
}

function copyProps(owner: { metadataProps?: Map<string, string> }): { metadataProps?: Map<string, string> } {
  return owner.metadataProps ? { metadataProps: new Map(owner.metadataProps) } : {};
}
