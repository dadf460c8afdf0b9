/** Recognizing models that have been quantized before. */
import type { Model, Node } from '../../ir/types.ts';
import { forEachNode, opName } from '../../ir/walk.ts';
import type { Advisory } from '../../step/define.ts';

const quantizedOps = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'MatMulInteger',
  'ConvInteger',
  'QLinearConv',
  'QLinearMatMul',
  'com.microsoft.MatMulNBits',
  'com.microsoft.MatMulBnb4',
  'com.microsoft.GatherBlockQuantized',
  'com.microsoft.DynamicQuantizeMatMul',
  'com.microsoft.DynamicQuantizeLSTM',
  'com.microsoft.MatMulIntegerToFloat',
  'com.microsoft.QAttention',
  'com.microsoft.QGemm',
  'com.microsoft.QMoE',
]);

/** Makes or reads integer codes, or codes of a block format. */
export function isQuantizedOp(node: Node): boolean {
  return quantizedOps.has(opName(node)) || (node.domain === 'com.microsoft' && node.opType.startsWith('QLinear'));
}

export function countQuantizedNodes(model: Model): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  forEachNode(model, (node) => {
    const op = opName(node);
    if (isQuantizedOp(node)) counts.set(op, (counts.get(op) ?? 0) + 1);
  });
  return counts;
}

/** Quantized nodes stay as they are; what is still in floating point can be quantized. */
export function alreadyQuantizedAdvice(model: Model): Advisory[] {
  const counts = countQuantizedNodes(model);
  if (counts.size === 0) return [];
  const list = [...counts].map(([op, count]) => `${count} ${op}`).join(', ');
  return [
    {
      level: 'warning',
      code: 'quant/already-quantized',
      message: `The model is quantized already (${list}). Those nodes stay as they are; only weights still in floating point are quantized.`,
    },
  ];
}
