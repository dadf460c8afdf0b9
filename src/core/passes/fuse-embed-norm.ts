import { z } from 'zod';
import { attrFloat, attrInt, floatAttr, intAttr } from '../ir/attributes.ts';
import { makeNode } from '../ir/build.ts';
import { dtypeInfo } from '../ir/dtype.ts';
import type { GraphEditor } from '../ir/editor.ts';
import type { Node } from '../ir/types.ts';
import {
  defineStep,
  type ExecutionProvider,
  type ProviderSupport,
  runsEverywhere,
  type StepContext,
} from '../step/define.ts';
import { importContrib, operatorsParam } from './support/contrib.ts';
import { type FactLookup, factsIn, sameShape } from './support/facts.ts';
import { madeBy } from './support/pattern.ts';
import { containsOp, editEveryGraph, isOp, labelOf } from './support/scopes.ts';

const ops = ['LayerNormalization'];
const dtypes = new Set(['float32', 'float16']);

/** A row of a table for each index. */
interface Lookup {
  readonly node: Node;
  readonly table: string;
  readonly ids: string;
}

interface Match {
  readonly words: Lookup;
  readonly positions: Lookup;
  readonly segments: Lookup | undefined;
  readonly adds: readonly Node[];
  readonly norm: Node;
}

/** The summands of x, up to three, through sums that nothing else reads; the outermost sum may be read elsewhere. */
function summands(editor: GraphEditor, x: string): { readonly leaves: string[]; readonly adds: Node[] } | undefined {
  const outer = madeBy(editor, x, 'Add');
  if (!outer) return undefined;
  const inner = outer.inputs.flatMap((input) => {
    const node = editor.singleConsumer(input) ? madeBy(editor, input, 'Add') : undefined;
    return node ? [node] : [];
  });
  if (inner.length > 1) return undefined;
  const [first] = inner;
  const leaves = outer.inputs.flatMap((input) => (first && input === first.outputs[0] ? first.inputs : [input]));
  return { leaves, adds: first ? [first, outer] : [outer] };
}

function lookupOf(editor: GraphEditor, facts: FactLookup, value: string): Lookup | undefined {
  const node = madeBy(editor, value, 'Gather');
  const [table, ids] = node?.inputs ?? [];
  if (!node || !table || !ids || intAttr(node, 'axis', 0) !== 0) return undefined;
  const { dims = [] } = editor.constantOf(table) ?? {};
  const dtype = facts(ids)?.dtype;
  const fits = dims.length === 2 && facts(ids)?.shape?.length === 2 && (dtype === 'int64' || dtype === 'int32');
  return fits ? { node, table, ids } : undefined;
}

/** @param norm a LayerNormalization that may follow the sum of two or three embeddings */
function match(editor: GraphEditor, facts: FactLookup, norm: Node): Match | undefined {
  if (!isOp(norm, ...ops) || norm.outputs.slice(1).some((output) => output !== '')) return undefined;
  const [x = '', gamma = '', beta = ''] = norm.inputs;
  const total = facts(x);
  const isVector = (name: string) => editor.constantOf(name)?.dims.length === 1;
  const axis = intAttr(norm, 'axis', -1);
  if (total?.shape?.length !== 3 || !dtypes.has(total.dtype ?? '') || (axis !== -1 && axis !== 2)) return undefined;
  if (!isVector(gamma) || !isVector(beta)) return undefined;
  const sum = summands(editor, x);
  const lookups = sum?.leaves.map((leaf) => lookupOf(editor, facts, leaf)) ?? [];
  if (!sum || lookups.length > 3 || lookups.some((lookup) => !lookup)) return undefined;
  // Which table is which matters only for the shape of the indices: positions may be the same for a whole batch.
  const rows = total.shape.slice(0, 2);
  const isWhole = (lookup: Lookup) => sameShape(facts(lookup.ids)?.shape, rows);
  const all = lookups as Lookup[];
  const shared = all.filter((lookup) => !isWhole(lookup));
  const positions = shared[0] ?? all[1]!;
  const rest = all.filter((lookup) => lookup !== positions);
  const shape = facts(positions.ids)?.shape;
  if (shared.length > 1 || !shape || (shared.length === 1 && !sameShape(shape, [1, rows[1]!]))) return undefined;
  const [words, segments] = rest;
  return words ? { words, positions, segments, adds: sum.adds, norm } : undefined;
}

