/** Outputs that an operator need not compute when nobody reads them (ONNX 1.21, Operators.md; ContribOperators.md, 1.30). */
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';

/** First output that may be left out, by operator. Not BatchNormalization: up to opset 13 their number says what it does. */
const standard: Readonly<Record<string, number>> = {
  Dropout: 1,
  GRU: 0,
  LayerNormalization: 1,
  LSTM: 0,
  MaxPool: 1,
  RNN: 0,
  SimplifiedLayerNormalization: 1,
  Unique: 1,
};
const contrib: Readonly<Record<string, number>> = {
  SkipLayerNormalization: 1,
  SkipSimplifiedLayerNormalization: 1,
};

/**
 * Leaves out what nothing reads: '' in the middle, a shorter list at the end. One output stays in any case.
 * @returns the names that went
 */
export function dropUnusedOutputs(node: Node, isUsed: (value: string) => boolean): readonly string[] {
  const table = isDefaultDomain(node.domain) ? standard : node.domain === 'com.microsoft' ? contrib : undefined;
  const first = table && Object.hasOwn(table, node.opType) ? table[node.opType]! : undefined;
  if (first === undefined) return [];
  const outputs = node.outputs.map((output, at) => (at < first || isUsed(output) ? output : ''));
  if (outputs.every((output) => output === '')) return [];
  const dropped = node.outputs.filter((output, at) => output !== '' && outputs[at] === '');
  while (outputs.at(-1) === '') outputs.pop();
  if (dropped.length > 0) node.outputs = outputs;
  return dropped;
}
