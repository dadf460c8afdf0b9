/** Merging a node with those before it: what the rules are asked, and what they answer. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Dim, Node } from '../../ir/types.ts';
import type { FactLookup } from './facts.ts';

export interface MovementQuestion {
  readonly editor: GraphEditor;
  readonly node: Node;
  readonly opset: number;
  readonly facts: FactLookup;
  /** Sizes of the graph's inputs (`inputSizes`). */
  readonly sizes: ReadonlySet<Dim>;
}

export interface Merge {
  readonly action: string;
  /** Nodes before the one asked about that are passed over (they go when nobody else reads them). */
  readonly absorbed: readonly Node[];
  readonly apply: () => void;
}

/** Bypasses a node; it is removed when that was its last reader. */
export function bypass(editor: GraphEditor, node: Node, skipped: Node): void {
  editor.setInputs(node, [skipped.inputs[0]!, ...node.inputs.slice(1)]);
  removeIfUnread(editor, skipped);
}

/** Takes out a node that was passed over, unless somebody else reads it. */
export function removeIfUnread(editor: GraphEditor, node: Node): void {
  const isRead = node.outputs.some((name) => editor.isGraphOutput(name) || editor.consumersOf(name).length > 0);
  if (!isRead) editor.removeNode(node);
}
