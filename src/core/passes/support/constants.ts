/** Looking at constants while matching patterns. */
import type { GraphEditor } from '../../ir/editor.ts';
import { elementCount, smallValues } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';

/** The constant at an input position; undefined when it is absent or not constant. */
export function constantInput(editor: GraphEditor, node: Node, index: number): Tensor | undefined {
  const name = node.inputs[index];
  return name ? editor.constantOf(name) : undefined;
}

/** The one value of a single-element constant, whatever its rank. */
export function scalarOf(tensor: Tensor | undefined): number | undefined {
  if (tensor === undefined || elementCount(tensor.dims) !== 1) return undefined;
  return smallValues(tensor)?.[0];
}

/** The value that every element of a small constant has. */
export function uniformValue(tensor: Tensor | undefined): number | undefined {
  const values = tensor && smallValues(tensor);
  const [first] = values ?? [];
  return first !== undefined && values!.every((value) => value === first) ? first : undefined;
}

/** Whole numbers of a constant of axes, pads or a shape. */
export function intsOf(tensor: Tensor | undefined): number[] | undefined {
  if (tensor === undefined || (tensor.dtype !== 'int64' && tensor.dtype !== 'int32')) return undefined;
  return smallValues(tensor);
}

/** Equal up to the rounding of a constant to its dtype: 1 part in 10^3 for 16-bit floats, in 10^6 otherwise. */
export function isAbout(tensor: Tensor | undefined, expected: number): boolean {
  const value = scalarOf(tensor);
  if (tensor === undefined || value === undefined) return false;
  const tolerance = tensor.dtype === 'float16' ? 1e-3 : tensor.dtype === 'bfloat16' ? 8e-3 : 1e-6;
  return Math.abs(value - expected) <= tolerance * Math.max(1e-30, Math.abs(expected));
}

/**
 * A node with two operands of which one is constant, in either order.
 * @returns the other operand, the constant, and whether the constant stands first
 */
export function splitConstant(
  editor: GraphEditor,
  node: Node,
): { readonly value: string; readonly constant: Tensor; readonly constantFirst: boolean } | undefined {
  if (node.inputs.length !== 2) return undefined;
  const [a, b] = node.inputs as [string, string];
  const right = editor.constantOf(b);
  if (right) return editor.constantOf(a) ? undefined : { value: a, constant: right, constantFirst: false };
  const left = editor.constantOf(a);
  return left && { value: b, constant: left, constantFirst: true };
}
