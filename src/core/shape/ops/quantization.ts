/** Quantization operators of the default domain; QLinearConv, ConvInteger and the like are with what they compute. */

import type { DType } from '../../ir/dtype.ts';
import type { InferContext, InferFn } from '../context.ts';

function quantizedDtype(c: InferContext): DType {
  return c.dtype(2) ?? c.dtypeAttribute('output_dtype') ?? 'uint8';
}

const quantizeLinear: InferFn = (c) => c.set(0, quantizedDtype(c), c.shape(0));

/** The result has the dtype of the scale, or (opset 23) of `output_dtype`. */
const dequantizeLinear: InferFn = (c) => {
  const isContrib = c.node.domain === 'com.microsoft';
  const named = isContrib ? undefined : c.dtypeAttribute('output_dtype');
  c.set(0, named ?? c.dtype(1) ?? (c.opset < 19 ? 'float32' : undefined), c.shape(0));
};

const dynamicQuantizeLinear: InferFn = (c) => {
  c.set(0, 'uint8', c.shape(0));
  c.set(1, 'float32', []);
  c.set(2, 'uint8', []);
};

export const quantization: Record<string, InferFn> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
};
