/**
 * All graphs of a model under edit at once. A weight may lie in an outer graph and be read in an inner one, so a
 * quantizer needs both editors: the new weight goes where the old one was.
 */
import { GraphEditor } from '../../ir/editor.ts';
import type { Graph, Model, Node } from '../../ir/types.ts';
import { subgraphsOf } from '../../ir/walk.ts';

export interface Scope {
  readonly editor: GraphEditor;
  readonly graph: Graph;
  readonly outer: Scope | undefined;
  /** Position in the list of scopes; part of cache keys. */
  readonly index: number;
}

/** The main graph and every subgraph, outer graphs first. Function bodies are left out: they hold no initializers. */
export function openScopes(model: Model): Scope[] {
  const main: Scope = { editor: GraphEditor.forModel(model), graph: model.graph, outer: undefined, index: 0 };
  const scopes = [main];
  for (let at = 0; at < scopes.length; at += 1) {
    const outer = scopes[at]!;
    for (const node of outer.graph.nodes)
      for (const graph of subgraphsOf(node))
        scopes.push({ editor: new GraphEditor(graph, outer.editor), graph, outer, index: scopes.length });
  }
  return scopes;
}

/** Writes the edits back, inner graphs first, as their outer editors require. */
export function closeScopes(scopes: readonly Scope[]): void {
  for (let at = scopes.length - 1; at >= 0; at -= 1) scopes[at]!.editor.finish();
}

/** The scope in which a value read in `scope` is defined; undefined when nothing defines it. */
export function definingScope(scope: Scope, value: string): Scope | undefined {
  for (let at: Scope | undefined = scope; at; at = at.outer) {
    const { editor, graph } = at;
    if (graph.initializers.has(value) || editor.producerOf(value) || editor.isGraphInput(value)) return at;
  }
  return undefined;
}

export function opsetOf(model: Model): number {
  return model.opsetImports.get('') ?? model.opsetImports.get('ai.onnx') ?? 1;
}

/** Declares onnxruntime's own operators in the model. */
export function importContribOps(model: Model): void {
  if (!model.opsetImports.has('com.microsoft')) model.opsetImports.set('com.microsoft', 1);
}

/** Every node with the scope it is in. */
export function* nodesOf(scopes: readonly Scope[]): Generator<{ node: Node; scope: Scope }> {
  for (const scope of scopes) for (const node of scope.editor.nodes()) yield { node, scope };
}
