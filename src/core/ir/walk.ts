/** Walking over everything that a model holds: subgraphs of If, Loop, Scan and the bodies of functions included. */
import type { FunctionDef, Graph, Model, Node, Tensor } from './types.ts';

/** 'Conv', or 'com.microsoft.Gelu' outside the default domain. */
export function opName(node: { readonly opType: string; readonly domain: string }): string {
  return isDefaultDomain(node.domain) ? node.opType : `${node.domain}.${node.opType}`;
}

/** '' and 'ai.onnx' are the same domain. */
export function isDefaultDomain(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

/** The graphs in a node's attributes (If, Loop, Scan, SequenceMap, ...), not those nested deeper. */
export function subgraphsOf(node: Node): Graph[] {
  if (node.attributes.size === 0) return [];
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.type === 'graph') graphs.push(attribute.value);
    else if (attribute.type === 'graphs') graphs.push(...attribute.value);
  }
  return graphs;
}

export interface GraphVisit {
  readonly graph: Graph;
  /** 0 for the main graph and for graphs in the nodes of a function. */
  readonly depth: number;
  /** The node whose attribute the graph is; undefined for the main graph. */
  readonly owner?: Node;
  readonly outer?: Graph;
  /** Set when the graph is inside the body of a function. */
  readonly functionDef?: FunctionDef;
}

/** Visits the main graph and every graph inside it and inside functions; outer graphs before inner ones. */
export function forEachGraph(model: Model, visit: (graph: Graph, where: GraphVisit) => void): void {
  const pending: GraphVisit[] = [];
  for (const functionDef of [...model.functions].reverse())
    for (const node of [...functionDef.nodes].reverse()) pushSubgraphs(pending, node, { functionDef, depth: 0 });
  pending.push({ graph: model.graph, depth: 0 });
  for (let at = pending.pop(); at; at = pending.pop()) {
    visit(at.graph, at);
    const inner = { outer: at.graph, depth: at.depth + 1, ...(at.functionDef ? { functionDef: at.functionDef } : {}) };
    for (let i = at.graph.nodes.length - 1; i >= 0; i -= 1) pushSubgraphs(pending, at.graph.nodes[i]!, inner);
  }
}

function pushSubgraphs(pending: GraphVisit[], owner: Node, where: Omit<GraphVisit, 'graph' | 'owner'>): void {
  for (const attribute of owner.attributes.values())
    if (attribute.type === 'graph' || attribute.type === 'graphs') {
      for (const graph of subgraphsOf(owner).reverse()) pending.push({ ...where, graph, owner });
      return;
    }
}

export interface NodeVisit {
  /** The graph that lists the node; undefined directly in the body of a function. */
  readonly graph?: Graph;
  readonly functionDef?: FunctionDef;
}

/** Visits every node of the main graph, of subgraphs and of functions. */
export function forEachNode(model: Model, visit: (node: Node, where: NodeVisit) => void): void {
  forEachGraph(model, (graph, { functionDef }) => {
    const where = functionDef ? { graph, functionDef } : { graph };
    for (const node of graph.nodes) visit(node, where);
  });
  for (const functionDef of model.functions) for (const node of functionDef.nodes) visit(node, { functionDef });
}

export interface WeightVisit extends NodeVisit {
  readonly kind: 'initializer' | 'constant';
  /** The Constant node, for kind 'constant'. */
  readonly node?: Node;
  /** The name by which nodes read the weight. */
  readonly valueName: string;
  /** Puts another tensor in its place; for an initializer it must keep the name. */
  readonly replace: (tensor: Tensor) => void;
}

/** Visits initializers and the tensors of Constant nodes, wherever they are. Sparse initializers are left out. */
export function forEachWeight(model: Model, visit: (tensor: Tensor, where: WeightVisit) => void): void {
  forEachGraph(model, (graph, { functionDef }) => {
    const within = functionDef ? { functionDef } : {};
    for (const [valueName, tensor] of [...graph.initializers]) {
      const replace = (replacement: Tensor): void => void graph.initializers.set(valueName, replacement);
      visit(tensor, { ...within, graph, kind: 'initializer', valueName, replace });
    }
  });
  forEachNode(model, (node, where) => {
    if (node.opType !== 'Constant' || !isDefaultDomain(node.domain)) return;
    const attribute = node.attributes.get('value');
    if (attribute?.type !== 'tensor') return;
    const replace = (value: Tensor): void => void node.attributes.set('value', { ...attribute, value });
    visit(attribute.value, { ...where, kind: 'constant', node, valueName: node.outputs[0] ?? '', replace });
  });
}

/**
 * Values of outer scopes that the node's subgraphs read, each once, in order of first use. A name counts as local to a
 * subgraph when it is an input, an initializer or any node's output there.
 */
export function implicitInputsOf(node: Node): string[] {
  if (node.attributes.size === 0) return [];
  const subgraphs = subgraphsOf(node);
  if (subgraphs.length === 0) return [];
  const captured = new Set<string>();
  for (const graph of subgraphs) collectCaptured(graph, captured);
  return [...captured];
}

/** Recursion is over nesting only, which the reader limits. */
function collectCaptured(graph: Graph, captured: Set<string>): void {
  const local = localValues(graph);
  const note = (value: string): void => {
    if (value !== '' && !local.has(value)) captured.add(value);
  };
  for (const node of graph.nodes) {
    for (const input of node.inputs) note(input);
    for (const value of implicitInputsOf(node)) note(value);
  }
  for (const output of graph.outputs) note(output.name);
}

/** Names that a graph defines itself. */
export function localValues(graph: Graph): Set<string> {
  const local = new Set<string>(graph.initializers.keys());
  for (const sparse of graph.sparseInitializers) local.add(sparse.values.name);
  for (const input of graph.inputs) local.add(input.name);
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') local.add(output);
  return local;
}

/** Everything a node reads: its inputs that are not left out, then what its subgraphs capture. May repeat names. */
export function usedValuesOf(node: Node): string[] {
  const direct = node.inputs.filter((input) => input !== '');
  const captured = implicitInputsOf(node);
  return captured.length === 0 ? direct : [...direct, ...captured];
}
