/** What normalizations written out in elementary operators have in common. */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { DType } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { elementCount, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { constantInput, intsOf, scalarOf } from './constants.ts';
import { withDims } from './evaluate/layout.ts';
import { madeBy, otherOperand } from './pattern.ts';
import { isOp } from './scopes.ts';

/** Axes of a reduction that keeps the rank, from the end; undefined unless they are the last ones, without a gap. */
export function trailingAxes(editor: GraphEditor, node: Node, rank: number | undefined): number | undefined {
  if (intAttr(node, 'keepdims', 1) !== 1) return undefined;
  const axes = intsAttr(node, 'axes') ?? intsOf(constantInput(editor, node, 1));
  if (!axes || axes.length === 0) return undefined;
  if (axes.some((axis) => axis >= 0) && rank === undefined) return undefined;
  const fromEnd = axes.map((axis) => (axis < 0 ? axis : axis - rank!)).sort((a, b) => a - b);
  return fromEnd.every((axis, at) => axis === at - fromEnd.length) ? -fromEnd.length : undefined;
}

/** `sqrt(value)` turned into a quotient: the node that makes d / sqrt(..), and what lies between. */
export interface Quotient {
  readonly result: Node;
  readonly between: readonly Node[];
  /** mean(d^2) + epsilon. */
  readonly sum: string;
}

export function quotientOf(editor: GraphEditor, node: Node, difference: string): Quotient | undefined {
  if (isOp(node, 'Div') && node.inputs[0] === difference) {
    const root = madeBy(editor, node.inputs[1], 'Sqrt');
    return root && { result: node, between: [root], sum: root.inputs[0]! };
  }
  if (!isOp(node, 'Mul')) return undefined;
  const factor = otherOperand(node, difference);
  const power = madeBy(editor, factor, 'Pow');
  if (power) {
    const exponent = scalarOf(constantInput(editor, power, 1));
    return exponent === -0.5 ? { result: node, between: [power], sum: power.inputs[0]! } : undefined;
  }
  const inverse = madeBy(editor, factor, 'Reciprocal', 'Div');
  if (!inverse) return undefined;
  if (inverse.opType === 'Div' && scalarOf(constantInput(editor, inverse, 0)) !== 1) return undefined;
  const root = madeBy(editor, inverse.inputs.at(-1), 'Sqrt');
  return root && { result: node, between: [root, inverse], sum: root.inputs[0]! };
}

export function isSquareOf(editor: GraphEditor, node: Node | undefined, value: string): boolean {
  if (isOp(node, 'Mul')) return node.inputs[0] === value && node.inputs[1] === value;
  return isOp(node, 'Pow') && node.inputs[0] === value && scalarOf(constantInput(editor, node, 1)) === 2;
}

/** A constant whose dims are the normalized ones, with leading ones at most. */
export interface VectorOperand {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A factor or summand whose shape is exactly that of the normalized axes (leading ones do not count). */
export function vectorOperand(
  editor: GraphEditor,
  node: Node | undefined,
  value: string,
  sizes: readonly number[],
): VectorOperand | undefined {
  const name = node && otherOperand(node, value);
  const tensor = name ? editor.constantOf(name) : undefined;
  if (!name || !tensor) return undefined;
  const extra = tensor.dims.length - sizes.length;
  const fits = extra >= 0 && tensor.dims.every((dim, axis) => (axis < extra ? dim === 1 : dim === sizes[axis - extra]));
  return fits ? { name, tensor } : undefined;
}

/** The name of a vector with exactly the normalized dims, as the operators want it; exporters also write [1, 1, D]. */
export function shapedVector(editor: GraphEditor, { name, tensor }: VectorOperand, sizes: readonly number[]): string {
  if (tensor.dims.length === sizes.length) return name;
  return editor.addInitializer({ ...withDims(tensor, sizes)!, name });
}

/** A new weight of ones, for an operator whose scale is not optional. */
export function onesVector(editor: GraphEditor, hint: string, dtype: DType, sizes: readonly number[]): string {
  return editor.addInitializer(
    tensorFromNumbers(`${hint}.scale`, dtype, sizes, new Float32Array(elementCount(sizes)).fill(1)),
  );
}
