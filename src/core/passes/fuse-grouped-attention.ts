import { z } from 'zod';
import { attrFloat, attrInt, intAttr } from '../ir/attributes.ts';
import { dtypeInfo } from '../ir/dtype.ts';
import { tensorFromNumbers } from '../ir/tensor.ts';
import { defineStep, runsEverywhere } from '../step/define.ts';
import { coversScores, planMask } from './support/attention-mask.ts';
import { Maker, type Operand, traceOperand } from './support/attention-operands.ts';
import { type AttentionMatch, attentionOps, matchAttention } from './support/attention-pattern.ts';
import { replaceAttention } from './support/attention-replace.ts';
import { isCausal } from './support/causal-mask.ts';
import { constantInput, intsOf } from './support/constants.ts';
import { contribSupport, operatorsParam } from './support/contrib.ts';
import { factsIn, sameShape } from './support/facts.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, labelOf } from './support/scopes.ts';

/** The operator refuses head sizes that are no multiple of this. */
const HEAD_SIZE_STEP = 8;

const params = z.object({
  operators: operatorsParam(
    'any: GroupQueryAttention of onnxruntime. standard: nothing is fused, since the standard operator has a kernel on the CPU only.',
  ),
});

interface Grouped {
  /** Before its heads were repeated, if they were. */
  readonly key: Operand;
  readonly value: Operand;
  /** Of the keys, where they were repeated. */
  readonly factor: number;
}

function groupedOf(maker: Maker, match: AttentionMatch): Grouped | undefined {
  const { query } = match;
  // The standard operator repeats heads itself.
  const isDirect = match.key.heads < query.heads || match.causal;
  const [key, value] = isDirect
    ? [match.key, match.value]
    : [match.key, match.value].map((operand) => beforeRepeat(maker, operand));
  if (!key || !value || key.heads !== value.heads || key.size !== value.size) return undefined;
  if (query.size !== key.size || query.size % HEAD_SIZE_STEP !== 0) return undefined;
  const places = [key, value].map(({ batch, length }) => [batch, length]);
  const fits = places.every((place) => sameShape(place, [query.batch, query.length]));
  return fits ? { key, value, factor: isDirect ? 1 : match.key.byHead!.factor } : undefined;
}

/** Heads that a Gather repeats, each as often, one after the other. */
function beforeRepeat({ editor, facts }: Maker, { byHead, heads }: Operand): Operand | undefined {
  const gather = madeBy(editor, byHead?.value, 'Gather');
  if (!gather || intAttr(gather, 'axis', 0) !== 1) return undefined;
  const indices = intsOf(constantInput(editor, gather, 1));
  const operand = traceOperand(editor, facts, gather.inputs[0]!, false);
  const times = operand && heads / operand.heads;
  if (operand?.bySequence?.factor !== 1 || indices?.length !== heads) return undefined;
  return indices.every((index, at) => index === Math.floor(at / times!)) ? operand : undefined;
}

/** How many keys each row has: the same for all layers of a graph. */
class Lengths {
  readonly #made = new Map<string, readonly [string, string]>();

  /** @returns the index of each row's last key, [batch], and the number of keys, both int32 */
  of(maker: Maker, { batch, length }: Operand, query: string): readonly [string, string] {
    const key = `${batch} ${length}`;
    const made = this.#made.get(key) ?? this.#make(maker, query, length);
    this.#made.set(key, made);
    return made;
  }

  #make(maker: Maker, query: string, length: unknown): readonly [string, string] {
    const rows = maker.sizeOf(query, 0);
    if (typeof length === 'number') {
      const [last, total] = [length - 1, length].map((value) =>
        maker.editor.addInitializer(oneInt32(`${maker.label}/length`, value)),
      );
      return [maker.node('Expand', [last!, rows]), total!];
    }
    const toInt32 = { to: attrInt(dtypeInfo.int32.onnx) };
    const total = maker.node('Cast', [maker.sizeOf(query, 1)], toInt32);
    const one = maker.editor.addInitializer(oneInt32(`${maker.label}/one`, 1));
    return [maker.node('Expand', [maker.node('Sub', [total, one]), rows]), total];
  }
}

const oneInt32 = (name: string, value: number) => tensorFromNumbers(name, 'int32', [1], [value]);

/**
 * Only without a cache, where the mask hides later keys and nothing else. A mask that also hides padding may leave rows
 * with no key at all, whose results would differ; with a cache the operator takes one new token, or one row of a batch,
 * which free dimensions do not promise.
 *
 * Without the present keys and values as outputs it took 0.87 to 0.90 times as long as MultiHeadAttention with the mask
 * and repeated heads (onnxruntime-web 1.30, WASM, one thread, 6 heads of 64 on 2, 8 to 384 tokens, runs in turns); with
 * them as outputs 2.8 times and more from 16 tokens on.
 */
export const step = defineStep({
  id: 'fuse-grouped-attention',
  title: 'Fuse grouped attention',
  summary:
    'Replaces causal attention whose key and value heads are repeated for several query heads, written out or as the standard operator, by that of onnxruntime, which repeats and masks them itself.',
  section: 'fusion',
  order: 233,
  params,
  precision: 'exact-within-fp',
  needs: {},
  source:
    'Ainslie et al. 2023 (arXiv 2305.13245); com.microsoft.GroupQueryAttention-1 of onnxruntime 1.30 (ContribOperators.md)',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('GroupQueryAttention') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, attentionOps)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, graph, kind, nodes, opset }) => {
        const facts = factsIn(table, graph, kind);
        const lengths = new Lengths();
        for (const node of nodes) {
          const match = editor.has(node) ? matchAttention(editor, node, facts) : undefined;
          if (!match || !isCausal(editor, facts, match)) continue;
          const maker = new Maker(editor, facts, opset, labelOf(node));
          const plan = planMask(maker, match);
          // A mask of one row or column is repeated, and hides other keys than its own form says.
          const grouped = plan && coversScores(maker, match, plan) ? groupedOf(maker, match) : undefined;
          if (!grouped) continue;
          const { key, value, factor } = grouped;
          const q = maker.flat(match.query, true);
          const k = maker.flat(key, false);
          const v = maker.flat(value, false);
          replaceAttention(ctx, maker, match, {
            opType: 'GroupQueryAttention',
            inputs: [q.value, k.value, v.value, '', '', ...lengths.of(maker, match.query, q.value)],
            attributes: {
              num_heads: attrInt(match.query.heads),
              kv_num_heads: attrInt(key.heads),
              scale: attrFloat(match.factor * q.factor * k.factor * factor),
            },
            joins: [],
            factor: undefined,
          });
        }
      },
      { ops: attentionOps },
    );
  },
});
