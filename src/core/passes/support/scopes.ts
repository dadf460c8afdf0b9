/**
 * Walking every graph of a model with an editor: the main graph, the subgraphs of If, Loop and Scan, and function
 * bodies. Inner graphs come first, so that the index an outer editor builds of their captured values is never stale.
 */
import { throwIfCancelled } from '../../base/cancel.ts';
import { GraphEditor } from '../../ir/editor.ts';
import type { FunctionDef, Graph, Node } from '../../ir/types.ts';
import { isDefaultDomain, subgraphsOf } from '../../ir/walk.ts';
import type { StepContext } from '../../step/define.ts';

/** One graph being edited. */
export interface Scope {
  readonly editor: GraphEditor;
  readonly graph: Graph;
  /** Nodes as they stood when the scope was entered; a node may be gone by the time it is looked at. */
  readonly nodes: readonly Node[];
  /** Version of ai.onnx in force. */
  readonly opset: number;
  readonly kind: 'main' | 'subgraph' | 'function';
}

export interface ScopeOptions {
  /** Graphs without any of these operators are left out, which spares the index of their values. */
  readonly ops?: readonly string[];
  /** Function bodies have no initializers and unknown shapes; only steps that need neither ask for them. */
  readonly functions?: boolean;
}

type Edit = (scope: Scope) => Promise<void> | void;

/** Version of ai.onnx that a model imports; 1 where it imports none, as the specification says for IR version 1 and 2. */
export function opsetOf(imports: ReadonlyMap<string, number>): number {
  return imports.get('') ?? imports.get('ai.onnx') ?? 1;
}

/** Calls `edit` once for every graph, innermost first. */
export async function editEveryGraph(ctx: StepContext, edit: Edit, options: ScopeOptions = {}): Promise<void> {
  const { model } = ctx;
  const { ops } = options;
  if (ops === undefined || containsOp(model.graph, ops)) {
    const editor = GraphEditor.forModel(model);
    await editGraph(ctx, editor, opsetOf(model.opsetImports), 'main', edit, ops);
  }
  if (!options.functions) return;
  for (const definition of model.functions) await editFunction(ctx, definition, edit);
}

async function editGraph(
  ctx: StepContext,
  editor: GraphEditor,
  opset: number,
  kind: Scope['kind'],
  edit: Edit,
  ops?: readonly string[],
): Promise<void> {
  throwIfCancelled(ctx.signal);
  const { graph } = editor;
  for (const node of graph.nodes) {
    for (const subgraph of subgraphsOf(node)) {
      if (ops && !containsOp(subgraph, ops)) continue;
      await editGraph(ctx, new GraphEditor(subgraph, editor), opset, 'subgraph', edit, ops);
    }
  }
  await edit({ editor, graph, nodes: [...graph.nodes], opset, kind });
  editor.finish();
}

/** Is any of these operators in the graph or inside its subgraphs? */
export function containsOp(graph: Graph, ops: readonly string[]): boolean {
  return graph.nodes.some(
    (node) => ops.includes(node.opType) || subgraphsOf(node).some((subgraph) => containsOp(subgraph, ops)),
  );
}

/** Function bodies are edited as a graph without types; nothing here may add an initializer to them. */
async function editFunction(ctx: StepContext, definition: FunctionDef, edit: Edit): Promise<void> {
  const graph: Graph = {
    name: definition.name,
    nodes: definition.nodes,
    inputs: definition.inputs.map((name) => ({ name })),
    outputs: definition.outputs.map((name) => ({ name })),
    initializers: new Map(),
    sparseInitializers: [],
    valueInfo: definition.valueInfo,
    quantizationAnnotations: [],
  };
  await editGraph(ctx, new GraphEditor(graph), opsetOf(definition.opsetImports), 'function', edit);
  definition.nodes = graph.nodes;
}

/** A few words that name a node in the ledger: its name, or its first output. */
export function labelOf(node: Node): string {
  return node.name || node.outputs.find((output) => output !== '') || node.opType;
}

/** True when an attribute's value is the caller's (inside a function): nothing may be concluded from it. */
export function hasReferencedAttributes(node: Node): boolean {
  for (const attribute of node.attributes.values()) if (attribute.type === 'reference') return true;
  return false;
}

/** Never set: it only keeps the compiler from concluding that a node that does not match is none at all. */
declare const matched: unique symbol;
export type MatchedNode = Node & { readonly [matched]: true };

/** Is this a node of ai.onnx with the given type whose attributes are all known? */
export function isOp(node: Node | undefined, ...opTypes: readonly string[]): node is MatchedNode {
  return (
    node !== undefined &&
    isDefaultDomain(node.domain) &&
    opTypes.includes(node.opType) &&
    !hasReferencedAttributes(node)
  );
}
