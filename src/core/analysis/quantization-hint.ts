import { intAttr } from '../ir/attributes.ts';
import type { Model } from '../ir/types.ts';
import { forEachNode, forEachWeight } from '../ir/walk.ts';

export interface QuantizationHint {
  /** The file holds quantized weights or activations already. */
  readonly isQuantized: boolean;
  readonly schemes: readonly ('qdq' | 'qoperator' | 'dynamic' | 'weight-only' | 'float16' | 'bfloat16' | 'float8')[];
  /** Bits of weight-only quantized weights, ascending. */
  readonly weightBits: readonly number[];
}

const qOperators: ReadonlySet<string> = new Set([
  ...['QLinearConv', 'QLinearMatMul', 'QGemm', 'QAttention', 'QLinearAdd', 'QLinearMul', 'QLinearConcat'],
  ...['QLinearAveragePool', 'QLinearGlobalAveragePool', 'QLinearSigmoid', 'QLinearLeakyRelu', 'QLinearSoftmax'],
]);
const dynamicOps: ReadonlySet<string> = new Set([
  ...['DynamicQuantizeLinear', 'MatMulInteger', 'ConvInteger', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM'],
  'MatMulIntegerToFloat',
]);

/** Whether and how a model is quantized already, by its operators and the dtypes of its weights. */
export function quantizationOf(model: Model): QuantizationHint {
  const schemes = new Set<QuantizationHint['schemes'][number]>();
  const weightBits = new Set<number>();
  let dequantizes = 0;
  let quantizes = 0;
  forEachNode(model, (node) => {
    if (node.opType === 'QuantizeLinear') quantizes += 1;
    if (node.opType === 'DequantizeLinear') dequantizes += 1;
    if (qOperators.has(node.opType)) schemes.add('qoperator');
    if (dynamicOps.has(node.opType)) schemes.add('dynamic');
    if (node.opType === 'MatMulNBits' || node.opType === 'GatherBlockQuantized') {
      schemes.add('weight-only');
      weightBits.add(intAttr(node, 'bits', 4));
    }
    if (node.opType === 'MatMulBnb4' || node.opType === 'MatMulFpQ4') weightBits.add(4);
  });
  if (quantizes > 0 && dequantizes > 0) schemes.add('qdq');
  else if (dequantizes > 0) schemes.add('weight-only');
  forEachWeight(model, ({ dtype, dims }) => {
    if (dims.length < 2) return;
    if (dtype === 'float16' || dtype === 'bfloat16') schemes.add(dtype);
    if (dtype.startsWith('float8')) schemes.add('float8');
    if (dtype === 'int4' || dtype === 'uint4') weightBits.add(4);
    if (dtype === 'int2' || dtype === 'uint2') weightBits.add(2);
  });
  if (weightBits.size > 0) schemes.add('weight-only');
  const isQuantized = [...schemes].some((scheme) => scheme !== 'float16' && scheme !== 'bfloat16');
  return { isQuantized, schemes: [...schemes], weightBits: [...weightBits].sort((a, b) => a - b) };
}
