import type { Graph, Node } from './types.ts';
import { localValues, subgraphsOf } from './walk.ts';

/**
 * Inside a subgraph and those below it, makes what reads the outer value `from` read the outer value `to`. A graph that
 * defines `from` itself means its own, and is left alone; one that reads the outer `from` but has a local `to` gets that
 * local one renamed first, or the two would be confused. A subgraph's output may name an outer value too; since an
 * output's name is only a position there, it is renamed like any use.
 */
export function renameCapturedUses(graph: Graph, from: string, to: string, freshName: (hint: string) => string): void {
  const local = localValues(graph);
  if (local.has(from)) return;
  if (local.has(to)) renameLocal(graph, to, freshName(to), freshName);
  for (const output of graph.outputs) if (output.name === from) output.name = to;
  renameReads(graph, from, to, freshName);
}

function renameReads(graph: Graph, from: string, to: string, freshName: (hint: string) => string): void {
  for (const node of graph.nodes) {
    if (node.inputs.includes(from)) node.inputs = replaceName(node.inputs, from, to);
    for (const inner of subgraphsOf(node)) renameCapturedUses(inner, from, to, freshName);
  }
}

function renameLocal(graph: Graph, from: string, to: string, freshName: (hint: string) => string): void {
  renameReads(graph, from, to, freshName);
  for (const node of graph.nodes as Node[])
    if (node.outputs.includes(from)) node.outputs = replaceName(node.outputs, from, to);
  for (const info of [...graph.inputs, ...graph.outputs]) if (info.name === from) info.name = to;
  const tensor = graph.initializers.get(from);
  if (tensor) {
    graph.initializers.delete(from);
    graph.initializers.set(to, { ...tensor, name: to });
  }
  graph.sparseInitializers = graph.sparseInitializers.map((sparse) =>
    sparse.values.name === from ? { ...sparse, values: { ...sparse.values, name: to } } : sparse,
  );
  const info = graph.valueInfo.get(from);
  if (info) {
    graph.valueInfo.delete(from);
    graph.valueInfo.set(to, { ...info, name: to });
  }
}

const replaceName = (names: readonly string[], from: string, to: string): string[] =>
  names.map((name) => (name === from ? to : name));
