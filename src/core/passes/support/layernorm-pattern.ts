/**
 * Layer normalization written out in elementary operators, as exporters do:
 *   d = x - mean(x);  n = d / sqrt(mean(d^2) + epsilon);  y = n * gamma + beta
 * with d^2 as Pow or Mul, the quotient as Div, or as Mul by Reciprocal, by 1/Sqrt or by Pow(.., -0.5).
 */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { isSquareOf, quotientOf, trailingAxes, type VectorOperand, vectorOperand } from './norm-pieces.ts';
import { madeBy, readOnlyBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface LayerNormMatch {
  readonly x: string;
  /** First normalized axis, counted from the end (negative). */
  readonly axis: number;
  readonly epsilon: number;
  readonly gamma: VectorOperand | undefined;
  readonly beta: VectorOperand | undefined;
  /** In topological order; the last one makes the result. */
  readonly nodes: readonly Node[];
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
