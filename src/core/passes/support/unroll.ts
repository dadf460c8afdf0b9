/** Writing the turns of a Loop one after the other. */
import { attrInt, attrInts, graphAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { GraphEditor } from '../../ir/editor.ts';
import { tensorFromInts, tensorFromNumbers } from '../../ir/tensor.ts';
import type { Dim, Graph, Node } from '../../ir/types.ts';
import { subgraphsOf } from '../../ir/walk.ts';
import { constantInput, scalarOf } from './constants.ts';
import { BodyCopy } from './copy-body.ts';
import { isOp, type Scope } from './scopes.ts';

export interface CountedLoop {
  readonly node: Node;
  readonly body: Graph;
  readonly trips: number;
  /** How many values are carried from turn to turn. */
  readonly states: number;
}

/** @param proven elements of values that shape inference knows */
export function countedLoop(
  { editor }: Scope,
  node: Node,
  proven: ReadonlyMap<string, readonly Dim[]> | undefined,
): CountedLoop | undefined {
  if (!isOp(node, 'Loop')) return undefined;
  const body = graphAttr(node, 'body');
  const [limit = '', condition = ''] = node.inputs;
  const states = node.inputs.length - 2;
  if (!body || body.sparseInitializers.length > 0 || body.inputs.length !== states + 2) return undefined;
  if (body.outputs.length !== node.outputs.length + 1) return undefined;
  const known = (index: number, name: string) =>
    scalarOf(constantInput(editor, node, index)) ?? only(proven?.get(name));
  const first = condition === '' ? 1 : known(1, condition);
  if (first === 0) return { node, body, trips: 0, states };
  const trips = limit === '' ? undefined : known(0, limit);
  if (first === undefined || trips === undefined || !Number.isSafeInteger(trips)) return undefined;
  if (trips <= 0) return { node, body, trips: 0, states };
  return goesOn(editor, body) ? { node, body, trips, states } : undefined;
}

function only(values: readonly Dim[] | undefined): number | undefined {
  return values?.length === 1 && typeof values[0] === 'number' ? values[0] : undefined;
}

/** The condition that a turn returns is true, where the one it was given is. */
function goesOn(outer: GraphEditor, body: Graph): boolean {
  const editor = new GraphEditor(body, outer);
  let name = body.outputs[0]!.name;
  for (let maker = editor.producerOf(name); isOp(maker, 'Identity'); maker = editor.producerOf(name))
    name = maker.inputs[0]!;
  return name === body.inputs[1]!.name || scalarOf(editor.constantOf(name)) === 1;
}

/** Nodes of a graph and of the graphs inside it. */
export function nodesWithin(graph: Graph): number {
  let count = 0;
  const pending = [graph];
  for (let at = pending.pop(); at; at = pending.pop()) {
    count += at.nodes.length;
    for (const node of at.nodes) pending.push(...subgraphsOf(node));
  }
  return count;
}

/**
 * Replaces the loop by its turns. A loop without turns returns what it was given; what its turns would have collected is
 * empty and of unknown size, so nobody may read it.
 * @returns the nodes put in place
 */
export function unrollLoop(editor: GraphEditor, loop: CountedLoop, opset: number): readonly Node[] {
  const { node, body, trips, states } = loop;
  const prefix = node.name || node.outputs.find((output) => output !== '') || 'Loop';
  const shared = shareWeights(editor, body, prefix);
  const collected: string[][] = node.outputs.slice(states).map(() => []);
  const nodes: Node[] = [];
  let current = node.inputs.slice(2);
  for (let turn = 0; turn < trips; turn++) {
    const names = new Map(shared);
    const [counter, condition, ...carried] = body.inputs;
    names.set(counter!.name, editor.addInitializer(tensorFromInts(`${prefix}/turn`, [], [turn])));
    names.set(condition!.name, editor.addInitializer(tensorFromNumbers(`${prefix}/condition`, 'bool', [], [1])));
    for (const [at, { name }] of carried.entries()) names.set(name, current[at]!);
    const copy = new BodyCopy(editor, `${prefix}/${turn}`);
    for (const value of body.nodes.flatMap(({ outputs }) => outputs))
      if (value !== '') names.set(value, copy.fresh(value));
    nodes.push(...body.nodes.map((inner) => copy.node(inner, names)));
    const returned = body.outputs.slice(1).map(({ name }) => names.get(name) ?? name);
    current = returned.slice(0, states);
    for (const [at, value] of returned.slice(states).entries()) collected[at]!.push(value);
  }
  const same = (from: string, to: string) =>
    makeNode({ opType: 'Identity', name: editor.freshName(`${prefix}/Identity`), inputs: [from], outputs: [to] });
  for (const [at, value] of current.entries()) if (node.outputs[at]) nodes.push(same(value, node.outputs[at]));
  for (const [at, values] of collected.entries())
    if (node.outputs[states + at] && values.length > 0)
      nodes.push(...stack(editor, values, node.outputs[states + at]!, opset));
  editor.replaceNode(node, nodes);
  return nodes;
}

/** Moves the weights of the body outwards, once for all turns. */
function shareWeights(editor: GraphEditor, body: Graph, prefix: string): Map<string, string> {
  const names = new Map<string, string>();
  const inputs = new Set(body.inputs.map(({ name }) => name));
  for (const [name, tensor] of body.initializers)
    if (!inputs.has(name)) names.set(name, editor.addInitializer({ ...tensor, name: `${prefix}/${name}` }));
  return names;
}

/** The values along a new first axis. */
function stack(editor: GraphEditor, values: readonly string[], output: string, opset: number): Node[] {
  const axes = opset >= 13 ? [editor.addInitializer(tensorFromInts(`${output}/axes`, [1], [0]))] : [];
  const widened = values.map((value) =>
    makeNode({
      opType: 'Unsqueeze',
      name: editor.freshName(`${output}/Unsqueeze`),
      inputs: [value, ...axes],
      outputs: [editor.freshName(`${output}/row`)],
      attributes: opset >= 13 ? {} : { axes: attrInts([0]) },
    }),
  );
  const inputs = widened.map(({ outputs }) => outputs[0]!);
  const name = editor.freshName(`${output}/Concat`);
  return [
    ...widened,
    makeNode({ opType: 'Concat', name, inputs, outputs: [output], attributes: { axis: attrInt(0) } }),
  ];
}

/** What the turns of a loop without any would have collected is read by nobody. */
export function collectsForNobody(editor: GraphEditor, { node, states }: CountedLoop): boolean {
  return node.outputs
    .slice(states)
    .every((output) => output === '' || (!editor.isGraphOutput(output) && editor.consumersOf(output).length === 0));
}