/** Indices as the kernel wants them. */
function asInt32(editor: GraphEditor, facts: FactLookup, ids: string, before: Node): string {
  if (facts(ids)?.dtype === 'int32') return ids;
  const known = editor
    .consumersOf(ids)
    .find((node) => isOp(node, 'Cast') && intAttr(node, 'to', 0) === dtypeInfo.int32.onnx);
  if (known) return known.outputs[0]!;
  const cast = makeNode({
    opType: 'Cast',
    name: editor.freshName(`${ids}/Cast`),
    inputs: [ids],
    outputs: [editor.freshName(`${ids}/int32`)],
    attributes: { to: attrInt(dtypeInfo.int32.onnx) },
  });
  editor.addNode(cast, { before });
  return cast.outputs[0]!;
}

function fuse(ctx: StepContext, editor: GraphEditor, facts: FactLookup, found: Match): void {
  const { words, positions, segments, adds, norm } = found;
  const sum = adds.at(-1)!.outputs[0]!;
  const isRead = editor.singleConsumer(sum) === undefined;
  const ids = (lookup: Lookup) => asInt32(editor, facts, lookup.ids, norm);
  const [, gamma, beta] = norm.inputs as [string, string, string];
  const fused = makeNode({
    opType: 'EmbedLayerNormalization',
    domain: importContrib(ctx.model),
    name: norm.name,
    inputs: [
      ids(words),
      segments ? ids(segments) : '',
      words.table,
      positions.table,
      segments?.table ?? '',
      gamma,
      beta,
      '',
      ids(positions),
    ],
    // The second output is a summary of a mask, which is not given.
    outputs: [norm.outputs[0]!, editor.freshName(`${norm.outputs[0]}/mask_index`), ...(isRead ? [sum] : [])],
    attributes: { epsilon: attrFloat(floatAttr(norm, 'epsilon', 1e-5)) },
  });
  const gone = [...adds];
  for (const add of [...adds].reverse()) editor.removeNode(add);
  for (const { node } of [words, positions, ...(segments ? [segments] : [])]) {
    const [output] = node.outputs as [string];
    if (!editor.has(node) || editor.isGraphOutput(output) || editor.countUses(output) > 0) continue;
    editor.removeNode(node);
    gone.unshift(node);
  }
  editor.replaceNode(norm, [fused]);
  ctx.ledger.record('fused an EmbedLayerNormalization', [...gone, norm].map(labelOf), [labelOf(fused)]);
}

const onCpu: Partial<Record<ExecutionProvider, ProviderSupport>> = {
  webgpu: {
    level: 'partial',
    reason: 'com.microsoft.EmbedLayerNormalization has no WebGPU kernel and runs on the CPU',
  },
  webnn: { level: 'partial', reason: 'com.microsoft.EmbedLayerNormalization is unknown to WebNN and runs on the CPU' },
};

/**
 * Before fuse-skip-norm, which would take the last sum. Unlike Gather the operator refuses negative indices, and the
 * tables are out of reach for steps that quantize embeddings: two reasons to be asked for.
 */
export const step = defineStep({
  id: 'fuse-embed-norm',
  title: 'Fuse embeddings + normalization',
  summary:
    'Replaces word, position and segment lookups, their sum and the LayerNormalization after it by one operator. For CPU and WASM.',
  section: 'fusion',
  order: 271,
  params: z.object({
    operators: operatorsParam(
      'any: EmbedLayerNormalization of onnxruntime. standard: there is no such operator, so nothing is fused.',
    ),
  }),
  precision: 'exact-within-fp',
  optIn: true,
  needs: {},
  source: 'com.microsoft.EmbedLayerNormalization-1 of onnxruntime 1.30 (ContribOperators.md)',
  runsOn: ({ operators }) => (operators === 'any' ? { ...runsEverywhere, ...onCpu } : runsEverywhere),
  run: async (ctx, { operators }) => {
    if (operators === 'standard' || !containsOp(ctx.model.graph, ops)) return;
    const table = await ctx.shapes();
    await editEveryGraph(
      ctx,
      ({ editor, nodes, graph, kind }) => {
        const facts = factsIn(table, graph, kind);
        for (const node of nodes) {
          const found = match(editor, facts, node);
          if (found) fuse(ctx, editor, facts, found);
        }
      },
      { ops },
    );
  },
});
