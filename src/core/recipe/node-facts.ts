/** The nodes of a model as name patterns of recipes see them. */
import type { Graph, Model } from '../ir/types.ts';
import { forEachNode } from '../ir/walk.ts';
import { nodeLabel } from '../quant/support/patterns.ts';

export interface NodeFact {
  /** Its name, else its first output's. */
  readonly name: string;
  readonly opType: string;
  /** Elements of its constant inputs of two dimensions or more. */
  readonly parameters: number;
}

export function nodeFacts(model: Model): NodeFact[] {
  const sizes = new Map<Graph, ReadonlyMap<string, number>>();
  const facts: NodeFact[] = [];
  forEachNode(model, (node, { graph }) => {
    if (node.opType === 'Constant') return;
    const known = graph && (sizes.get(graph) ?? weightSizes(graph));
    if (graph && known) sizes.set(graph, known);
    const parameters = node.inputs.reduce((sum, name) => sum + (known?.get(name) ?? 0), 0);
    facts.push({ name: nodeLabel(node), opType: node.opType, parameters });
  });
  return facts;
}

function weightSizes(graph: Graph): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const [name, { dims }] of graph.initializers)
    if (dims.length >= 2)
      sizes.set(
        name,
        dims.reduce((product, size) => product * size, 1),
      );
  return sizes;
}
