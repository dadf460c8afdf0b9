/** Each entry of an axis several times, one after the other, as decoders repeat key and value heads for their queries. */
import { attrInt, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import { constantInput, intsOf } from './constants.ts';
import { sameShape } from './facts.ts';
import { type Merge, type MovementQuestion, removeIfUnread } from './merge.ts';
import { madeBy } from './pattern.ts';

/** More entries than heads ever are: their list would be a weight of its own. */
const MOST = 1024;

/** Reshape(Expand(Unsqueeze(x, axis + 1))) that repeats the entries of an axis is Gather(x, [0, 0, .., 1, 1, ..]). */
export function gatherOfRepeated({ editor, node, opset, facts }: MovementQuestion): Merge | undefined {
  const expand = madeBy(editor, node.inputs[0], 'Expand');
  const unsqueeze = madeBy(editor, expand?.inputs[0], 'Unsqueeze');
  if (!expand || !unsqueeze) return undefined;
  const [value] = unsqueeze.inputs as [string];
  const axes = opset < 13 ? intsAttr(unsqueeze, 'axes') : intsOf(constantInput(editor, unsqueeze, 1));
  const [before, between, after] = [value, expand.outputs[0]!, node.outputs[0]!].map((name) => facts(name)?.shape);
  if (!before || !between || axes?.length !== 1) return undefined;
  const rank = before.length;
  const added = axes[0]! < 0 ? axes[0]! + rank + 1 : axes[0]!;
  const axis = added - 1;
  const [size, times] = [before[axis], between[added]];
  if (typeof size !== 'number' || typeof times !== 'number' || size * times > MOST) return undefined;
  const isRepeated = sameShape(between.toSpliced(added, 1), before);
  if (!isRepeated || !sameShape(after, before.with(axis, size * times))) return undefined;
  return {
    action: 'turned Unsqueeze + Expand + Reshape into Gather',
    absorbed: [unsqueeze, expand],
    apply: () => {
      const indices = Array.from({ length: size * times }, (_, at) => Math.floor(at / times));
      const index = editor.addInitializer(tensorFromInts(`${node.outputs[0]}.indices`, [indices.length], indices));
      const gather = makeNode({
        opType: 'Gather',
        name: node.name,
        inputs: [value, index],
        outputs: [node.outputs[0]!],
        attributes: { axis: attrInt(axis) },
      });
      editor.replaceNode(node, [gather]);
      for (const absorbed of [expand, unsqueeze]) if (editor.has(absorbed)) removeIfUnread(editor, absorbed);
    },
  };
}
