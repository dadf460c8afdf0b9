/** Functions that a model defines itself: which is called where, and copies of their bodies for a caller. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { FunctionDef, Model, Node } from '../../ir/types.ts';
import { subgraphsOf } from '../../ir/walk.ts';
import { type Attributes, BodyCopy } from './copy-body.ts';

const keyOf = (domain: string, name: string, overload = '') => `${domain}\u0000${name}\u0000${overload}`;

export type FunctionTable = ReadonlyMap<string, FunctionDef>;

export function functionTable(model: Model): FunctionTable {
  return new Map(model.functions.map((one) => [keyOf(one.domain, one.name, one.overload), one]));
}

export function calleeOf(table: FunctionTable, node: Node): FunctionDef | undefined {
  return table.size === 0 ? undefined : table.get(keyOf(node.domain, node.opType, node.overload));
}

/** Every node of a list and of the subgraphs in it. */
function* nodesWithin(roots: readonly Node[]): Generator<Node> {
  const pending: (readonly Node[])[] = [roots];
  for (let nodes = pending.pop(); nodes; nodes = pending.pop()) {
    for (const node of nodes) {
      yield node;
      for (const { nodes: inner } of subgraphsOf(node)) pending.push(inner);
    }
  }
}

/** Functions that the model's graph calls, directly or through another function. */
export function calledFunctions(model: Model, table: FunctionTable): Set<FunctionDef> {
  const called = new Set<FunctionDef>();
  const pending: (readonly Node[])[] = [model.graph.nodes];
  for (let nodes = pending.pop(); nodes; nodes = pending.pop()) {
    for (const node of nodesWithin(nodes)) {
      const callee = calleeOf(table, node);
      if (!callee || called.has(callee)) continue;
      called.add(callee);
      pending.push(callee.nodes);
    }
  }
  return called;
}

/**
 * How many nodes a call comes to when everything that it calls is put in place: Infinity for a function that calls
 * itself, which the standard forbids. Without recursion over the functions.
 */
export function expandedSizes(table: FunctionTable): ReadonlyMap<FunctionDef, number> {
  const sizes = new Map<FunctionDef, number>();
  for (const root of table.values()) {
    const open = new Set<FunctionDef>();
    const stack = [root];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      if (sizes.has(top)) {
        stack.pop();
        continue;
      }
      open.add(top);
      const nodes = [...nodesWithin(top.nodes)];
      const callees = nodes.flatMap((node) => calleeOf(table, node) ?? []);
      const unknown = callees.filter((callee) => !sizes.has(callee));
      if (unknown.some((callee) => open.has(callee))) sizes.set(top, Number.POSITIVE_INFINITY);
      else if (unknown.length > 0) for (const callee of new Set(unknown)) stack.push(callee);
      else sizes.set(top, nodes.length - callees.length + callees.reduce((sum, callee) => sum + sizes.get(callee)!, 0));
      if (sizes.has(top)) open.delete(top);
    }
  }
  return sizes;
}

/**
 * The nodes of a function for one of its calls: values named for the caller, attributes filled in. The outputs that the
 * caller leaves out get names too.
 */
export function instantiate(editor: GraphEditor, call: Node, definition: FunctionDef): Node[] {
  const prefix = call.name || call.outputs.find((output) => output !== '') || call.opType;
  const copy = new BodyCopy(editor, prefix, attributesFor(call, definition));
  const names = new Map<string, string>();
  for (const [at, input] of definition.inputs.entries()) names.set(input, call.inputs[at] ?? '');
  const made = new Set(definition.nodes.flatMap((node) => node.outputs));
  const identities: { from: string; to: string }[] = [];
  for (const [at, output] of definition.outputs.entries()) {
    const target = call.outputs[at] ?? '';
    if (target === '') continue;
    // An input that is returned as it is, or a value that is returned twice.
    if (names.has(output) || !made.has(output)) identities.push({ from: output, to: target });
    else names.set(output, target);
  }
  for (const value of made) if (value !== '' && !names.has(value)) names.set(value, copy.fresh(value));
  const nodes = definition.nodes.map((node) => copy.node(node, names));
  for (const { from, to } of identities) {
    const source = names.get(from) ?? from;
    nodes.push({
      name: copy.fresh('Identity'),
      opType: 'Identity',
      domain: '',
      inputs: [source],
      outputs: [to],
      attributes: new Map(),
    });
  }
  return nodes;
}

function attributesFor(call: Node, definition: FunctionDef): Attributes {
  const given = new Map(definition.attributeDefaults);
  for (const [name, attribute] of call.attributes) given.set(name, attribute);
  return given;
}
