/** Reading weights as numbers, changing them, and putting the result where the node finds it. */
import { type DType, dtypeInfo } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import {
  bytesOf,
  elementCount,
  readTensorBytes,
  readTensorFloats,
  tensorByteLength,
  tensorFromNumbers,
  toTypedArray,
} from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { keepTensor } from './keep.ts';

export type Numbers = Float32Array | Float64Array;

/** Weights of these types may be rescaled; the arithmetic is done in double and rounded once. */
export function isFloatWeight(tensor: Tensor | undefined): tensor is Tensor {
  return tensor !== undefined && ['float32', 'float64', 'float16', 'bfloat16'].includes(tensor.dtype);
}

/** @returns every value exactly; may share memory with the tensor */
export async function readNumbers(tensor: Tensor): Promise<Numbers> {
  if (tensor.dtype !== 'float64') return readTensorFloats(tensor);
  return toTypedArray('float64', await readTensorBytes(tensor)) as Float64Array;
}

/** An array to compute a weight of this dtype in. */
export function numbersLike(dtype: DType, length: number): Numbers {
  return dtypeInfo[dtype].bits > 32 ? new Float64Array(length) : new Float32Array(length);
}

/**
 * @returns the tensor, or undefined when a value is not finite in the dtype: such weights are better left as they are
 */
export async function keepNumbers(
  ctx: Pick<StepContext, 'store'>,
  name: string,
  dtype: DType,
  dims: readonly number[],
  numbers: Numbers,
): Promise<Tensor | undefined> {
  const limit = dtype === 'float16' ? 65504 : Number.MAX_VALUE;
  for (let at = 0; at < numbers.length; at++) if (!(Math.abs(numbers[at]!) <= limit)) return undefined;
  const isNative = numbers instanceof Float32Array ? dtype === 'float32' : dtype === 'float64';
  const bytes = isNative ? bytesOf(numbers) : await readTensorBytes(tensorFromNumbers(name, dtype, dims, numbers));
  return keepTensor(ctx, name, dtype, dims, bytes);
}

/** A changed copy of a shared weight may cost this much; above, the node is left alone. */
const SHARED_COPY_BYTES = 64 * 1024;

/** Would changing this input's weight leave a large second copy of it in the model? */
export function isCostlyToCopy(editor: GraphEditor, node: Node, index: number): boolean {
  const name = node.inputs[index]!;
  const tensor = editor.constantOf(name);
  if (tensor === undefined || tensorByteLength(tensor) <= SHARED_COPY_BYTES) return false;
  return !isOwnWeight(editor, node, index);
}

/** Nobody else reads it, and it is an initializer of this very graph: it may be replaced under its name. */
function isOwnWeight(editor: GraphEditor, node: Node, index: number): boolean {
  const name = node.inputs[index]!;
  return (
    editor.graph.initializers.has(name) &&
    !editor.isGraphInput(name) &&
    !editor.isGraphOutput(name) &&
    editor.countUses(name) === 1 &&
    editor.consumersOf(name)[0] === node
  );
}

/** Gives the node another weight; keeps the name where nobody else reads the old one. */
export function setWeight(editor: GraphEditor, node: Node, index: number, tensor: Tensor): void {
  const name = node.inputs[index] ?? '';
  if (name !== '' && isOwnWeight(editor, node, index)) {
    editor.replaceInitializer(name, tensor);
    editor.graph.valueInfo.delete(name);
    return;
  }
  const inputs = [...node.inputs];
  while (inputs.length <= index) inputs.push('');
  inputs[index] = editor.addInitializer(tensor);
  editor.setInputs(node, inputs);
}

/** Values of a constant of one element, or of one element a channel. */
export async function channelValues(tensor: Tensor, channels: number): Promise<Numbers | undefined> {
  const count = elementCount(tensor.dims);
  if (!isFloatWeight(tensor) || (count !== 1 && count !== channels)) return undefined;
  const numbers = await readNumbers(tensor);
  return count === channels ? numbers : new Float64Array(channels).fill(numbers[0]!);
}
