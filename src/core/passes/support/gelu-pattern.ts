/**
 * GELU written out:
 *   exact: 0.5 * x * (1 + erf(x / sqrt(2)))
 *   tanh:  0.5 * x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))
 * The factors come in any order and nesting.
 */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, scalarOf } from './constants.ts';
import { isNear, madeBy, otherOperand, readOnlyBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface GeluMatch {
  readonly x: string;
  readonly form: 'erf' | 'tanh';
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
}

/** Something that was recognized as a function of x, with the nodes it took. */
interface Piece {
  readonly x: string;
  readonly nodes: readonly Node[];
}

/** @param node an Erf or Tanh */
export function matchGelu(editor: GraphEditor, node: Node): GeluMatch | undefined {
  if (!isOp(node, 'Erf', 'Tanh')) return undefined;
  const isErf = node.opType === 'Erf';
  const argument = isErf ? erfArgument(editor, node.inputs[0]!) : tanhArgument(editor, node.inputs[0]!);
  const sum = editor.singleConsumer(node.outputs[0]!);
  if (!argument || !isOp(sum, 'Add') || withScalar(editor, sum, true)?.scalar !== 1) return undefined;
  const product = climb(editor, sum, argument.x);
  if (!product) return undefined;
  const nodes = [...new Set([...argument.nodes, node, sum, ...product])];
  return isClosed(editor, nodes) ? { x: argument.x, form: isErf ? 'erf' : 'tanh', nodes } : undefined;
}

/** x / sqrt(2), as Div or Mul. */
function erfArgument(editor: GraphEditor, value: string): Piece | undefined {
  const node = madeBy(editor, value, 'Div', 'Mul');
  const scaled = withScalar(editor, node, node?.opType === 'Mul');
  if (!node || !scaled) return undefined;
  const fits = isNear(scaled.scalar, node.opType === 'Div' ? Math.SQRT2 : Math.SQRT1_2);
  return fits ? { x: scaled.value, nodes: [node] } : undefined;
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** sqrt(2/pi) * (x + 0.044715 x^3), or x * sqrt(2/pi) * (1 + 0.044715 x^2) in either nesting. */
function tanhArgument(editor: GraphEditor, value: string): Piece | undefined {
  const outer = madeBy(editor, value, 'Mul');
  const scaled = withScalar(editor, outer, true);
  if (outer && scaled && isNear(scaled.scalar, SQRT_2_OVER_PI)) {
    const inner = polynomial(editor, scaled.value);
    return inner && { x: inner.x, nodes: [...inner.nodes, outer] };
  }
  // (x * sqrt(2/pi)) * (1 + 0.044715 x^2)
  if (!outer) return undefined;
  for (const candidate of outer.inputs) {
    const other = otherOperand(outer, candidate);
    const left = madeBy(editor, candidate, 'Mul');
    const factor = withScalar(editor, left, true);
    if (!left || !factor || other === undefined || !isNear(factor.scalar, SQRT_2_OVER_PI)) continue;
    const series = onePlusSquare(editor, other, factor.value);
    if (series) return { x: factor.value, nodes: [left, ...series, outer] };
  }
  return undefined;
}

/** x + 0.044715 x^3, or x * (1 + 0.044715 x^2). */
function polynomial(editor: GraphEditor, value: string): Piece | undefined {
  const node = madeBy(editor, value, 'Add', 'Mul');
  if (!node) return undefined;
  for (const x of node.inputs) {
    const other = otherOperand(node, x);
    if (other === undefined) continue;
    const rest = node.opType === 'Add' ? cubicTerm(editor, other, x) : onePlusSquare(editor, other, x);
    if (rest) return { x, nodes: [...rest, node] };
  }
  return undefined;
}

function cubicTerm(editor: GraphEditor, value: string, x: string): readonly Node[] | undefined {
  const node = madeBy(editor, value, 'Mul');
  const scaled = withScalar(editor, node, true);
  if (!node || !scaled) return undefined;
  const cube = isNear(scaled.scalar, CUBIC) ? powerOf(editor, scaled.value, x, 3) : undefined;
  return cube && [...cube, node];
}

function onePlusSquare(editor: GraphEditor, value: string, x: string): readonly Node[] | undefined {
  const sum = madeBy(editor, value, 'Add');
  const plusOne = withScalar(editor, sum, true);
  if (!sum || plusOne?.scalar !== 1) return undefined;
  const product = madeBy(editor, plusOne.value, 'Mul');
  const scaled = withScalar(editor, product, true);
  if (product && scaled) {
    const square = isNear(scaled.scalar, CUBIC) ? powerOf(editor, scaled.value, x, 2) : undefined;
    return square && [...square, product, sum];
  }
  // (0.044715 * x) * x
  const factor = product && otherOperand(product, x);
  const inner = madeBy(editor, factor, 'Mul');
  const linear = withScalar(editor, inner, true);
  const fits = product && inner && linear?.value === x && isNear(linear.scalar, CUBIC);
  return fits ? [inner, product, sum] : undefined;
}

/** x^2 or x^3, as Pow or as products. */
function powerOf(editor: GraphEditor, value: string, x: string, exponent: 2 | 3): readonly Node[] | undefined {
  const node = madeBy(editor, value, 'Pow', 'Mul');
  if (node?.opType === 'Pow') {
    return node.inputs[0] === x && scalarOf(constantInput(editor, node, 1)) === exponent ? [node] : undefined;
  }
  if (!node) return undefined;
  if (exponent === 2) return node.inputs[0] === x && node.inputs[1] === x ? [node] : undefined;
  const other = otherOperand(node, x);
  const square = other === undefined ? undefined : powerOf(editor, other, x, 2);
  return square && [...square, node];
}

/** From 1 + f up through products, until x and 0.5 are both in; undefined when something else comes in. */
function climb(editor: GraphEditor, start: Node, x: string): readonly Node[] | undefined {
  const nodes: Node[] = [];
  let value = start.outputs[0]!;
  let needsX = true;
  let needsHalf = true;
  while (needsX || needsHalf) {
    const next = editor.singleConsumer(value);
    const scalar = isOp(next, 'Mul') || isOp(next, 'Div') ? withScalar(editor, next, next.opType === 'Mul') : undefined;
    if (next && scalar?.value === value) {
      const isHalf = scalar.scalar === (next.opType === 'Div' ? 2 : 0.5);
      if (!needsHalf || !isHalf) return undefined;
      needsHalf = false;
    } else {
      const factor = isOp(next, 'Mul') ? otherOperand(next, value) : undefined;
      if (factor === undefined || !needsX) return undefined;
      const half = factor === x ? undefined : halfOf(editor, factor, x);
      if (factor !== x && (!half || !needsHalf)) return undefined;
      if (half) {
        nodes.push(half);
        needsHalf = false;
      }
      needsX = false;
    }
    nodes.push(next!);
    value = next!.outputs[0]!;
  }
  return nodes;
}

function halfOf(editor: GraphEditor, value: string, x: string): Node | undefined {
  const node = madeBy(editor, value, 'Mul', 'Div');
  const scaled = withScalar(editor, node, node?.opType === 'Mul');
  return node && scaled?.value === x && scaled.scalar === (node.opType === 'Div' ? 2 : 0.5) ? node : undefined;
}

/** Nothing outside the pattern reads what its inner nodes make. */
function isClosed(editor: GraphEditor, nodes: readonly Node[]): boolean {
  return nodes.slice(0, -1).every((node) => readOnlyBy(editor, node.outputs[0]!, nodes));
}
