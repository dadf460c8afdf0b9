/**
 * Rotary position embedding written out: x * cos + turn(x) * sin, where turn exchanges the two members of each pair and
 * changes the sign of the first:
 *   halves       pairs (i, i + width / 2): Concat(Neg(second half), first half) (Llama, Qwen, Gemma, Phi, NeoX)
 *   interleaved  pairs (2i, 2i + 1): Stack(Neg(odd ones), even ones), flattened (GPT-J, EVA)
 * cos and sin have the same value for both members of a pair.
 */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { DType } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { constantInput, intsOf } from './constants.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy, otherOperand } from './pattern.ts';
import { pairOf } from './rotary-angles.ts';
import { isOp } from './scopes.ts';
import { constantRanges } from './slice-ranges.ts';

/** Those that onnxruntime has kernels for. */
export const dtypes: ReadonlySet<DType | undefined> = new Set<DType>(['float32', 'float16']);

export interface Rotation {
  /** The value to rotate, of four axes: the first `width` columns of `whole`, or all of it. */
  readonly whole: string;
  readonly width: number;
  readonly interleaved: boolean;
  /** Factors, of `width` columns. */
  readonly cos: string;
  readonly sin: string;
  /** Makes the result: the sum, or the Concat of it and the columns that are not rotated. */
  readonly last: Node;
  readonly sum: Node;
}

export interface Look {
  readonly editor: GraphEditor;
  readonly facts: FactLookup;
  readonly opset: number;
}

/** @param sum an Add that may be x * cos + turn(x) * sin */
export function matchRotation(look: Look, sum: Node): Rotation | undefined {
  const { editor, facts } = look;
  if (!isOp(sum, 'Add') || !dtypes.has(facts(sum.outputs[0]!)?.dtype)) return undefined;
  const products = sum.inputs.map((input) => (editor.singleConsumer(input) ? madeBy(editor, input, 'Mul') : undefined));
  const [first, second] = products;
  if (!first || !second || first === second) return undefined;
  return matchProducts(look, sum, first, second) ?? matchProducts(look, sum, second, first);
}

function matchProducts(look: Look, sum: Node, straight: Node, turned: Node): Rotation | undefined {
  for (const turn of turned.inputs) {
    const sin = otherOperand(turned, turn);
    const found = sin === undefined ? undefined : turnOf(look, turn);
    const cos = found && otherOperand(straight, found.x);
    if (!found || sin === undefined || cos === undefined) continue;
    const { x, width, interleaved } = found;
    return { ...wholeOf(look, x, width, sum), width, interleaved, cos, sin, sum };
  }
  return undefined;
}

function turnOf(look: Look, value: string): { x: string; width: number; interleaved: boolean } | undefined {
  const halves = madeBy(look.editor, value, 'Concat');
  const interleaved = halves === undefined;
  const [negated, other] = (interleaved ? stacked(look, value) : pairOf(look.facts, halves)) ?? [];
  const neg = madeBy(look.editor, negated, 'Neg');
  const a = other === undefined ? undefined : columnsOf(look, other);
  const b = neg && columnsOf(look, neg.inputs[0]!);
  if (!a || !b || a.x !== b.x || a.width % 2 !== 0) return undefined;
  const [half, width] = [a.width / 2, a.width];
  const fits = interleaved
    ? a.step === 2 && b.step === 2 && a.start === 0 && b.start === 1 && a.end === width && b.end === width
    : a.step === 1 && b.step === 1 && a.start === 0 && a.end === half && b.start === half && b.end === width;
  return fits && look.facts(a.x)?.shape?.length === 4 ? { x: a.x, width, interleaved } : undefined;
}

/** Two values stacked along a new last axis, which is then merged with the one before. */
function stacked(look: Look, value: string): readonly string[] | undefined {
  const { editor, facts } = look;
  const reshape = madeBy(editor, value, 'Reshape');
  const concat = madeBy(editor, reshape?.inputs[0], 'Concat');
  const pair = concat && pairOf(look.facts, concat);
  const shape = facts(value)?.shape;
  const before = facts(concat?.outputs[0] ?? '')?.shape;
  if (!pair || shape?.length !== 4 || before?.length !== 5 || !sameShape(shape.slice(0, 3), before.slice(0, 3)))
    return undefined;
  const inner = pair.map((name) => {
    const unsqueeze = madeBy(editor, name, 'Unsqueeze');
    const axes = unsqueeze && (intsAttr(unsqueeze, 'axes') ?? intsOf(constantInput(editor, unsqueeze, 1)));
    return axes?.length === 1 && (axes[0] === -1 || axes[0] === 4) ? unsqueeze!.inputs[0]! : undefined;
  });
  return inner.every((name) => name !== undefined) ? inner : undefined;
}

interface Columns {
  readonly x: string;
  /** Columns of x. */
  readonly width: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** What a Slice or a Split takes of the last axis. */
function columnsOf({ editor, facts, opset }: Look, value: string): Columns | undefined {
  const node = madeBy(editor, value, 'Slice', 'Split');
  const x = node?.inputs[0];
  const shape = facts(x ?? '')?.shape;
  const width = shape?.at(-1);
  if (!node || x === undefined || !shape || typeof width !== 'number') return undefined;
  const isLast = (axis: number) => axis === -1 || axis === shape.length - 1;
  if (node.opType === 'Slice') {
    const ranges = constantRanges(editor, node, opset);
    const [range] = ranges ?? [];
    if (ranges?.length !== 1 || !range || !isLast(range.axis) || range.step < 1) return undefined;
    const place = (at: number) => Math.max(0, Math.min(width, at < 0 ? at + width : at));
    return { x, width, start: place(range.start), end: place(range.end), step: range.step };
  }
  if (!isLast(intAttr(node, 'axis', 0))) return undefined;
  const at = node.outputs.indexOf(value);
  const sizes = node.outputs.map((output) => facts(output)?.shape?.at(-1));
  if (sizes.some((size) => typeof size !== 'number')) return undefined;
  const start = (sizes as number[]).slice(0, at).reduce((total, size) => total + size, 0);
  return { x, width, start, end: start + (sizes[at] as number), step: 1 };
}

/** Where only the first columns are rotated and the others put back behind them, all of it. */
function wholeOf(look: Look, x: string, width: number, sum: Node): { whole: string; last: Node } {
  const part = columnsOf(look, x);
  const concat = look.editor.singleConsumer(sum.outputs[0]!);
  const pair = isOp(concat, 'Concat') ? pairOf(look.facts, concat) : undefined;
  const rest = pair && pair[0] === sum.outputs[0] ? columnsOf(look, pair[1]!) : undefined;
  const isWhole =
    part?.step === 1 &&
    part.start === 0 &&
    part.end === width &&
    rest?.x === part.x &&
    rest.step === 1 &&
    rest.start === width &&
    rest.end === part.width;
  return isWhole ? { whole: part.x, last: concat! } : { whole: x, last: sum };
}
