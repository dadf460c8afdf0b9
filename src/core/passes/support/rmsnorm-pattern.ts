/**
 * Root-mean-square normalization written out in elementary operators, as exporters do:
 *   y = x / sqrt(mean(x^2) + epsilon) * gamma
 * with x^2 as Pow or Mul, the quotient as Div, or as Mul by Reciprocal, by 1/Sqrt or by Pow(.., -0.5), and with half
 * precision inputs computed between two Casts (Llama, T5, Gemma with 1 + w as gamma).
 */
import { intAttr } from '../../ir/attributes.ts';
import { dtypeFromOnnx } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { type FactLookup, rankOf } from './facts.ts';
import {
  isSquareOf,
  type Quotient,
  quotientOf,
  trailingAxes,
  type VectorOperand,
  vectorOperand,
} from './norm-pieces.ts';
import { madeBy, readOnlyBy, withScalar } from './pattern.ts';
import { isOp } from './scopes.ts';

export interface RmsNormMatch {
  /** The value to normalize: that before the Cast to float32 where the result is cast back. */
  readonly x: string;
  /** First normalized axis, counted from the end (negative). */
  readonly axis: number;
  /** Sizes of the normalized axes. */
  readonly sizes: readonly number[];
  readonly epsilon: number;
  readonly gamma: VectorOperand | undefined;
  /** In topological order; the last one makes the result. The Cast of x is not among them: others may read it. */
  readonly nodes: readonly Node[];
}

/** @param node a Mul or Div that may be x / sqrt(mean(x^2) + epsilon) */
export function matchRmsNorm(editor: GraphEditor, node: Node, facts: FactLookup): RmsNormMatch | undefined {
  if (!isOp(node, 'Mul', 'Div') || node.inputs.length !== 2) return undefined;
  for (const x of node.inputs) {
    const quotient = quotientOf(editor, node, x);
    const core = quotient && matchCore(editor, quotient, x, facts);
    if (core) return matchTail(editor, { x, ...core }, facts);
  }
  return undefined;
}

type Core = Omit<RmsNormMatch, 'gamma'>;

/** From x to the quotient. */
function matchCore(editor: GraphEditor, quotient: Quotient, x: string, facts: FactLookup): Omit<Core, 'x'> | undefined {
  const sum = madeBy(editor, quotient.sum, 'Add');
  const shifted = withScalar(editor, sum, true);
  const mean = shifted && madeBy(editor, shifted.value, 'ReduceMean');
  const square = mean && madeBy(editor, mean.inputs[0], 'Pow', 'Mul');
  const shape = facts(x)?.shape;
  if (!sum || !shifted || !mean || !square || !shape || !isSquareOf(editor, square, x)) return undefined;
  if (!(shifted.scalar >= 0) || editor.constantOf(shifted.constant)!.dims.length > shape.length) return undefined;
  const axis = trailingAxes(editor, mean, shape.length);
  const sizes = axis === undefined ? [] : shape.slice(axis);
  if (axis === undefined || sizes.length !== -axis || !sizes.every((size) => typeof size === 'number'))
    return undefined;
  const nodes = [square, mean, sum, ...quotient.between, quotient.result];
  const isPrivate = nodes.every(
    (link, at) => link === quotient.result || readOnlyBy(editor, link.outputs[0]!, [nodes[at + 1]!]),
  );
  return isPrivate ? { axis, sizes: sizes as number[], epsilon: shifted.scalar, nodes } : undefined;
}

/** What follows: a Cast back to the dtype that x came in, and the factor gamma. */
function matchTail(editor: GraphEditor, core: Core, facts: FactLookup): RmsNormMatch {
  const widened = madeBy(editor, core.x, 'Cast')?.inputs[0];
  const narrow = widened === undefined ? undefined : facts(widened)?.dtype;
  const end = core.nodes.at(-1)!;
  const next = editor.singleConsumer(end.outputs[0]!);
  const isCastBack = narrow === 'float16' && facts(core.x)?.dtype === 'float32' && castTarget(next) === narrow;
  const inner = isCastBack ? { ...core, x: widened!, nodes: [...core.nodes, next!] } : core;
  const value = inner.nodes.at(-1)!.outputs[0]!;
  const product = editor.singleConsumer(value);
  const gamma = isOp(product, 'Mul') ? vectorOperand(editor, product, value, core.sizes) : undefined;
  const rank = rankOf(facts(core.x))!;
  const isTaken = gamma !== undefined && gamma.tensor.dims.length <= rank;
  return isTaken ? { ...inner, gamma, nodes: [...inner.nodes, product!] } : { ...inner, gamma: undefined };
}

function castTarget(node: Node | undefined): string | undefined {
  return isOp(node, 'Cast') ? dtypeFromOnnx(intAttr(node, 'to', 0)) : undefined;
}
