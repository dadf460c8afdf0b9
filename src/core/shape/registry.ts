/** Which function infers which operator. One file of `ops/` per family; a new operator is one entry there. */
import type { InferFn, ValueFn } from './context.ts';
import { controlFlow } from './ops/control-flow.ts';
import { convolution } from './ops/conv.ts';
import { elementwise } from './ops/elementwise.ts';
import { generators } from './ops/generators.ts';
import { matmul } from './ops/matmul.ts';
import { normalization } from './ops/normalization.ts';
import { quantization } from './ops/quantization.ts';
import { recurrentOps } from './ops/recurrent.ts';
import { reduction } from './ops/reduction.ts';
import { reshaping } from './ops/reshaping.ts';
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
    }),
  ),
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
