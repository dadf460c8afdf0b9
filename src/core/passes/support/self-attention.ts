/** MultiHeadAttention whose query, key and value are products of one input with constant weights. */
import { intAttr, intsAttr } from '../../ir/attributes.ts';
import type { DType } from '../../ir/dtype.ts';
import type { GraphEditor } from '../../ir/editor.ts';
import type { Node, Tensor } from '../../ir/types.ts';
import { attentionDType } from './attention-pattern.ts';
import { intsOf } from './constants.ts';
import { CONTRIB_DOMAIN } from './contrib.ts';
import { madeBy, otherOperand } from './pattern.ts';

export interface SelfAttention {
  readonly attention: Node;
  /** [batch, length, in] */
  readonly input: string;
  /** One weight [in, 3 * hidden], or those of query, key and value, [in, hidden] each. */
  readonly weights: readonly string[];
  readonly hidden: number;
  readonly dtype: DType;
  /** A bias of 3 * hidden; '' for none. */
  readonly bias: string;
  /** What the packed operator takes the place of, besides the attention itself. */
  readonly replaced: readonly Node[];
}

/** Inputs and attributes that the packed operator has too, with the same meaning and a kernel everywhere. */
function isPlain({ inputs, outputs, attributes }: Node): boolean {
  const others = inputs.filter((name, at) => name !== '' && at > 2 && at !== 3 && at !== 5);
  const known = [...attributes.keys()].every((name) => name === 'num_heads' || name === 'scale');
  return others.length === 0 && outputs.slice(1).every((name) => name === '') && known;
}

/**
 * Ranks need no proof: a query with a key and a value beside it has three axes, and so has what a matrix makes it of.
 * @param node any node
 */
export function matchSelfAttention(editor: GraphEditor, node: Node): SelfAttention | undefined {
  if (node.opType !== 'MultiHeadAttention' || node.domain !== CONTRIB_DOMAIN || !isPlain(node)) return undefined;
  const operands = node.inputs.slice(0, 3);
  if (operands.length < 3 || operands.some((name) => name === '' || editor.singleConsumer(name) !== node))
    return undefined;
  const found = threeProducts(editor, node, operands) ?? oneProduct(editor, node, operands);
  return found && found.hidden % intAttr(node, 'num_heads', 0) === 0 ? found : undefined;
}

const ownMatrix = (editor: GraphEditor, name: string): Tensor | undefined => {
  const tensor = editor.graph.initializers.has(name) ? editor.constantOf(name) : undefined;
  const isMatrix =
    tensor && attentionDType(tensor.dtype) && tensor.dims.length === 2 && tensor.dims.every((dim) => dim > 0);
  return isMatrix && !editor.isGraphOutput(name) ? tensor : undefined;
};

function threeProducts(editor: GraphEditor, attention: Node, operands: readonly string[]): SelfAttention | undefined {
  const products = operands.map((name) => madeBy(editor, name, 'MatMul'));
  const [first] = products;
  if (!first || products.some((product) => product?.inputs[0] !== first.inputs[0])) return undefined;
  const weights = products.map((product) => product!.inputs[1]!);
  const [matrix, ...others] = weights.map((name) => ownMatrix(editor, name));
  const shape = matrix?.dims;
  const isAlike = (other: Tensor | undefined) => other?.dtype === matrix?.dtype && other?.dims.join() === shape?.join();
  if (!shape || !others.every(isAlike)) return undefined;
  return {
    attention,
    input: first.inputs[0]!,
    weights,
    hidden: shape[1]!,
    dtype: matrix.dtype,
    bias: attention.inputs[3] ?? '',
    replaced: products as Node[],
  };
}

/** One product, and maybe one bias added to it, cut in three. */
function oneProduct(editor: GraphEditor, attention: Node, operands: readonly string[]): SelfAttention | undefined {
  const split = madeBy(editor, operands[0], 'Split');
  if (!split || split.outputs.join() !== operands.join() || ![2, -1].includes(intAttr(split, 'axis', 0)))
    return undefined;
  const whole = split.inputs[0]!;
  const add = madeBy(editor, whole, 'Add');
  const product = [whole, ...(add?.inputs ?? [])].map((name) => madeBy(editor, name, 'MatMul')).find(Boolean);
  if (!product || (add && editor.singleConsumer(product.outputs[0]!) !== add)) return undefined;
  const weight = ownMatrix(editor, product.inputs[1]!);
  const width = weight?.dims[1] ?? 0;
  const added = add ? otherOperand(add, product.outputs[0]!) : '';
  if (!weight || width % 3 !== 0 || added === undefined || !isInThirds(editor, split, width)) return undefined;
  const own = attention.inputs[3] ?? '';
  if (added !== '' && (own !== '' || editor.constantOf(added)?.dims.join() !== `${width}`)) return undefined;
  if (editor.singleConsumer(whole) !== split) return undefined;
  return {
    attention,
    input: product.inputs[0]!,
    weights: [product.inputs[1]!],
    hidden: width / 3,
    dtype: weight.dtype,
    bias: own || added,
    replaced: add ? [product, add, split] : [product, split],
  };
}

function isInThirds(editor: GraphEditor, split: Node, width: number): boolean {
  const sizes = split.inputs[1] ? intsOf(editor.constantOf(split.inputs[1])) : intsAttr(split, 'split');
  if (split.inputs[1] && !sizes) return false;
  return sizes === undefined || (sizes.length === 3 && sizes.every((size) => size === width / 3));
}
