/** Which function infers which operator. One file of `ops/` per family; a new operator is one entry there. */
import type { InferFn, ValueFn } from './context.ts';
import { attentionOps, previewOps } from './ops/attention.ts';
import { contribAttention } from './ops/contrib/attention.ts';
import { contribFused } from './ops/contrib/fused.ts';
import { contribQuantized } from './ops/contrib/quantized.ts';
import { controlFlow } from './ops/control-flow.ts';
import { convolution } from './ops/conv.ts';
import { elementwise } from './ops/elementwise.ts';
import { generators } from './ops/generators.ts';
import { matmul } from './ops/matmul.ts';
import { mlOps, trainingOps } from './ops/ml.ts';
import { normalization } from './ops/normalization.ts';
import { quantization } from './ops/quantization.ts';
import { recurrentOps } from './ops/recurrent.ts';
import { reduction } from './ops/reduction.ts';
import { reshaping } from './ops/reshaping.ts';
import { resizing } from './ops/resize.ts';
import { selection } from './ops/selection.ts';
import { sequence } from './ops/sequence.ts';
import { signal } from './ops/signal.ts';
import { slicing } from './ops/slicing.ts';
import { elementValues } from './values/elementwise.ts';
import { layoutValues } from './values/layout.ts';

const domains: Readonly<Record<string, ReadonlyMap<string, InferFn>>> = {
  '': new Map(
    Object.entries({
      ...elementwise,
      ...reduction,
      ...matmul,
      ...convolution,
      ...reshaping,
      ...slicing,
      ...normalization,
      ...recurrentOps,
      ...quantization,
      ...controlFlow,
      ...generators,
      ...attentionOps,
      ...resizing,
      ...selection,
      ...sequence,
      ...signal,
    }),
  ),
  'com.microsoft': new Map(Object.entries({ ...contribFused, ...contribAttention, ...contribQuantized })),
  'ai.onnx.ml': new Map(Object.entries(mlOps)),
  'ai.onnx.preview': new Map(Object.entries(previewOps)),
  'ai.onnx.preview.training': new Map(Object.entries(trainingOps)),
};

const valueFunctions: ReadonlyMap<string, ValueFn> = new Map(Object.entries({ ...elementValues, ...layoutValues }));

/** @param domain '' for ai.onnx */
export function inferenceOf(domain: string, opType: string): InferFn | undefined {
  return Object.hasOwn(domains, domain) ? domains[domain]!.get(opType) : undefined;
}

export function valueInferenceOf(domain: string, opType: string): ValueFn | undefined {
  return domain === '' ? valueFunctions.get(opType) : undefined;
}

/** Operators of a domain that have an inference function. */
export function inferredOps(domain: string): readonly string[] {
  return [...(domains[domain]?.keys() ?? [])];
}
