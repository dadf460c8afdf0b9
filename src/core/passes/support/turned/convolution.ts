/** What a matrix product is once it multiplies from the left. */
import { attrInts } from '../../../ir/attributes.ts';
import { makeNode } from '../../../ir/build.ts';
import type { GraphEditor } from '../../../ir/editor.ts';
import type { Node } from '../../../ir/types.ts';
import { withDims } from '../evaluate/layout.ts';
import { isOp, labelOf } from '../scopes.ts';
import type { Region } from './region.ts';

const dtypes = new Set(['float32', 'float16']);

/**
 * A matrix from the left, and a bias for each of its rows, is a convolution of width 1 over [batch, channels, length]
 * (ONNX operator specification, Conv-1): one node instead of two.
 * @returns labels of what was made
 */
export function pointwiseConvolutions(editor: GraphEditor, region: Region): string[] {
  if (region.perm.length !== 3) return [];
  const made: string[] = [];
  for (const product of region.nodes.keys()) {
    const add = isOp(product, 'MatMul') ? editor.singleConsumer(product.outputs[0]!) : undefined;
    if (!isOp(add, 'Add') || !region.nodes.has(add)) continue;
    const convolution = asConvolution(editor, product, add);
    if (!convolution) continue;
    editor.removeNode(product);
    editor.replaceNode(add, [convolution]);
    made.push(labelOf(convolution));
  }
  return made;
}

function asConvolution(editor: GraphEditor, product: Node, add: Node): Node | undefined {
  const [matrix, x] = product.inputs as [string, string];
  const weight = editor.constantOf(matrix);
  const addend = add.inputs.find((name) => name !== product.outputs[0])!;
  const bias = editor.constantOf(addend);
  if (weight?.dims.length !== 2 || !dtypes.has(weight.dtype) || editor.constantOf(x)) return undefined;
  const [rows, columns] = weight.dims as [number, number];
  const isPerRow = bias?.dims.length === 2 && bias.dims[0] === rows && bias.dims[1] === 1;
  if (!isPerRow || bias.dtype !== weight.dtype || editor.countUses(matrix) > 1 || editor.countUses(addend) > 1)
    return undefined;
  return makeNode({
    opType: 'Conv',
    name: product.name,
    inputs: [x, replaced(editor, matrix, [rows, columns, 1]), replaced(editor, addend, [rows])],
    outputs: [...add.outputs],
    attributes: { kernel_shape: attrInts([1]) },
  });
}

/** Both were made a moment ago, for these nodes alone. */
function replaced(editor: GraphEditor, name: string, dims: readonly number[]): string {
  editor.replaceInitializer(name, withDims(editor.constantOf(name)!, dims)!);
  return name;
}
