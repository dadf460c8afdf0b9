/** The parts of a model that decide where it runs, gathered in one walk. */
import { intAttr } from '../ir/attributes.ts';
import { smallValues } from '../ir/tensor.ts';
import type { Model, Node, Tensor } from '../ir/types.ts';
import { forEachNode, isDefaultDomain } from '../ir/walk.ts';
import { freeDims } from '../shape/free-dims.ts';
import type { ShapeTable } from '../shape/types.ts';

export interface RuntimeParts {
  /** Operator types of the default domain. */
  readonly standard: ReadonlySet<string>;
  /** Operator types of com.microsoft, sorted. */
  readonly contrib: readonly string[];
  /** Dtypes that QuantizeLinear makes: uint8, int8, uint16, ... */
  readonly quantizedActivations: readonly string[];
  /** Dtypes of constants that DequantizeLinear reads, and uint4 or uint2 for MatMulNBits. */
  readonly weightOnly: readonly string[];
  readonly float8: readonly string[];
  /** A constant zero point that is not 0. */
  readonly zeroPoints: boolean;
  /** Activations quantized by what they are at run time. */
  readonly dynamic: boolean;
  /** QLinear operators. */
  readonly qoperator: boolean;
  readonly bfloat16: boolean;
  /** Some MatMul, Gemm or Conv computes in floating point. */
  readonly isFloat: boolean;
  /** Symbols of dimensions that the inputs leave free. */
  readonly freeDims: readonly string[];
}

const dynamicOps = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);
const products = new Set(['MatMul', 'Gemm', 'Conv', 'ConvTranspose']);

/** @param shapes for the dtypes of values */
export function runtimeParts(model: Model, shapes: ShapeTable): RuntimeParts {
  const standard = new Set<string>();
  const contrib = new Set<string>();
  const activations = new Set<string>();
  const weightOnly = new Set<string>();
  const float8 = new Set<string>();
  let [zeroPoints, dynamic, qoperator, bfloat16, isFloat] = [false, false, false, false, false];
  const constants = model.graph.initializers;
  forEachNode(model, (node) => {
    if (isDefaultDomain(node.domain)) standard.add(node.opType);
    else if (node.domain === 'com.microsoft') contrib.add(node.opType);
    if (dynamicOps.has(node.opType)) dynamic = true;
    if (node.opType.startsWith('QLinear') || node.opType === 'QGemm') qoperator = true;
    const first = shapes.get(node.inputs[0] ?? '')?.dtype;
    if (first === 'bfloat16') bfloat16 = true;
    if (products.has(node.opType)) isFloat = true;
    if (node.opType === 'QuantizeLinear') {
      const dtype = shapes.get(node.outputs[0] ?? '')?.dtype ?? 'uint8';
      (dtype.startsWith('float8') ? float8 : activations).add(dtype);
      zeroPoints ||= hasZeroPoint(node, constants);
    }
    if (node.opType === 'DequantizeLinear') {
      const weight = constants.get(node.inputs[0] ?? '');
      if (weight && weight.dtype !== 'int32') {
        weightOnly.add(weight.dtype);
        zeroPoints ||= hasZeroPoint(node, constants);
      }
      if (first?.startsWith('float8')) float8.add(first);
    }
    if (node.opType === 'MatMulNBits') weightOnly.add(`uint${intAttr(node, 'bits', 4)}`);
  });
  return {
    ...{ standard, zeroPoints, dynamic, qoperator, bfloat16, isFloat },
    contrib: [...contrib].sort(),
    quantizedActivations: [...activations].sort(),
    weightOnly: [...weightOnly].sort(),
    float8: [...float8].sort(),
    freeDims: freeDims(model).map(({ symbol }) => symbol),
  };
}

/** True where the zero point is a constant that holds anything but 0, or a constant too large to look into here. */
function hasZeroPoint(node: Node, constants: ReadonlyMap<string, Tensor>): boolean {
  const zero = constants.get(node.inputs[2] ?? '');
  if (!zero) return false;
  const values = smallValues(zero);
  return values === undefined || values.some((value) => Number(value) !== 0);
}
