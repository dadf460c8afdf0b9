/** A text that two nodes share exactly when they compute the same from the same inputs. */
import type { Attribute, Node, Tensor } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';

/** Attribute tensors above this size are not compared. */
const MAX_TENSOR_BYTES = 4096;

/** @returns undefined when an attribute cannot be compared (a graph, a large tensor) */
export function computationKey(node: Node): string | undefined {
  const parts = [isDefaultDomain(node.domain) ? '' : node.domain, node.opType, node.overload ?? ''];
  parts.push(...node.inputs, '\u0001');
  for (const name of [...node.attributes.keys()].sort()) {
    const text = attributeText(node.attributes.get(name)!);
    if (text === undefined) return undefined;
    parts.push(name, text);
  }
  return parts.join('\u0000');
}

function attributeText(attribute: Attribute): string | undefined {
  switch (attribute.type) {
    case 'float':
      return `f${Object.is(attribute.value, -0) ? '-0' : attribute.value}`;
    case 'int':
      return `i${attribute.value}`;
    case 'string':
    case 'type':
      return `s${attribute.value.join(',')}`;
    case 'floats':
    case 'ints':
      return `l${attribute.value.join(',')}`;
    case 'strings':
      return `t${attribute.value.map((value) => value.join(',')).join(';')}`;
    case 'tensor':
      return tensorText(attribute.value);
    case 'reference':
      return `r${attribute.refAttrName}`;
    default:
      return undefined;
  }
}

function tensorText(tensor: Tensor): string | undefined {
  if (tensor.data.kind !== 'bytes' || tensor.data.bytes.byteLength > MAX_TENSOR_BYTES) return undefined;
  return `w${tensor.dtype}[${tensor.dims.join(',')}]${tensor.data.bytes.join(',')}`;
}
