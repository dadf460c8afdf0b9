/** Which operators onnxruntime 1.30 turns into integer kernels on the CPU, and what it wants of each. */
import { floatAttr, intAttr, stringAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { elementCount, smallValues } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';

/**
 * core: the work that integers speed up; quantized wherever it stands. joining: has an integer kernel that only pays
 * between quantized neighbours. moving: picks or moves elements, so that codes pass through with their scale unchanged.
 */
export type QdqRole = 'core' | 'joining' | 'moving';

/**
 * What onnxruntime's optimizer does with the operator between DequantizeLinear and QuantizeLinear (found by reading
 * back its optimized models; test/unit/core/quant/support/qdq-fusion.test.ts): integer: a kernel on 8-bit codes;
 * any-width: the operator itself on the codes, 16 bits too; none: it computes in floating point between the pairs.
 */
export type QdqKernel = 'integer' | 'any-width' | 'none';

interface QdqOp {
  readonly role: QdqRole;
  readonly kernel: QdqKernel;
}

const op = (role: QdqRole, kernel: QdqKernel): QdqOp => ({ role, kernel });

/**
 * Without a kernel or a way for codes to pass, in onnxruntime 1.30: Pad, Min, Max, Sub, Div, Pow, Sum, Mean, ReduceMean,
 * ReduceSum, Relu and Clip of their own, PRelu, Tanh, HardSigmoid, Gelu, SpaceToDepth, GatherND, TopK, GlobalMaxPool,
 * LayerNormalization, InstanceNormalization. They are left in floating point.
 */
export const qdqOps: Readonly<Record<string, QdqOp>> = {
  Conv: op('core', 'integer'),
  MatMul: op('core', 'integer'),
  Gemm: op('core', 'integer'),
  Add: op('joining', 'integer'),
  Mul: op('joining', 'integer'),
  Concat: op('joining', 'integer'),
  Where: op('joining', 'integer'),
  AveragePool: op('joining', 'integer'),
  GlobalAveragePool: op('joining', 'integer'),
  LeakyRelu: op('joining', 'integer'),
  Sigmoid: op('joining', 'integer'),
  Softmax: op('joining', 'integer'),
  MaxPool: op('moving', 'integer'),
  Resize: op('moving', 'integer'),
  ReduceMax: op('moving', 'integer'),
  DepthToSpace: op('moving', 'integer'),
  Reshape: op('moving', 'any-width'),
  Flatten: op('moving', 'any-width'),
  Squeeze: op('moving', 'any-width'),
  Unsqueeze: op('moving', 'any-width'),
  Transpose: op('moving', 'any-width'),
  Slice: op('moving', 'any-width'),
  Split: op('moving', 'any-width'),
  Gather: op('moving', 'any-width'),
  GatherElements: op('moving', 'any-width'),
  Expand: op('moving', 'any-width'),
  Tile: op('moving', 'any-width'),
  ConvTranspose: op('core', 'none'),
};

export const quantizableOps: readonly string[] = Object.keys(qdqOps);
/** ConvTranspose has its weights in 8 bits and computes in floating point: for export to runtimes that have a kernel. */
export const defaultQuantizableOps: readonly string[] = quantizableOps.filter(
  (name) => qdqOps[name]!.kernel !== 'none',
);

/** Inputs that carry data: the others are weights, shapes, axes, conditions and the like. */
export function dataInputs(node: Node): readonly number[] {
  switch (node.opType) {
    case 'Add':
    case 'Mul':
    case 'MatMul':
      return [0, 1];
    case 'Where':
      return [1, 2];
    case 'Concat':
      return node.inputs.map((_, index) => index);
    default:
      return [0];
  }
}

/** All parts of a Split carry codes; of other nodes the first output does. */
export function dataOutputs(node: Node): readonly string[] {
  return node.opType === 'Split' ? node.outputs.filter((output) => output !== '') : [node.outputs[0]!];
}

export interface FormQuestion {
  readonly node: Node;
  readonly editor: GraphEditor;
  readonly isFloat32: (value: string) => boolean;
  /** Products of two computed matrices (attention) too. */
  readonly computedProducts: boolean;
}

/** Why a node of a quantizable type has no integer kernel; undefined when it has one. */
export function whyNot(question: FormQuestion): string | undefined {
  const { node, editor, isFloat32 } = question;
  const data = dataInputs(node).map((index) => node.inputs[index] ?? '');
  if (!data.every(isFloat32)) return 'it does not compute in float32';
  if (data.every((value) => editor.constantOf(value) !== undefined)) return 'all its inputs are constants';
  switch (node.opType) {
    case 'Conv':
    case 'ConvTranspose':
      return weightProblem(editor, node.inputs[1]) ?? biasProblem(editor, node);
    case 'Gemm':
      if (intAttr(node, 'transA', 0) !== 0) return 'its input is transposed';
      if (floatAttr(node, 'alpha', 1) !== 1 || floatAttr(node, 'beta', 1) !== 1) return 'it scales its product';
      return weightProblem(editor, node.inputs[1]) ?? biasProblem(editor, node);
    case 'MatMul':
      if (editor.constantOf(data[0]!)) return 'its first operand is the constant one';
      if (!editor.constantOf(data[1]!)) return question.computedProducts ? undefined : 'both operands are computed';
      return weightProblem(editor, data[1]);
    case 'MaxPool':
      return (node.outputs[1] ?? '') === '' ? undefined : 'its indices are asked for';
    case 'Resize':
      return ['nearest', 'linear'].includes(stringAttr(node, 'mode', 'nearest'))
        ? undefined
        : 'its values leave the range of its input';
    default:
      return undefined;
  }
}

function weightProblem(editor: GraphEditor, value: string | undefined): string | undefined {
  const weight = editor.constantOf(value ?? '');
  if (!weight) return 'its weight is not a constant';
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`;
  return weight.dims.length >= 2 && elementCount(weight.dims) > 0 ? undefined : 'its weight is no matrix';
}

function biasProblem(editor: GraphEditor, node: Node): string | undefined {
  const value = node.inputs[2] ?? '';
  if (value === '') return undefined;
  const bias = editor.constantOf(value);
  const weight = editor.constantOf(node.inputs[1] ?? '');
  if (bias?.dtype !== 'float32' || !weight) return 'its bias is not a float32 constant';
  const channels =
    node.opType === 'ConvTranspose'
      ? weight.dims[1]! * intAttr(node, 'group', 1)
      : weight.dims[channelAxisOf(node, weight)!];
  return elementCount(bias.dims) === channels ? undefined : 'its bias is not one number a channel';
}

/** Axis of a core node's weight along which its output channels lie; undefined where only one scale is possible. */
export function channelAxisOf(node: Node, { dims }: Tensor): number | undefined {
  switch (node.opType) {
    case 'Conv':
      return 0;
    case 'ConvTranspose':
      // With groups each index of this axis stands for a channel of every group.
      return intAttr(node, 'group', 1) === 1 ? 1 : undefined;
    case 'Gemm':
      return intAttr(node, 'transB', 0) === 0 ? 1 : 0;
    default:
      return dims.length === 2 ? 1 : undefined;
  }
}

/**
 * Whether an activation only clips, to a range with zero in it: the codes of its output then clip just so, and the node
 * can go.
 */
export function isClipping(node: Node, editor: GraphEditor): boolean {
  if (!isDefaultDomain(node.domain)) return false;
  if (node.opType === 'Relu') return true;
  if (node.opType !== 'Clip') return false;
  const bound = (index: number, attribute: string, open: number): number | undefined => {
    const value = node.inputs[index] ?? '';
    if (value === '') return floatAttr(node, attribute, open);
    const tensor = editor.constantOf(value);
    return tensor && smallValues(tensor)?.[0];
  };
  const low = bound(1, 'min', Number.NEGATIVE_INFINITY);
  const high = bound(2, 'max', Number.POSITIVE_INFINITY);
  return low !== undefined && high !== undefined && low <= 0 && high >= 0;
}
