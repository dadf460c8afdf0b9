import { intAttr } from '../ir/attributes.ts';
import { constantNodeTensor } from '../ir/constant.ts';
import type { DType } from '../ir/dtype.ts';
import type { Model, Node, Tensor } from '../ir/types.ts';
import { forEachGraph, forEachNode } from '../ir/walk.ts';
import { tensorBytes, tensorElements } from './value-size.ts';

export interface WeightGroup {
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

export interface WeightSummary {
  /** All constant tensors: initializers, sparse ones, Constant nodes; in subgraphs and functions too. */
  readonly tensors: number;
  readonly bytes: number;
  /** Bytes among them that lie in files beside the model. */
  readonly externalBytes: number;
  /**
   * Weights of the network as people count them: packed weights (MatMulNBits, GatherBlockQuantized) by the elements
   * they stand for; scales and zero points, shapes and indices (int64), flags and strings not at all. So quantizing a
   * model does not change it.
   */
  readonly parameters: number;
  readonly byDType: Readonly<Partial<Record<DType, WeightGroup>>>;
  /** Largest first. */
  readonly largest: readonly { name: string; dtype: DType; dims: readonly number[]; bytes: number }[];
}

const largestCount = 10;
const notParameters: ReadonlySet<DType> = new Set(['int64', 'uint64', 'bool', 'string', 'undefined']);

/** Inputs of quantized operators that are scales or zero points. */
const scaleInputs: Readonly<Record<string, readonly number[]>> = {
  QuantizeLinear: [1, 2],
  DequantizeLinear: [1, 2],
  QLinearConv: [1, 2, 4, 5, 6, 7],
  QLinearMatMul: [1, 2, 4, 5, 6, 7],
  MatMulInteger: [2, 3],
  ConvInteger: [2, 3],
  MatMulNBits: [2, 3, 4],
  MatMulBnb4: [2],
  GatherBlockQuantized: [2, 3],
  DynamicQuantizeMatMul: [2, 3],
  MatMulIntegerToFloat: [2, 3, 4, 5],
  QGemm: [1, 2, 4, 5, 7, 8],
  QAttention: [3, 4, 6, 7],
  DynamicQuantizeLSTM: [8, 9, 10, 11],
};

interface Roles {
  readonly scales: ReadonlySet<string>;
  /** Value name to the elements that a packed weight stands for. */
  readonly packed: ReadonlyMap<string, number>;
}

export function weightSummary(model: Model): WeightSummary {
  const roles = rolesOf(model);
  const byDType: Partial<Record<DType, WeightGroup>> = {};
  const all: { name: string; dtype: DType; dims: readonly number[]; bytes: number }[] = [];
  let parameters = 0;
  let externalBytes = 0;
  forEachConstant(model, (name, tensor) => {
    const elements = tensorElements(tensor);
    const bytes = tensorBytes(tensor);
    const group = byDType[tensor.dtype] ?? { tensors: 0, elements: 0, bytes: 0 };
    byDType[tensor.dtype] = {
      tensors: group.tensors + 1,
      elements: group.elements + elements,
      bytes: group.bytes + bytes,
    };
    if (tensor.external) externalBytes += bytes;
    if (!notParameters.has(tensor.dtype) && !roles.scales.has(name)) parameters += roles.packed.get(name) ?? elements;
    all.push({ name, dtype: tensor.dtype, dims: tensor.dims, bytes });
  });
  all.sort((a, b) => b.bytes - a.bytes);
  return {
    tensors: all.length,
    bytes: all.reduce((total, { bytes }) => total + bytes, 0),
    externalBytes,
    parameters,
    byDType,
    largest: all.slice(0, largestCount),
  };
}

/** Sparse tensors count their values and indices, as they are stored. */
function forEachConstant(model: Model, visit: (name: string, tensor: Tensor) => void): void {
  forEachGraph(model, (graph) => {
    for (const [name, tensor] of graph.initializers) visit(name, tensor);
    for (const { values, indices } of graph.sparseInitializers) {
      visit(values.name, values);
      visit(`${values.name}:indices`, indices);
    }
  });
  forEachNode(model, (node) => {
    const tensor = constantNodeTensor(node);
    if (tensor) visit(node.outputs[0] ?? '', tensor);
  });
}

function rolesOf(model: Model): Roles {
  const scales = new Set<string>();
  const packed = new Map<string, number>();
  forEachNode(model, (node) => {
    for (const index of scaleInputs[node.opType] ?? []) {
      const name = node.inputs[index];
      if (name) scales.add(name);
    }
    if (node.opType === 'MatMulNBits' || node.opType === 'MatMulBnb4') notePacked(node, packed);
  });
  forEachGraph(model, (graph) => {
    for (const node of graph.nodes) {
      const data = node.opType === 'GatherBlockQuantized' ? graph.initializers.get(node.inputs[0] ?? '') : undefined;
      if (data?.dtype === 'uint8')
        packed.set(node.inputs[0]!, tensorElements(data) * Math.floor(8 / intAttr(node, 'bits', 4)));
    }
  });
  return { scales, packed };
}

function notePacked(node: Node, packed: Map<string, number>): void {
  const elements = intAttr(node, 'K', 0) * intAttr(node, 'N', 0);
  if (elements > 0 && node.inputs[1]) packed.set(node.inputs[1], elements);
}
