/** Keys and values of earlier calls, joined by head before those of this call, as the operator does it itself. */
import { intAttr } from '../../ir/attributes.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import { type Operand, traceOperand } from './attention-operands.ts';
import type { AttentionMatch } from './attention-pattern.ts';
import { type FactLookup, sameShape } from './facts.ts';
import { madeBy } from './pattern.ts';

interface Joined {
  /** [batch, heads, earlier length, size] */
  readonly past: string;
  /** Keys or values of this call. */
  readonly added: Operand;
  /** Its output is the present: [batch, heads, whole length, size]. */
  readonly concat: Node;
  /** Constant factor behind the join. */
  readonly factor: number;
}

export interface AttentionCache {
  readonly key: Joined;
  readonly value: Joined;
}

/** @returns undefined where key and value are not both joined so, or where something else reads what was joined */
export function cacheOf(
  editor: GraphEditor,
  facts: FactLookup,
  { query, key, value }: AttentionMatch,
): AttentionCache | undefined {
  const [k, v] = [key, value].map((operand) => joinedOf(editor, facts, operand));
  if (!k || !v || k.concat === v.concat) return undefined;
  const pasts = [k.past, v.past].map((name) => facts(name)?.shape);
  // Of the lengths, the attention itself says that keys and values are as many in all, and those of this call are below.
  if (!sameShape(pasts[0]?.slice(0, 2), pasts[1]?.slice(0, 2))) return undefined;
  // The operator takes the new keys to be as many as the queries.
  const lengths = [k.added.length, v.added.length];
  return sameShape(lengths, [query.length, query.length]) ? { key: k, value: v } : undefined;
}

function joinedOf(editor: GraphEditor, facts: FactLookup, operand: Operand): Joined | undefined {
  const { byHead, heads, size, batch } = operand;
  const concat = madeBy(editor, byHead?.value, 'Concat');
  const axis = concat && intAttr(concat, 'axis', 0);
  // A reader that makes the mask, say of its shape, would have to come before the operator.
  if (concat?.inputs.length !== 2 || (axis !== 2 && axis !== -2)) return undefined;
  if (editor.countUses(byHead!.value) !== 1) return undefined;
  const [past, fresh] = concat.inputs as [string, string];
  const before = facts(past)?.shape;
  const added = traceOperand(editor, facts, fresh, false);
  if (added?.bySequence?.factor !== 1 || added.heads !== heads || added.size !== size) return undefined;
  const fits = before?.length === 4 && before[1] === heads && before[3] === size;
  const isSameBatch = fits && sameShape([before[0]!, added.batch], [batch, batch]);
  return isSameBatch ? { past, added, concat, factor: byHead!.factor } : undefined;
}
