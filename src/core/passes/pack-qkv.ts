import { z } from 'zod';
import { setAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import type { DType } from '../ir/dtype.ts';
import { tensorFromNumbers } from '../ir/tensor.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { CONTRIB_DOMAIN, contribSupport, importContrib, operatorsParam } from './support/contrib.ts';
import { joinColumns } from './support/join-columns.ts';
import { editEveryGraph, labelOf, type Scope } from './support/scopes.ts';
import { matchSelfAttention, type SelfAttention } from './support/self-attention.ts';

/** Layers that share their weights share the packed ones; a weight that something else reads as well stays as it is. */
function bySharedWeights({ editor, nodes }: Scope): SelfAttention[][] {
  const groups = new Map<string, SelfAttention[]>();
  for (const node of nodes) {
    const found = matchSelfAttention(editor, node);
    if (!found) continue;
    const key = found.weights.join('\u0000');
    groups.set(key, [...(groups.get(key) ?? []), found]);
  }
  return [...groups.values()].filter((group) => {
    const { weights } = group[0]!;
    if (weights.length === 1) return true;
    return new Set(weights).size === 3 && weights.every((name) => editor.countUses(name) === group.length);
  });
}

class Packer {
  /** The CPU kernel reads its bias without asking whether there is one. */
  readonly #zeros = new Map<string, string>();
  readonly #ctx: StepContext;
  readonly #scope: Scope;

  constructor(ctx: StepContext, scope: Scope) {
    this.#ctx = ctx;
    this.#scope = scope;
  }

  async pack(group: readonly SelfAttention[]): Promise<void> {
    const { editor } = this.#scope;
    const { weights } = group[0]!;
    const tensors = weights.map((name) => editor.constantOf(name)!);
    const name = tensors.length === 1 ? undefined : `${weights[0]}.qkv`;
    const weight = name ? editor.addInitializer(await joinColumns(this.#ctx, name, tensors)) : weights[0]!;
    for (const found of group) this.#replace(found, weight);
    if (name) for (const old of weights) editor.removeInitializer(old);
  }

  #replace({ attention, input, hidden, dtype, bias, replaced }: SelfAttention, weight: string): void {
    const { editor } = this.#scope;
    const added = attention.inputs[5] ?? '';
    const packed = makeNode({
      opType: 'Attention',
      domain: importContrib(this.#ctx.model),
      name: attention.name,
      inputs: [input, weight, bias || this.#zerosOf(3 * hidden, dtype), ...(added === '' ? [] : ['', '', added])],
      outputs: [attention.outputs[0]!],
    });
    for (const [name, attribute] of attention.attributes) setAttr(packed, name, attribute);
    const labels = [...replaced, attention].map(labelOf);
    editor.replaceNode(attention, [packed]);
    for (const node of [...replaced].reverse()) editor.removeNode(node);
    // The list of sizes that the three were cut by; weights of products are the packed operator's.
    for (const name of replaced.flatMap(({ inputs }) => inputs)) {
      const isUnread = editor.countUses(name) === 0 && !editor.isGraphOutput(name);
      if (isUnread && editor.graph.initializers.get(name)?.dtype === 'int64') editor.removeInitializer(name);
    }
    this.#ctx.ledger.record('packed query, key and value', labels, [labelOf(packed)]);
  }

  #zerosOf(width: number, dtype: DType): string {
    const key = `${width} ${dtype}`;
    const name =
      this.#zeros.get(key) ??
      this.#scope.editor.addInitializer(
        tensorFromNumbers(`zeros_${width}`, dtype, [width], Array<number>(width).fill(0)),
      );
    this.#zeros.set(key, name);
    return name;
  }
}

/**
 * Without the operator there is nothing to gain on one thread: one product and a Split took 0.99 to 1.03 times as long as
 * three products, the operator 0.79 to 1.01 times, for one token 1.01 to 1.04 times (onnxruntime-web 1.30, WASM, hidden
 * sizes 64 to 768, 1 to 197 tokens, runs in turns); on two threads it took 0.68 to 0.93 times for several tokens.
 */
export const step = defineStep({
  id: 'pack-qkv',
  title: 'Pack Q, K and V',
  summary:
    'Lets a self-attention make query, key and value of its input itself: three products, or one that is cut in three, and their biases become part of it.',
  section: 'fusion',
  order: 298,
  // Quantizers look for the products; where they have changed one, all three stay.
  afterQuantization: true,
  params: z.object({
    operators: operatorsParam(
      'any: Attention of onnxruntime. standard: there is no such operator, so nothing is packed.',
    ),
  }),
  precision: 'exact-within-fp',
  needs: {},
  source: 'com.microsoft.Attention-1 and MultiHeadAttention-1 of onnxruntime 1.30 (ContribOperators.md)',
  runsOn: ({ operators }) =>
    operators === 'any' ? { ...runsEverywhere, ...contribSupport('Attention') } : runsEverywhere,
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !ctx.model.opsetImports.has(CONTRIB_DOMAIN)) return;
    await editEveryGraph(
      ctx,
      async (scope) => {
        const packer = new Packer(ctx, scope);
        for (const group of bySharedWeights(scope)) await packer.pack(group);
      },
      { ops: ['MultiHeadAttention'] },
    );
  },
});
