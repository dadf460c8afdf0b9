/** Masks that hide from each query the keys behind it, and nothing else. */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { smallValues } from '../../ir/tensor.ts';
import type { AttentionMatch, Masking } from './attention-pattern.ts';
import { constantInput, intsOf, scalarOf, uniformValue } from './constants.ts';
import { type FactLookup, rankOf } from './facts.ts';
import { madeBy } from './pattern.ts';

/** What is added to hidden scores: below this a score is lost in it, and its exponential is 0. */
const FAR_BELOW = -1e30;

/** Each row keeps its own key, so no row of such a mask is empty. */
export function isCausal(editor: GraphEditor, facts: FactLookup, { maskings, causal }: AttentionMatch): boolean {
  const [masking, ...more] = maskings;
  if (causal) return masking === undefined;
  return masking !== undefined && more.length === 0 && hidesLaterKeys(editor, facts, masking);
}

function hidesLaterKeys(editor: GraphEditor, facts: FactLookup, masking: Masking): boolean {
  if (masking.kind === 'where') return isLowerTriangle(editor, facts, masking.condition, masking.keeps);
  const value = withoutNewAxes(editor, masking.value);
  const tensor = editor.constantOf(value);
  if (tensor)
    return isConstantTriangle(
      smallValues(tensor),
      tensor.dims,
      (at) => at === 0,
      (at) => at < FAR_BELOW,
    );
  const trilu = madeBy(editor, value, 'Trilu');
  if (trilu) {
    const fill = uniformValue(constantInput(editor, trilu, 0)) ?? Number.NaN;
    const start = trilu.inputs[1] ? scalarOf(constantInput(editor, trilu, 1)) : 0;
    return fill < FAR_BELOW && start === 1 && intAttr(trilu, 'upper', 1) === 1;
  }
  const where = madeBy(editor, value, 'Where');
  if (!where) return false;
  const [whenTrue, whenFalse] = [1, 2].map((at) => scalarOf(constantInput(editor, where, at)) ?? Number.NaN);
  const [condition] = where.inputs as [string];
  if (whenTrue === 0 && whenFalse! < FAR_BELOW) return isLowerTriangle(editor, facts, condition, true);
  return whenFalse === 0 && whenTrue! < FAR_BELOW && isLowerTriangle(editor, facts, condition, false);
}

/** @param holds the value that it has on and below the diagonal */
function isLowerTriangle(editor: GraphEditor, facts: FactLookup, start: string, holds: boolean): boolean {
  const value = withoutNewAxes(editor, start);
  const tensor = editor.constantOf(value);
  const kept = (at: number) => (at !== 0) === holds;
  if (tensor) return isConstantTriangle(smallValues(tensor), tensor.dims, kept, (at) => !kept(at));
  const not = madeBy(editor, value, 'Not');
  if (not) return isLowerTriangle(editor, facts, not.inputs[0]!, !holds);
  const and = holds ? madeBy(editor, value, 'And') : undefined;
  const always = and?.inputs.find((input) => uniformValue(editor.constantOf(input)) === 1);
  if (and && always !== undefined)
    return isLowerTriangle(editor, facts, and.inputs.find((input) => input !== always)!, true);
  const compared = madeBy(editor, value, ...(holds ? ['LessOrEqual', 'GreaterOrEqual'] : ['Less', 'Greater']));
  if (!compared) return false;
  const [a, b] = compared.inputs as [string, string];
  const keysFirst = compared.opType === 'LessOrEqual' || compared.opType === 'Greater';
  const [keys, queries] = keysFirst ? [a, b] : [b, a];
  const places = [placesOf(editor, facts, keys, 1), placesOf(editor, facts, queries, 2)];
  return places[0] !== undefined && places[0] === places[1];
}

/** The ascending range whose elements lie along the given axis, counted from the end; all other axes are of size 1. */
function placesOf(editor: GraphEditor, facts: FactLookup, value: string, fromEnd: number): string | undefined {
  let current = value;
  // The place of the range's axis, from the end, as axes that were added behind it are taken off.
  let place = fromEnd;
  for (;;) {
    const unsqueeze = madeBy(editor, current, 'Unsqueeze');
    if (!unsqueeze) break;
    const rank = rankOf(facts(current));
    const axes = intsAttr(unsqueeze, 'axes') ?? intsOf(constantInput(editor, unsqueeze, 1));
    if (rank === undefined || !axes) return undefined;
    const added = axes.map((axis) => (axis < 0 ? -axis : rank - axis));
    if (added.includes(place)) return undefined;
    place -= added.filter((axis) => axis < place).length;
    current = unsqueeze.inputs[0]!;
  }
  const range = place === 1 ? madeBy(editor, current, 'Range') : undefined;
  return range && scalarOf(constantInput(editor, range, 2))! > 0 ? current : undefined;
}

function withoutNewAxes(editor: GraphEditor, start: string): string {
  let value = start;
  for (let node = madeBy(editor, value, 'Unsqueeze'); node; node = madeBy(editor, value, 'Unsqueeze')) {
    const axes = intsAttr(node, 'axes') ?? intsOf(constantInput(editor, node, 1));
    // Axes in front of the two leave the triangle as it is.
    if (!axes?.every((axis, at) => axis === at)) return value;
    value = node.inputs[0]!;
  }
  return value;
}

function isConstantTriangle(
  values: readonly number[] | undefined,
  dims: readonly number[],
  isKept: (value: number) => boolean,
  isHidden: (value: number) => boolean,
): boolean {
  const size = dims.at(-1);
  if (!values || size === undefined || dims.at(-2) !== size || dims.slice(0, -2).some((dim) => dim !== 1)) return false;
  return values.every((value, at) => (at % size <= Math.floor(at / size) ? isKept(value) : isHidden(value)));
}
