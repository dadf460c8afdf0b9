/** Transposing a constant once instead of its copies, each time. */
import { attrInts, intsAttr } from '../../ir/attributes.ts';
import { makeNode } from '../../ir/build.ts';
import { tensorFromInts } from '../../ir/tensor.ts';
import { intsOf } from './constants.ts';
import type { Merge, MovementQuestion } from './merge.ts';
import { madeBy } from './pattern.ts';

/**
 * Transpose(Tile(c, r)) is Tile(Transpose(c), r in the new order of the axes); what is left to transpose is a constant,
 * which fold-constants computes. As relative position tables of DeBERTa are written.
 */
export function transposeOfTiled(question: MovementQuestion): Merge | undefined {
  const { editor, node } = question;
  const tile = madeBy(editor, node.inputs[0], 'Tile');
  const source = tile && editor.constantOf(tile.inputs[0]!);
  const perm = intsAttr(node, 'perm') ?? source?.dims.map((_, at, dims) => dims.length - 1 - at);
  if (tile?.inputs.length !== 2 || !source || !perm || !editor.singleConsumer(tile.outputs[0]!)) return undefined;
  const repeats = repeatsInOrder(question, tile.inputs[1]!, perm);
  if (!repeats) return undefined;
  return {
    action: 'transposed a constant before it is tiled',
    absorbed: [tile],
    apply: () => {
      const turned = editor.freshName(`${tile.inputs[0]}.turned`);
      const transpose = makeNode({
        opType: 'Transpose',
        name: node.name,
        inputs: [tile.inputs[0]!],
        outputs: [turned],
        attributes: { perm: attrInts(perm) },
      });
      const tiled = makeNode({
        opType: 'Tile',
        name: tile.name,
        inputs: [turned, typeof repeats === 'string' ? repeats : editor.addInitializer(repeats.tensor)],
        outputs: [node.outputs[0]!],
      });
      editor.replaceNode(node, [transpose, tiled]);
      editor.removeNode(tile);
    },
  };
}

/** @returns a value's name, or a new constant; undefined where the order cannot be changed without another node */
function repeatsInOrder({ editor, facts }: MovementQuestion, name: string, perm: readonly number[]) {
  const constant = intsOf(editor.constantOf(name));
  if (constant) {
    const ordered = perm.map((axis) => constant[axis]!);
    if (ordered.every((count, at) => count === constant[at])) return name;
    return { tensor: tensorFromInts(`${name}.turned`, [ordered.length], ordered) };
  }
  const pieces = madeBy(editor, name, 'Concat')?.inputs;
  if (pieces?.length !== perm.length || !pieces.every((piece) => isSingle(facts(piece)?.shape))) return undefined;
  const isSame = (a: string, b: string) => {
    const values = [a, b].map((piece) => intsOf(editor.constantOf(piece))?.[0]);
    return a === b || (values[0] !== undefined && values[0] === values[1]);
  };
  return perm.every((axis, at) => isSame(pieces[axis]!, pieces[at]!)) ? name : undefined;
}

const isSingle = (shape: readonly unknown[] | null | undefined) => shape?.length === 1 && shape[0] === 1;
