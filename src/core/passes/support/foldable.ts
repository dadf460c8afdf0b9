/** Which operators constant folding may compute. */
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';
import { isDeterministic } from './determinism.ts';
import { hasReferencedAttributes } from './scopes.ts';

/**
 * Constants that must stay: DequantizeLinear would undo a quantization; sequences and optionals are no tensors, so
 * there is nothing to store them as.
 */
const kept = new Set([
  'Constant',
  'DequantizeLinear',
  'ConcatFromSequence',
  'OptionalGetElement',
  'OptionalHasElement',
  'SplitToSequence',
]);

/** Operators whose output can be far larger than their inputs; without a proven shape they are not computed. */
const growing = new Set([
  'ConstantOfShape',
  'Expand',
  'EyeLike',
  'OneHot',
  'Pad',
  'Range',
  'Resize',
  'Tile',
  'Upsample',
]);

export function mayFold(node: Node): boolean {
  if (!isDefaultDomain(node.domain) || !isDeterministic(node) || hasReferencedAttributes(node)) return false;
  return !kept.has(node.opType) && !/^(Sequence|Optional)/.test(node.opType);
}

export function growsUnseen(node: Node): boolean {
  return growing.has(node.opType);
}
