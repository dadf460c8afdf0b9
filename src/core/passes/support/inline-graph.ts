/** Putting the nodes of a subgraph in the place of the node that owns it. */
import { makeNode } from '../../ir/build.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import { renameCapturedUses } from '../../ir/rename.ts';
import type { Graph, Node } from '../../ir/types.ts';
import { localValues, subgraphsOf } from '../../ir/walk.ts';

/**
 * Replaces `owner` (an If) by the contents of `branch`, whose outputs become the owner's.
 * @param isUnique whether a name is defined in this one graph only, so that it may move outwards as it is
 * @returns the nodes put in place
 */
export function inlineGraph(
  editor: GraphEditor,
  owner: Node,
  branch: Graph,
  isUnique: (name: string) => boolean,
): readonly Node[] {
  const names = newNames(editor, owner, branch, isUnique);
  const rename = (name: string) => names.get(name) ?? name;
  for (const node of branch.nodes) {
    node.inputs = node.inputs.map(rename);
    node.outputs = node.outputs.map(rename);
    for (const inner of subgraphsOf(node)) renameCaptures(editor, inner, names);
  }
  for (const [name, tensor] of branch.initializers) {
    editor.graph.initializers.set(rename(name), { ...tensor, name: rename(name) });
  }
  for (const [name, info] of branch.valueInfo) {
    if (names.has(name)) editor.graph.valueInfo.set(rename(name), { ...info, name: rename(name) });
  }
  const nodes = [...branch.nodes, ...copiesOfOutputs(editor, owner, branch, rename)];
  editor.replaceNode(owner, nodes);
  return nodes;
}

/** One rename after the other; where one's target is another's source, by way of names that nothing else has. */
function renameCaptures(editor: GraphEditor, graph: Graph, names: ReadonlyMap<string, string>): void {
  const freshName = (hint: string) => editor.freshName(hint);
  const changed = [...names].filter(([from, to]) => from !== to);
  if (!changed.some(([, to]) => names.has(to))) {
    for (const [from, to] of changed) renameCapturedUses(graph, from, to, freshName);
    return;
  }
  const detours = changed.map(([from, to]) => ({ from, to, between: freshName(from) }));
  for (const { from, between } of detours) renameCapturedUses(graph, from, between, freshName);
  for (const { between, to } of detours) renameCapturedUses(graph, between, to, freshName);
}

/** Local name in the branch to its name outside: an output takes the name of the owner's output. */
function newNames(
  editor: GraphEditor,
  owner: Node,
  branch: Graph,
  isUnique: (name: string) => boolean,
): Map<string, string> {
  const produced = new Set(branch.nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  for (const [at, { name }] of branch.outputs.entries()) {
    const target = owner.outputs[at]!;
    if (target !== '' && produced.has(name) && !names.has(name)) names.set(name, target);
  }
  for (const name of localValues(branch)) {
    if (!names.has(name)) names.set(name, isUnique(name) ? name : editor.freshName(name));
  }
  return names;
}

/** Outputs that no node of the branch makes (an outer value, a weight), or that are returned twice. */
function copiesOfOutputs(editor: GraphEditor, owner: Node, branch: Graph, rename: (name: string) => string): Node[] {
  const copies: Node[] = [];
  for (const [at, { name }] of branch.outputs.entries()) {
    const target = owner.outputs[at]!;
    const source = rename(name);
    if (target === '' || source === target) continue;
    copies.push(
      makeNode({ opType: 'Identity', name: editor.freshName('Identity'), inputs: [source], outputs: [target] }),
    );
  }
  return copies;
}
