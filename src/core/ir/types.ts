/**
 * Whittle's in-memory form of an ONNX model. It follows onnx.proto closely (values are strings, a graph is a list of
 * nodes) so that reading and writing lose nothing, and it never holds weights: see `TensorData`.
 *
 * Ownership: `Tensor` and everything inside it is immutable and may be shared by any number of models. `Model`,
 * `Graph`, `Node` and their containers are mutable drafts; a step edits the draft it was given and nobody else's
 * (`cloneModel` in ir/clone.ts makes one, cheaply, because tensors are shared).
 *
 * `unknown` holds protobuf fields that have no other place here, as they stood in the file, tag included: those this
 * version does not know, and known ones set to their default (proto2 tells an empty name from no name). The writer
 * puts them before all other fields of the message, so that a value given later wins.
 */
import type { ByteRange } from '../base/bytes.ts';
import type { DType } from './dtype.ts';

/** Where a tensor's elements are. Elements are little-endian, C order, packed as in TensorProto.raw_data. */
export type TensorData =
  /** In memory. Small tensors are always in this form after reading, so that passes may look at them synchronously. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Somewhere in a file, already in raw_data layout. */
  | { readonly kind: 'range'; readonly range: ByteRange }
  /** In one of TensorProto's typed fields (float_data, int32_data, ...), as in the file; decoded when asked for. */
  | { readonly kind: 'typed-field'; readonly field: TypedDataField; readonly payloads: readonly ByteRange[] }
  /** Only for dtype `string`: UTF-8 bytes of each element. */
  | { readonly kind: 'strings'; readonly values: readonly Uint8Array[] };

export type TypedDataField = 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data';

export interface ExternalLocation {
  readonly location: string;
  readonly offset: number;
  readonly length?: number;
  readonly checksum?: string;
  /** Keys of external_data that are none of the above. */
  readonly other?: ReadonlyMap<string, string>;
}

export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  /** [] for a scalar. */
  readonly dims: readonly number[];
  readonly data: TensorData;
  readonly docString?: string;
  /** Set while the data lies in a separate file; `data` is then a range of that file. */
  readonly external?: ExternalLocation;
  readonly metadataProps?: ReadonlyMap<string, string>;
  readonly unknown?: Uint8Array;
}

export interface SparseTensor {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly dims: readonly number[];
  readonly unknown?: Uint8Array;
}

/** A dimension: a number, a name (symbolic), or null (unknown). */
export type Dim = number | string | null;

export type ValueType =
  /** `shape` undefined: rank unknown. */
  | { readonly kind: 'tensor'; readonly dtype: DType; readonly shape?: readonly Dim[]; readonly denotation?: string }
  | {
      readonly kind: 'sparse-tensor';
      readonly dtype: DType;
      readonly shape?: readonly Dim[];
      readonly denotation?: string;
    }
  /** sequence, map, optional, opaque: kept as the bytes of the TypeProto. */
  | { readonly kind: 'other'; readonly name: string; readonly proto: Uint8Array };

export interface ValueInfo {
  name: string;
  type?: ValueType;
  docString?: string;
  metadataProps?: Map<string, string>;
  unknown?: Uint8Array;
}

export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'string'; readonly value: Uint8Array }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'sparse-tensor'; readonly value: SparseTensor }
  | { readonly type: 'type'; readonly value: Uint8Array }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly bigint[] }
  | { readonly type: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly type: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  | { readonly type: 'sparse-tensors'; readonly value: readonly SparseTensor[] }
  | { readonly type: 'types'; readonly value: readonly Uint8Array[] }
  /** Inside a function: the value is the caller's attribute of this name. */
  | { readonly type: 'reference'; readonly refAttrName: string; readonly attrType: number };

export interface AttributeExtras {
  readonly docString?: string;
  readonly unknown?: Uint8Array;
}

export interface Node {
  name: string;
  opType: string;
  /** '' is ai.onnx. */
  domain: string;
  overload?: string;
  /** '' stands for an optional input that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute & AttributeExtras>;
  docString?: string;
  metadataProps?: Map<string, string>;
  unknown?: Uint8Array;
}

export interface Graph {
  name: string;
  nodes: Node[];
  inputs: ValueInfo[];
  outputs: ValueInfo[];
  /** In file order. A name that is also in `inputs` is a default value, which the caller may override: not constant. */
  initializers: Map<string, Tensor>;
  sparseInitializers: SparseTensor[];
  valueInfo: Map<string, ValueInfo>;
  docString?: string;
  /** TensorAnnotation messages, as in the file. */
  quantizationAnnotations: Uint8Array[];
  metadataProps?: Map<string, string>;
  unknown?: Uint8Array;
}

export interface FunctionDef {
  name: string;
  domain: string;
  overload?: string;
  inputs: string[];
  outputs: string[];
  attributeNames: string[];
  /** Attributes with default values. */
  attributeDefaults: Map<string, Attribute & AttributeExtras>;
  nodes: Node[];
  opsetImports: Map<string, number>;
  /** See `Model.opsetImportExtras`. */
  opsetImportExtras?: ReadonlyMap<string, Uint8Array>;
  valueInfo: Map<string, ValueInfo>;
  docString?: string;
  metadataProps?: Map<string, string>;
  unknown?: Uint8Array;
}

export interface Model {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: bigint;
  docString: string;
  /** Domain ('' for ai.onnx) to version. */
  opsetImports: Map<string, number>;
  /** What else stood in the OperatorSetIdProto of a domain (such as a domain spelled 'ai.onnx'), as in the file. */
  opsetImportExtras?: ReadonlyMap<string, Uint8Array>;
  metadataProps: Map<string, string>;
  graph: Graph;
  functions: FunctionDef[];
  /** TrainingInfoProto messages, as in the file. */
  trainingInfo: Uint8Array[];
  unknown?: Uint8Array;
}
