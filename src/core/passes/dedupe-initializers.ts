import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import { GraphEditor } from '../ir/editor.ts';
import type { Graph, Tensor } from '../ir/types.ts';
import { localValues, subgraphsOf } from '../ir/walk.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { likenessKey, sameTensor } from './support/same-tensor.ts';

/** The weights of one graph, by what a cheap look tells apart. */
interface Layer {
  readonly byKey: Map<string, { readonly name: string; readonly tensor: Tensor }[]>;
  /** Names the graph defines: they hide equal names of the layers around it. */
  readonly local: ReadonlySet<string>;
}

/** Keeps the first of several equal weights; a subgraph may use that of a graph around it. */
async function dedupeGraph(ctx: StepContext, editor: GraphEditor, outer: readonly Layer[]): Promise<void> {
  throwIfCancelled(ctx.signal);
  const { graph } = editor;
  const layers = [...outer, { byKey: new Map(), local: localValues(graph) }];
  for (const [name, tensor] of [...graph.initializers]) {
    // A weight that a caller may override, or that the graph returns by name, is not like the others.
    if (editor.isGraphOutput(name) || editor.isGraphInput(name)) continue;
    await dedupeTensor(ctx, editor, layers, name, tensor);
  }
  editor.finish();
  for (const node of graph.nodes) {
    for (const subgraph of subgraphsOf(node)) await dedupeGraph(ctx, new GraphEditor(subgraph, editor), layers);
  }
}

async function dedupeTensor(
  ctx: StepContext,
  editor: GraphEditor,
  layers: readonly Layer[],
  name: string,
  tensor: Tensor,
): Promise<void> {
  const key = await likenessKey(tensor);
  const equal = await firstEqual(layers, key, tensor);
  if (equal === undefined) {
    const { byKey } = layers.at(-1)!;
    byKey.set(key, [...(byKey.get(key) ?? []), { name, tensor }]);
    return;
  }
  editor.replaceUses(name, equal);
  dropInitializer(editor.graph, name);
  ctx.ledger.record('merged an equal initializer', [name], [equal]);
}

function dropInitializer(graph: Graph, name: string): void {
  graph.initializers.delete(name);
  graph.valueInfo.delete(name);
}

/** Searches from the innermost graph outwards, skipping names that a graph in between defines anew. */
async function firstEqual(layers: readonly Layer[], key: string, tensor: Tensor): Promise<string | undefined> {
  for (let depth = layers.length - 1; depth >= 0; depth--) {
    for (const known of layers[depth]!.byKey.get(key) ?? []) {
      const isHidden = layers.slice(depth + 1).some(({ local }) => local.has(known.name));
      if (!isHidden && (await sameTensor(known.tensor, tensor))) return known.name;
    }
  }
  return undefined;
}

export const step = defineStep({
  id: 'dedupe-initializers',
  title: 'Merge equal weights',
  summary: 'Keeps one copy of weights that hold the same bytes, across subgraphs too.',
  section: 'cleanup',
  order: 170,
  params: z.object({}),
  precision: 'exact',
  needs: {},
  source: 'Byte comparison of dtype, dims and payload; large weights are compared in pieces',
  runsOn: () => runsEverywhere,
  run: (ctx) => dedupeGraph(ctx, GraphEditor.forModel(ctx.model), []),
});
