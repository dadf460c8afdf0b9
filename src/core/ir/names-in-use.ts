import type { Graph } from './types.ts';
import { localValues, subgraphsOf } from './walk.ts';

/**
 * Names in use in a whole nest of graphs, shared by its editors. Most edits take no new name, so they are collected when
 * one is asked for; `graph.nodes` still lists the nodes that were taken out by then.
 */
export class NamesInUse {
  readonly #root: Graph;
  readonly #added: string[] = [];
  #all: Set<string> | undefined;

  constructor(root: Graph) {
    this.#root = root;
  }

  add(name: string): void {
    if (this.#all) this.#all.add(name);
    else this.#added.push(name);
  }

  has(name: string): boolean {
    if (!this.#all) {
      this.#all = collectNames(this.#root);
      for (const added of this.#added) this.#all.add(added);
    }
    return this.#all.has(name);
  }
}

/** Every value and node name in a graph and inside its subgraphs. */
function collectNames(root: Graph): Set<string> {
  const names = new Set<string>();
  const pending = [root];
  for (let graph = pending.pop(); graph; graph = pending.pop()) {
    for (const name of localValues(graph)) names.add(name);
    for (const name of graph.valueInfo.keys()) names.add(name);
    for (const output of graph.outputs) names.add(output.name);
    for (const node of graph.nodes) {
      if (node.name !== '') names.add(node.name);
      for (const input of node.inputs) names.add(input);
      pending.push(...subgraphsOf(node));
    }
  }
  return names;
}
