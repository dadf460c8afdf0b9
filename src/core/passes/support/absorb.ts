/** Taking the nodes after a linear layer into its weights. */
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node } from '../../ir/types.ts';
import type { StepContext } from '../../step/define.ts';
import { type Affine, applyAffine, composeAffine, identityAffine, type LinearLayer } from './linear-layer.ts';

/** What a node does to the channels it is given; undefined when it is not of the kind looked for. */
export type Reader = (node: Node, value: string) => Promise<Affine | undefined>;

/**
 * Follows the only reader of the layer's output as long as `read` understands it, then changes the weights once.
 * @returns the nodes that went, in order; empty when nothing matched
 */
export async function absorbFollowers(
  ctx: StepContext,
  editor: GraphEditor,
  layer: LinearLayer,
  read: Reader,
): Promise<readonly Node[]> {
  const followers: Node[] = [];
  let affine = identityAffine(layer.channels);
  let value = layer.node.outputs[0]!;
  for (let next = editor.singleConsumer(value); next; next = editor.singleConsumer(value)) {
    const own = await read(next, value);
    if (!own) break;
    affine = composeAffine(affine, own);
    followers.push(next);
    value = next.outputs[0]!;
  }
  if (followers.length === 0 || !(await applyAffine(ctx, editor, layer, affine))) return [];
  editor.replaceUses(value, layer.node.outputs[0]!);
  for (const node of followers) editor.removeNode(node);
  return followers;
}
