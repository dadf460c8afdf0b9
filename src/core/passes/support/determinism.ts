/** What may be dropped, merged or computed ahead of time. */
import type { Node } from '../../ir/types.ts';
import { subgraphsOf } from '../../ir/walk.ts';

/** Operators whose outputs differ from run to run (ONNX 1.21 operator list). */
const randomOps = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);

/** Domains whose operators are pure functions of their inputs by specification. */
const pureDomains = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft', 'com.microsoft.nchwc']);

/** Same inputs, same outputs. Operators of unknown domains are not trusted to be. */
export function isDeterministic(node: Node): boolean {
  if (!pureDomains.has(node.domain) || randomOps.has(node.opType)) return false;
  if (node.opType === 'Dropout' && node.inputs.length > 2 && node.inputs[2] !== '') return false;
  if (node.opType === 'TrainableDropout' || node.opType === 'BitmaskDropout') return false;
  return subgraphsOf(node).length === 0;
}

/**
 * Nothing happens but the computing of its outputs, so it may go when nobody reads them. Random operators qualify.
 * @param localDomains domains of the model's own functions
 */
export function isDroppable(node: Node, localDomains: ReadonlySet<string>): boolean {
  return pureDomains.has(node.domain) || localDomains.has(node.domain) || node.domain.startsWith('ai.onnx.');
}
