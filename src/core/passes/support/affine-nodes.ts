/** Nodes that scale and shift each channel by constants: BatchNormalization at inference, and arithmetic. */
import { floatAttr, intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { constantInput, splitConstant } from './constants.ts';
import type { Affine } from './linear-layer.ts';
import { isOp } from './scopes.ts';
import { channelValues } from './weights.ts';

/** BatchNormalization with running statistics. Up to opset 13 further outputs mean training, read or not. */
export function isInferenceBatchNorm(editor: GraphEditor, node: Node | undefined, opset: number): node is Node {
  if (!isOp(node, 'BatchNormalization') || node.inputs.length !== 5) return false;
  const others = node.outputs.slice(1).filter((name) => name !== '');
  if (opset < 14 && others.length > 0) return false;
  if (others.some((name) => editor.isGraphOutput(name) || editor.consumersOf(name).length > 0)) return false;
  if (opset >= 14) return intAttr(node, 'training_mode', 0) === 0;
  if (opset < 7 && intAttr(node, 'is_test', 0) !== 1) return false;
  return intAttr(node, 'spatial', 1) === 1;
}

/** scale / sqrt(variance + epsilon) and B - mean * that (ONNX BatchNormalization-15). */
export async function batchNormAffine(editor: GraphEditor, node: Node, channels: number): Promise<Affine | undefined> {
  const tensors = [1, 2, 3, 4].map((index) => constantInput(editor, node, index));
  if (tensors.some((tensor) => tensor?.dims.length !== 1 || tensor.dims[0] !== channels)) return undefined;
  const values = await Promise.all(tensors.map((tensor) => channelValues(tensor!, channels)));
  const [gamma, beta, mean, variance] = values;
  if (!gamma || !beta || !mean || !variance) return undefined;
  // Attributes are single precision in the file, whatever the weights are.
  const epsilon = Math.fround(floatAttr(node, 'epsilon', 1e-5));
  const scale = Float64Array.from({ length: channels }, (_, at) => gamma[at]! / Math.sqrt(variance[at]! + epsilon));
  const shift = Float64Array.from({ length: channels }, (_, at) => beta[at]! - mean[at]! * scale[at]!);
  return { scale, shift };
}

/** Add, Sub, Mul or Div of a value by a constant, in either order where that is affine. */
export interface Arithmetic {
  readonly value: string;
  readonly constant: Tensor;
  toAffine(constant: Float64Array): Affine | undefined;
}

export function arithmeticWithConstant(
  editor: GraphEditor,
  node: Node | undefined,
  opset: number,
): Arithmetic | undefined {
  if (!isOp(node, 'Add', 'Sub', 'Mul', 'Div') || opset < 7) return undefined;
  const split = splitConstant(editor, node);
  if (!split || (node.opType === 'Div' && split.constantFirst)) return undefined;
  const { value, constant, constantFirst } = split;
  const { opType } = node;
  return { value, constant, toAffine: (numbers) => affineOf(opType, constantFirst, numbers) };
}

function affineOf(opType: string, constantFirst: boolean, numbers: Float64Array): Affine | undefined {
  const constantly = (value: number) => new Float64Array(numbers.length).fill(value);
  switch (opType) {
    case 'Mul':
      return { scale: numbers, shift: constantly(0) };
    case 'Div':
      return numbers.includes(0) ? undefined : { scale: numbers.map((value) => 1 / value), shift: constantly(0) };
    case 'Add':
      return { scale: constantly(1), shift: numbers };
    default:
      return constantFirst
        ? { scale: constantly(-1), shift: numbers }
        : { scale: constantly(1), shift: numbers.map((value) => -value) };
  }
}

/**
 * Values per channel of a constant that broadcasts against [batch, channels, ...spatial] without changing its shape.
 * @param rank of the other operand
 */
export async function perChannel(constant: Tensor, channels: number, rank: number): Promise<Float64Array | undefined> {
  const { dims } = constant;
  if (dims.length > rank) return undefined;
  const padded = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  const fits = padded.every((dim, axis) => dim === 1 || (axis === 1 && dim === channels));
  const values = fits ? await channelValues(constant, channels) : undefined;
  return values && Float64Array.from(values);
}
