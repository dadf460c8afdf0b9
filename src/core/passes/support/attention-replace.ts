/** Putting one operator in the place of an attention written out. */
import { makeNode } from '../../ir/build.ts';
import type { Attribute, Dim, Node } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { type Maker, removeUnread } from './attention-operands.ts';
import type { AttentionMatch } from './attention-pattern.ts';
import { importContrib } from './contrib.ts';
import { isOp, labelOf } from './scopes.ts';

export interface Replacement {
  readonly opType: string;
  /** Empty ones at the end are left out. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Nodes whose outputs the operator makes besides its result, in order. */
  readonly joins: readonly Node[];
  /** What the result [batch, length, heads * size] is multiplied by; called when the old nodes are gone. */
  readonly factor: (() => string) | undefined;
}

/** The result keeps its name, and its heads apart where nothing merged them. */
export function replaceAttention(
  ctx: StepContext,
  maker: Maker,
  { query, value, scores, ...match }: AttentionMatch,
  { opType, attributes, joins, factor, ...given }: Replacement,
): void {
  const { editor } = maker;
  const inputs = [...given.inputs];
  while (inputs.at(-1) === '') inputs.pop();
  const { last, isMerged } = mergeOf(maker, query.length, query.heads * value.size, match.last);
  const output = last.outputs[0]!;
  // What was known of the value by this name goes on to hold.
  editor.removeNode(last);
  for (const join of joins) editor.removeNode(join);
  const result = isMerged && !factor ? output : editor.freshName(`${maker.label}/${opType}_output`);
  const fused = makeNode({
    opType,
    domain: importContrib(ctx.model),
    name: editor.freshName(`${maker.label}/${opType}`),
    inputs,
    outputs: [result, ...joins.map((join) => join.outputs[0]!)],
    attributes,
  });
  editor.addNode(fused);
  const scaled = factor ? maker.node('Mul', [result, factor()], {}, isMerged ? output : undefined) : result;
  if (!isMerged) maker.node('Reshape', [scaled, maker.ints(0, 0, query.heads, value.size)], {}, output);
  const unread = last.inputs.map((input) => editor.producerOf(input)).filter((node) => node !== undefined);
  removeUnread(editor, unread);
  ctx.ledger.record('fused an attention', [labelOf(scores)], [labelOf(fused)]);
}

/** The node behind the heads where it merges them. */
function mergeOf(maker: Maker, length: Dim, width: number, last: Node): { last: Node; isMerged: boolean } {
  const shape = maker.facts(last.outputs[0]!)?.shape;
  if (shape?.length === 3) return { last, isMerged: true };
  const reshape = maker.editor.singleConsumer(last.outputs[0]!);
  const merged = maker.facts(reshape?.outputs[0] ?? '')?.shape;
  const isMerged = isOp(reshape, 'Reshape') && merged?.length === 3 && merged[2] === width && merged[1] === length;
  return isMerged ? { last: reshape, isMerged } : { last, isMerged };
}
