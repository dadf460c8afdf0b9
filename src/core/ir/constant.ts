import { floatAttr, floatsAttr, stringAttr, stringsAttr } from './attributes.ts';
import { tensorFromInts, tensorFromNumbers, tensorFromStrings } from './tensor.ts';
import type { Node, Tensor } from './types.ts';
import { isDefaultDomain } from './walk.ts';

/**
 * The value of a Constant node, from whichever of its attributes is set (`value`, `value_int`, `value_floats`, ...;
 * Constant-13). Undefined for other nodes, sparse values, and values that a function's caller supplies.
 */
export function constantNodeTensor(node: Node): Tensor | undefined {
  if (node.opType !== 'Constant' || !isDefaultDomain(node.domain)) return undefined;
  const value = node.attributes.get('value');
  if (value?.type === 'tensor') return value.value;
  const name = node.outputs[0] ?? '';
  const float = floatAttr(node, 'value_float');
  if (float !== undefined) return tensorFromNumbers(name, 'float32', [], [float]);
  const floats = floatsAttr(node, 'value_floats');
  if (floats) return tensorFromNumbers(name, 'float32', [floats.length], floats);
  const int = node.attributes.get('value_int');
  if (int?.type === 'int') return tensorFromInts(name, [], [int.value]);
  const ints = node.attributes.get('value_ints');
  if (ints?.type === 'ints') return tensorFromInts(name, [ints.value.length], ints.value);
  const text = stringAttr(node, 'value_string');
  if (text !== undefined) return tensorFromStrings(name, [], [text]);
  const texts = stringsAttr(node, 'value_strings');
  return texts && tensorFromStrings(name, [texts.length], texts);
}
