/** Fused float operators of com.microsoft (onnxruntime's ContribOperators.md, 1.30). */
import type { InferFn } from '../../context.ts';
import type { Shape } from '../../facts.ts';
import { floorDiv } from '../../symbolic.ts';
import { convShape } from '../conv.ts';
import { sameAsInput, withDim } from '../helpers.ts';
import { gemm, matMulShape } from '../matmul.ts';

/** `transBatch`: the first dimension takes part in the product and the last batch dimension moves to the front. */
function fusedOperand(shape: Shape | undefined, isTransposed: boolean, isBatchTransposed: boolean): Shape | undefined {
  if (!shape || shape.length < 2) return shape;
  const rotated = isBatchTransposed ? [...shape.slice(1, -1), shape[0]!, shape.at(-1)!] : shape;
  return isTransposed ? [...rotated.slice(0, -2), rotated.at(-1)!, rotated.at(-2)!] : rotated;
}

const fusedMatMul: InferFn = (c) => {
  const a = fusedOperand(c.shape(0), c.int('transA', 0) === 1, c.int('transBatchA', 0) === 1);
  const b = fusedOperand(c.shape(1), c.int('transB', 0) === 1, c.int('transBatchB', 0) === 1);
  c.set(0, c.dtype(0), matMulShape(c, a, b));
};

/** Outputs: Y, mean, inverse deviation, and the sum before the normalization. */
const skipNormalization: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, c.dtype(0), shape);
  const statistics = shape && withDim(shape, shape.length - 1, 1);
  c.set(1, 'float32', statistics);
  c.set(2, 'float32', statistics);
  c.set(3, c.dtype(0), shape);
};

/** Outputs: [batch, seq, hidden], mask index [batch], and the sum of embeddings. */
const embedLayerNorm =
  (words: number): InferFn =>
  (c) => {
    const ids = c.shape(0);
    const hidden = c.shape(words)?.[1] ?? null;
    const shape = [ids?.[0] ?? null, ids?.[1] ?? null, hidden];
    const dtype = c.node.opType.startsWith('Q') ? 'float32' : c.dtype(words);
    c.set(0, dtype, shape);
    c.set(1, 'int32', [ids?.[0] ?? null]);
    c.set(2, dtype, shape);
  };

const halveLast: InferFn = (c) => {
  const shape = c.shape(0);
  c.set(0, c.dtype(0), shape && withDim(shape, shape.length - 1, floorDiv(shape.at(-1)!, 2)));
};

const withMask: InferFn = (c) => {
  c.set(0, c.dtype(0), c.shape(0));
  c.set(1, 'bool', c.shape(0));
};

const twice: InferFn = (c) => {
  c.set(0, c.dtype(0), c.shape(0));
  c.set(1, c.dtype(0), c.shape(0));
};

const fusedConv: InferFn = (c) => c.set(0, c.dtype(0), convShape(c, 0, 1));

export const contribFused: Record<string, InferFn> = {
  Gelu: sameAsInput,
  FastGelu: sameAsInput,
  QuickGelu: sameAsInput,
  BiasGelu: sameAsInput,
  BiasAdd: sameAsInput,
  BiasSoftmax: sameAsInput,
  BiasDropout: withMask,
  BiasSplitGelu: halveLast,
  FusedConv: fusedConv,
  FusedMatMul: fusedMatMul,
  FusedMatMulActivation: fusedMatMul,
  TransposeMatMul: fusedMatMul,
  FusedGemm: gemm,
  GemmFastGelu: (c) => c.set(0, c.dtype(0), matMulShape(c, c.shape(0), c.shape(1))),
  SkipLayerNormalization: skipNormalization,
  SkipSimplifiedLayerNormalization: skipNormalization,
  SimplifiedLayerNormalization: skipNormalization,
  EmbedLayerNormalization: embedLayerNorm(2),
  QEmbedLayerNormalization: embedLayerNorm(2),
  GroupNorm: sameAsInput,
  SkipGroupNorm: twice,
  Inverse: sameAsInput,
  Trilu: sameAsInput,
  MoE: sameAsInput,
  QMoE: sameAsInput,
  CDist: (c) => c.set(0, c.dtype(0), [c.shape(0)?.[0] ?? null, c.shape(1)?.[0] ?? null]),
};
