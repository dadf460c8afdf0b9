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

export const qdqRoles: Readonly<Record<string, QdqRole>> = {
  Conv: 'core',
  MatMul: 'core',
  Gemm: 'core',
  Add: 'joining',
  Mul: 'joining',
  Concat: 'joining',
  AveragePool: 'joining',
  GlobalAveragePool: 'joining',
  LeakyRelu: 'joining',
  Sigmoid: 'joining',
  MaxPool: 'moving',
  Resize: 'moving',
  Reshape: 'moving',
  Flatten: 'moving',
  Squeeze: 'moving',
  Unsqueeze: 'moving',
  Transpose: 'moving',
};

export const quantizableOps: readonly string[] = Object.keys(qdqRoles);

/** Inputs that carry data: the others are weights, shapes, axes and the like. */
export function dataInputs(node: Node): readonly number[] {
  switch (node.opType) {
    case 'Add':
    case 'Mul':
    case 'MatMul':
      return [0, 1];
    case 'Concat':
      return node.inputs.map((_, index) => index);
    default:
      return [0];
  }
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
  return elementCount(bias.dims) === weight.dims[channelAxisOf(node, weight)!]
    ? undefined
    : 'its bias is not one number a channel';
}

/** Axis of a core node's weight along which its output channels lie; undefined where only one scale is possible. */
export function channelAxisOf(node: Node, { dims }: Tensor): number | undefined {
  switch (node.opType) {
    case 'Conv':
      return 0;
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
