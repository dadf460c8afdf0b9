import { z } from 'zod';
import { throwIfCancelled } from '../base/cancel.ts';
import { GraphEditor } from '../ir/editor.ts';
import type { Tensor } from '../ir/types.ts';
import { forEachGraph, localValues, subgraphsOf } from '../ir/walk.ts';
import { defineStep, runsEverywhere, type StepContext } from '../step/define.ts';
import { likenessKey, sameTensor, shellOf } from './support/same-tensor.ts';

/** The weights of one graph, by what a cheap look tells apart. */
type Layer = Map<string, { readonly name: string; readonly tensor: Tensor }[]>;

const increment = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

class Deduplication {
  readonly #ctx: StepContext;
  /** How many graphs define a name. One that hides another is not given more readers: runtimes mix the two up. */
  readonly #definitions = new Map<string, number>();
  /** How many weights share dtype and dims: one alone needs no reading. */
  readonly #shells = new Map<string, number>();

  constructor(ctx: StepContext) {
    this.#ctx = ctx;
    forEachGraph(ctx.model, (graph) => {
      for (const name of localValues(graph)) increment(this.#definitions, name);
      for (const tensor of graph.initializers.values()) increment(this.#shells, shellOf(tensor));
    });
  }

  /** Keeps the first of several equal weights; a subgraph may use that of a graph around it. */
  async run(editor: GraphEditor, outer: readonly Layer[]): Promise<void> {
    throwIfCancelled(this.#ctx.signal);
    const { graph } = editor;
    const layers: readonly Layer[] = [...outer, new Map()];
    for (const [name, tensor] of [...graph.initializers]) {
      // A weight that a caller may override, or that the graph returns by name, is not like the others.
      if (editor.isGraphOutput(name) || editor.isGraphInput(name) || this.#shells.get(shellOf(tensor)) === 1) continue;
      await this.#dedupe(editor, layers, name, tensor);
    }
    editor.finish();
    for (const node of graph.nodes) {
      for (const subgraph of subgraphsOf(node)) await this.run(new GraphEditor(subgraph, editor), layers);
    }
  }

  async #dedupe(editor: GraphEditor, layers: readonly Layer[], name: string, tensor: Tensor): Promise<void> {
    const key = await likenessKey(tensor);
    const equal = await this.#firstEqual(layers, key, tensor);
    if (equal === undefined) {
      const own = layers.at(-1)!;
      const group = own.get(key);
      if (group) group.push({ name, tensor });
      else own.set(key, [{ name, tensor }]);
      return;
    }
    editor.replaceUses(name, equal);
    editor.graph.initializers.delete(name);
    editor.graph.valueInfo.delete(name);
    this.#ctx.ledger.record('merged an equal initializer', [name], [equal]);
  }

  /** Searches from the innermost graph outwards. */
  async #firstEqual(layers: readonly Layer[], key: string, tensor: Tensor): Promise<string | undefined> {
    for (let depth = layers.length - 1; depth >= 0; depth--) {
      const isOwn = depth === layers.length - 1;
      for (const known of layers[depth]!.get(key) ?? []) {
        const isClear = isOwn || this.#definitions.get(known.name) === 1;
        if (isClear && (await sameTensor(known.tensor, tensor))) return known.name;
      }
    }
    return undefined;
  }
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
  run: (ctx) => new Deduplication(ctx).run(GraphEditor.forModel(ctx.model), []),
});
