/**
 * Layer normalization written out in elementary operators, as exporters do:
 *   d = x - mean(x);  n = d / sqrt(mean(d^2) + epsilon);  y = n * gamma + beta
 * with d^2 as Pow or Mul, the quotient as Div, or as Mul by Reciprocal, by 1/Sqrt or by Pow(.., -0.5).
 */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { constantInput, intsOf, scalarOf } from './constants.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { madeBy, otherOperand, readOnlyBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface LayerNormMatch {
  readonly x: string;
  /** First normalized axis, counted from the end (negative). */
  readonly axis: number;
  readonly epsilon: number;
  readonly gamma: { readonly name: string; readonly tensor: Tensor } | undefined;
  readonly beta: { readonly name: string; readonly tensor: Tensor } | undefined;
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
}

/** Axes of a reduction that keeps the rank, from the end; undefined unless they are the last ones, without a gap. */
function trailingAxes(editor: GraphEditor, node: Node, rank: number | undefined): number | undefined {
  if (intAttr(node, 'keepdims', 1) !== 1) return undefined;
  const axes = intsAttr(node, 'axes') ?? intsOf(constantInput(editor, node, 1));
  if (!axes || axes.length === 0) return undefined;
  if (axes.some((axis) => axis >= 0) && rank === undefined) return undefined;
  const fromEnd = axes.map((axis) => (axis < 0 ? axis : axis - rank!)).sort((a, b) => a - b);
  return fromEnd.every((axis, at) => axis === at - fromEnd.length) ? -fromEnd.length : undefined;
}

/** `sqrt(value)` turned into a quotient: the node that makes d / sqrt(..), and what lies between. */
interface Quotient {
  readonly result: Node;
  readonly between: readonly Node[];
  /** mean(d^2) + epsilon. */
  readonly sum: string;
}

function quotientOf(editor: GraphEditor, node: Node, difference: string): Quotient | undefined {
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

function isSquareOf(editor: GraphEditor, node: Node | undefined, value: string): boolean {
  if (isOp(node, 'Mul')) return node.inputs[0] === value && node.inputs[1] === value;
  return isOp(node, 'Pow') && node.inputs[0] === value && scalarOf(constantInput(editor, node, 1)) === 2;
}

/** A factor or summand whose shape is exactly that of the normalized axes (leading ones do not count). */
function vectorOperand(
  editor: GraphEditor,
  node: Node | undefined,
  value: string,
  sizes: readonly number[],
): { name: string; tensor: Tensor } | undefined {
  const name = node && otherOperand(node, value);
  const tensor = name ? editor.constantOf(name) : undefined;
  if (!name || !tensor) return undefined;
  const extra = tensor.dims.length - sizes.length;
  const fits = extra >= 0 && tensor.dims.every((dim, axis) => (axis < extra ? dim === 1 : dim === sizes[axis - extra]));
  return fits ? { name, tensor } : undefined;
}

/** @param node a Sub that may be x - mean(x) */
export function matchLayerNorm(editor: GraphEditor, node: Node, facts: FactLookup): LayerNormMatch | undefined {
  if (!isOp(node, 'Sub')) return undefined;
  const [x, average] = node.inputs as [string, string];
  const mean = madeBy(editor, average, 'ReduceMean');
  if (mean?.inputs[0] !== x || !readOnlyBy(editor, average, [node])) return undefined;
  const axis = trailingAxes(editor, mean, rankOf(facts(x)));
  const sizes = axis === undefined ? undefined : facts(x)?.shape?.slice(axis);
  if (axis === undefined || sizes?.length !== -axis || !sizes.every((size) => typeof size === 'number'))
    return undefined;
  const core = matchCore(editor, node, axis, facts);
  if (!core) return undefined;
  const tail = matchTail(editor, core.quotient.result, sizes as number[], rankOf(facts(x))!);
  return {
    x,
    axis,
    epsilon: core.epsilon,
    gamma: tail.gamma,
    beta: tail.beta,
    nodes: [mean, node, ...core.nodes, ...core.quotient.between, core.quotient.result, ...tail.nodes],
  };
}

/** From the difference to the quotient. */
function matchCore(editor: GraphEditor, difference: Node, axis: number, facts: FactLookup) {
  const value = difference.outputs[0]!;
  const readers = editor.consumersOf(value);
  const square = readers.find((reader) => isSquareOf(editor, reader, value));
  for (const reader of readers) {
    const quotient = reader === square ? undefined : quotientOf(editor, reader, value);
    const sum = quotient && madeBy(editor, quotient.sum, 'Add');
    const shifted = withScalar(editor, sum, true);
    const variance = shifted && madeBy(editor, shifted.value, 'ReduceMean');
    if (!square || !quotient || !sum || !shifted || !variance) continue;
    if (variance.inputs[0] !== square.outputs[0]) continue;
    if (trailingAxes(editor, variance, rankOf(facts(square.outputs[0]!)) ?? rankOf(facts(value))) !== axis) continue;
    if (!(shifted.scalar >= 0) || !readOnlyBy(editor, value, [square, reader])) continue;
    const nodes: Node[] = [square, variance, sum];
    const chain: Node[] = [...nodes, ...quotient.between, reader];
    const isPrivate = chain.every(
      (link, at) => link === reader || readOnlyBy(editor, link.outputs[0]!, [chain[at + 1]!]),
    );
    if (isPrivate) return { quotient, epsilon: shifted.scalar, nodes };
  }
  return undefined;
}

/** The factor gamma and the summand beta, where they follow. */
function matchTail(editor: GraphEditor, result: Node, sizes: readonly number[], rank: number) {
  const nodes: Node[] = [];
  const take = (opType: string) => {
    const value = (nodes.at(-1) ?? result).outputs[0]!;
    const next = editor.singleConsumer(value);
    if (!isOp(next, opType)) return undefined;
    const operand = vectorOperand(editor, next, value, sizes);
    if (!operand || operand.tensor.dims.length > rank) return undefined;
    nodes.push(next);
    return operand;
  };
  const gamma = take('Mul');
  const beta = take('Add');
  return { gamma, beta, nodes };
}
