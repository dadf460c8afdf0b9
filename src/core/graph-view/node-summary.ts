/** The attributes that tell a node from others of its kind, in a few characters. */
import { floatAttr, intAttr, intsAttr, stringAttr } from '../ir/attributes.ts';
import { dtypeFromOnnx } from '../ir/dtype.ts';
import type { Attribute, Node } from '../ir/types.ts';

const MAX_LENGTH = 40;

/** "3×3, stride 2, 64 groups"; '' where nothing is worth it. */
export function nodeSummary(node: Node): string {
  if (node.attributes.size === 0) return '';
  const parts = windowParts(node);
  const axes = intsAttr(node, 'axes');
  const axis = intAttr(node, 'axis');
  const permutation = intsAttr(node, 'perm');
  const equation = stringAttr(node, 'equation');
  const heads = intAttr(node, 'num_heads');
  const bits = intAttr(node, 'bits');
  const block = intAttr(node, 'block_size');
  const to = intAttr(node, 'to');
  if (axis !== undefined) parts.push(`axis ${axis}`);
  if (axes) parts.push(`axes ${axes.join(', ')}`);
  if (permutation) parts.push(`perm ${permutation.join(', ')}`);
  if (equation) parts.push(equation);
  if (heads !== undefined) parts.push(`${heads} heads`);
  if (bits !== undefined) parts.push(`${bits} bits`);
  if (block !== undefined) parts.push(`blocks of ${block}`);
  if (to !== undefined && node.opType === 'Cast') parts.push(`to ${dtypeFromOnnx(to) ?? `type ${to}`}`);
  if (node.opType === 'Gemm') parts.push(...gemmParts(node));
  const mode = stringAttr(node, 'mode');
  if (mode) parts.push(mode);
  const text = parts.join(', ');
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}

function windowParts(node: Node): string[] {
  const parts: string[] = [];
  const kernel = intsAttr(node, 'kernel_shape');
  if (kernel) parts.push(kernel.join('×'));
  const strides = intsAttr(node, 'strides');
  if (strides?.some((stride) => stride !== 1)) parts.push(`stride ${sameOrList(strides)}`);
  const dilations = intsAttr(node, 'dilations');
  if (dilations?.some((dilation) => dilation !== 1)) parts.push(`dilation ${sameOrList(dilations)}`);
  const group = intAttr(node, 'group');
  if (group !== undefined && group > 1) parts.push(`${group} groups`);
  return parts;
}

function gemmParts(node: Node): string[] {
  const parts: string[] = [];
  if (intAttr(node, 'transA', 0) !== 0) parts.push('transA');
  if (intAttr(node, 'transB', 0) !== 0) parts.push('transB');
  const alpha = floatAttr(node, 'alpha', 1);
  if (alpha !== 1) parts.push(`alpha ${alpha}`);
  return parts;
}

const sameOrList = (values: readonly number[]): string =>
  values.every((value) => value === values[0]) ? `${values[0]}` : values.join('×');

const DECODER = new TextDecoder();
const MAX_TOKEN = 120;

/** An attribute for comparing nodes: equal texts, equal attributes, but for the contents of tensors and graphs. */
export function attributeToken(attribute: Attribute): string {
  switch (attribute.type) {
    case 'string':
      return DECODER.decode(attribute.value.subarray(0, MAX_TOKEN));
    case 'tensor':
      return `${attribute.value.dtype}[${attribute.value.dims}]`;
    case 'ints':
    case 'floats':
      return attribute.value.length > 64 ? `${attribute.value.length} values` : attribute.value.join(',');
    case 'graph':
      return `graph of ${attribute.value.nodes.length}`;
    case 'graphs':
      return `graphs of ${attribute.value.map((graph) => graph.nodes.length)}`;
    case 'reference':
      return `@${attribute.refAttrName}`;
    case 'int':
    case 'float':
      return `${attribute.value}`;
    default:
      return attribute.type;
  }
}

/** All attributes as one text, for comparing nodes. */
export function attributesText(node: Node): string {
  if (node.attributes.size === 0) return '';
  let text = '';
  for (const name of [...node.attributes.keys()].sort())
    text += `|${name}=${attributeToken(node.attributes.get(name)!)}`;
  return text;
}
