/** Making nodes, graphs and models by hand: in passes, tests and generated fixtures. */
import type { DType } from './dtype.ts';
import type { Attribute, AttributeExtras, Dim, FunctionDef, Graph, Model, Node, Tensor, ValueInfo } from './types.ts';

export interface NodeParts {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?:
    | Readonly<Record<string, Attribute & AttributeExtras>>
    | ReadonlyMap<string, Attribute & AttributeExtras>;
}

export function makeNode(parts: NodeParts): Node {
  const { attributes = {} } = parts;
  return {
    name: parts.name ?? '',
    opType: parts.opType,
    domain: parts.domain ?? '',
    inputs: [...parts.inputs],
    outputs: [...parts.outputs],
    attributes: new Map(attributes instanceof Map ? attributes : Object.entries(attributes)),
  };
}

export interface GraphParts {
  readonly name?: string;
  readonly nodes: readonly Node[];
  readonly inputs?: readonly ValueInfo[];
  readonly outputs?: readonly ValueInfo[];
  readonly initializers?: readonly Tensor[];
  readonly valueInfo?: readonly ValueInfo[];
}

export function makeGraph(parts: GraphParts): Graph {
  return {
    name: parts.name ?? 'graph',
    nodes: [...parts.nodes],
    inputs: [...(parts.inputs ?? [])],
    outputs: [...(parts.outputs ?? [])],
    initializers: new Map((parts.initializers ?? []).map((tensor) => [tensor.name, tensor])),
    sparseInitializers: [],
    valueInfo: new Map((parts.valueInfo ?? []).map((info) => [info.name, info])),
    quantizationAnnotations: [],
  };
}

export interface ModelParts {
  readonly graph: Graph;
  /** Of ai.onnx. */
  readonly opset?: number;
  readonly irVersion?: number;
  readonly extraOpsets?: Readonly<Record<string, number>>;
  readonly functions?: readonly FunctionDef[];
}

/** The IR version defaults to 8 (ONNX 1.10 to 1.12, opsets 15 to 17), or to the first that allows a newer opset. */
export function makeModel(parts: ModelParts): Model {
  const opset = parts.opset ?? 17;
  return {
    irVersion: parts.irVersion ?? irVersionFor(opset),
    producerName: 'whittle',
    producerVersion: '',
    domain: '',
    modelVersion: 0n,
    docString: '',
    opsetImports: new Map([['', opset], ...Object.entries(parts.extraOpsets ?? {})]),
    metadataProps: new Map(),
    graph: parts.graph,
    functions: [...(parts.functions ?? [])],
    trainingInfo: [],
  };
}

/** The table of onnx/docs/Versioning.md (ONNX 1.21). */
function irVersionFor(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  if (opset <= 22) return 10;
  if (opset === 23) return 11;
  return opset === 24 ? 12 : 13;
}

/** @param shape leave out when the rank is unknown */
export function valueInfo(name: string, dtype: DType, shape?: readonly Dim[]): ValueInfo {
  return { name, type: { kind: 'tensor', dtype, ...(shape ? { shape: [...shape] } : {}) } };
}
