/**
 * Multiply-accumulates and floating-point operations of single nodes.
 *
 * MACs count the products that a dense implementation computes: padding included, zeros not skipped, Winograd and the
 * like not considered. FLOPs are 2 per MAC plus what the operator does per element of its output; an exponential or a
 * root counts as one operation. These are conventions (as in fvcore or onnx-tool), not measurements.
 */
import { floatAttr, intAttr, intsAttr, stringAttr } from '../ir/attributes.ts';
import type { Dim, Node } from '../ir/types.ts';
import { isDefaultDomain } from '../ir/walk.ts';
import { einsumTerms } from '../shape/ops/matmul.ts';
import type { ShapeTable } from '../shape/types.ts';
import { opFamily } from './op-families.ts';
import { elementsOf } from './value-size.ts';

/** undefined: not known, because a size is not. */
export interface Work {
  readonly macs: number | undefined;
  readonly flops: number | undefined;
}

interface NodeView {
  readonly node: Node;
  /** All sizes of an input's shape, or undefined when one is not a number. */
  input(index: number): readonly number[] | undefined;
  output(index: number): readonly number[] | undefined;
}

const count = (dims: readonly number[]): number => dims.reduce((total, dim) => total * dim, 1);

/** Output elements times the weights each of them sees: [M, C/group, kernel...]. */
const convMacs =
  (weight: number) =>
  ({ input, output }: NodeView): number | undefined => {
    const w = input(weight);
    const y = output(0);
    return w && y && count(y) * count(w.slice(1));
  };

/** Each input element meets every weight of its channel: weights are [C, M/group, kernel...]. */
function convTransposeMacs({ input }: NodeView): number | undefined {
  const x = input(0);
  const w = input(1);
  return x && w && count(x) * count(w.slice(1));
}

function matMulMacs({ node, input, output }: NodeView): number | undefined {
  const a = input(0);
  const y = output(0);
  const isTransposed = intAttr(node, 'transA', 0) === 1 || intAttr(node, 'transBatchA', 0) === 1;
  const inner = a && (isTransposed && a.length > 1 && intAttr(node, 'transA', 0) === 1 ? a.at(-2) : a.at(-1));
  return inner === undefined || !y ? undefined : count(y) * inner;
}

function packedMatMulMacs({ node, output }: NodeView): number | undefined {
  const y = output(0);
  const inner = intAttr(node, 'K');
  return y && inner !== undefined ? count(y) * inner : undefined;
}

/** As one nested loop over all labels; a runtime that contracts pairs needs less for three and more operands. */
function einsumMacs({ node, input }: NodeView): number | undefined {
  const terms = einsumTerms(stringAttr(node, 'equation', ''), node.inputs.length);
  if (!terms) return undefined;
  if (terms.inputs.length < 2) return 0;
  const sizes = new Map<string, number>();
  for (const [index, labels] of terms.inputs.entries()) {
    const shape = input(index);
    if (!shape) return undefined;
    const wild = shape.length - labels.filter((label) => label !== '.').length;
    let axis = 0;
    for (const label of labels) {
      const size = label === '.' ? count(shape.slice(axis, axis + wild)) : shape[axis];
      if (size === undefined) return undefined;
      sizes.set(label, Math.max(sizes.get(label) ?? 1, size));
      axis += label === '.' ? wild : 1;
    }
  }
  return count([...sizes.values()]);
}

const gates: Readonly<Record<string, number>> = { RNN: 1, GRU: 3, LSTM: 4, DynamicQuantizeLSTM: 4 };

function recurrentMacs({ node, input, output }: NodeView): number | undefined {
  const x = input(0);
  const state = output(1) ?? output(0);
  const hidden = intAttr(node, 'hidden_size') ?? state?.at(-1);
  if (!x || hidden === undefined) return undefined;
  const directions = stringAttr(node, 'direction', 'forward') === 'bidirectional' ? 2 : 1;
  const [first = 0, second = 0, features = 0] = x;
  return first * second * directions * (gates[node.opType] ?? 1) * hidden * (features + hidden);
}

/** Projection to Q, K and V, then scores and weighted sum. */
function packedAttentionMacs({ node, input, output }: NodeView): number | undefined {
  const x = input(0);
  const w = input(1);
  const y = output(0);
  if (!x || !w || !y) return undefined;
  const past = node.inputs[4] ? input(4)?.[3] : 0;
  if (past === undefined) return undefined;
  const [batch = 0, length = 0] = x;
  return count(x) * (w[1] ?? 0) + 2 * batch * length * (past + length) * (y[2] ?? 0);
}

/** Scores and weighted sum: each takes queries x keys x hidden. */
function scoresMacs({ node, input, output }: NodeView): number | undefined {
  const y = output(0);
  const present = output(1);
  const key = node.inputs[1] ? input(1) : input(0);
  if (!y || !(present ?? key)) return undefined;
  const isHeadMajor = y.length === 4;
  const queries = (isHeadMajor ? y[2] : y[1]) ?? 0;
  const hidden = isHeadMajor ? (y[1] ?? 0) * (y[3] ?? 0) : (y[2] ?? 0);
  const keys = present ? present[2] : key!.length === 4 ? key![2] : key![1];
  return keys === undefined ? undefined : 2 * (y[0] ?? 0) * queries * keys * hidden;
}

const macRules: Readonly<Record<string, (view: NodeView) => number | undefined>> = {
  Conv: convMacs(1),
  FusedConv: convMacs(1),
  NhwcFusedConv: convMacs(1),
  DeformConv: convMacs(1),
  ConvInteger: convMacs(1),
  QLinearConv: convMacs(3),
  ConvTranspose: convTransposeMacs,
  MatMul: matMulMacs,
  Gemm: matMulMacs,
  FusedGemm: matMulMacs,
  FusedMatMul: matMulMacs,
  FusedMatMulActivation: matMulMacs,
  TransposeMatMul: matMulMacs,
  GemmFastGelu: matMulMacs,
  MatMulInteger: matMulMacs,
  MatMulInteger16: matMulMacs,
  MatMulIntegerToFloat: matMulMacs,
  DynamicQuantizeMatMul: matMulMacs,
  QLinearMatMul: matMulMacs,
  QGemm: matMulMacs,
  MatMulNBits: packedMatMulMacs,
  MatMulBnb4: packedMatMulMacs,
  MatMulFpQ4: packedMatMulMacs,
  Einsum: einsumMacs,
  RNN: recurrentMacs,
  GRU: recurrentMacs,
  LSTM: recurrentMacs,
  DynamicQuantizeLSTM: recurrentMacs,
  'com.microsoft.Attention': packedAttentionMacs,
  QAttention: packedAttentionMacs,
  Attention: scoresMacs,
  MultiHeadAttention: scoresMacs,
  GroupQueryAttention: scoresMacs,
};

/** Operations per output element beyond the MACs. */
const flopsPerOutput: Readonly<Record<string, number>> = {
  Softmax: 4,
  LogSoftmax: 4,
  BiasSoftmax: 5,
  Sigmoid: 3,
  Tanh: 4,
  HardSwish: 4,
  Swish: 4,
  Gelu: 6,
  FastGelu: 8,
  QuickGelu: 4,
  BiasGelu: 7,
  Mish: 6,
  BatchNormalization: 2,
  LayerNormalization: 7,
  SkipLayerNormalization: 8,
  SimplifiedLayerNormalization: 4,
  SkipSimplifiedLayerNormalization: 5,
  RMSNormalization: 4,
  GroupNormalization: 7,
  InstanceNormalization: 7,
  GroupNorm: 7,
  RotaryEmbedding: 3,
  QuantizeLinear: 3,
  DequantizeLinear: 2,
  DynamicQuantizeLinear: 5,
};

/** MACs alone of a node that is neither control flow nor a function call; undefined where a size is not known. */
export function macsOf(node: Node, shapes: ShapeTable): number | undefined {
  const rule = ruleOf(node);
  return rule ? rule(viewOf(node, shapes)) : 0;
}

function ruleOf({ domain, opType }: Node): ((view: NodeView) => number | undefined) | undefined {
  return (isDefaultDomain(domain) ? undefined : macRules[`${domain}.${opType}`]) ?? macRules[opType];
}

function viewOf(node: Node, shapes: ShapeTable): NodeView {
  return {
    node,
    input: (index) => numericShape(shapes, node.inputs[index]),
    output: (index) => numericShape(shapes, node.outputs[index]),
  };
}

/** Work of a node that is neither control flow nor a function call. */
export function workOf(node: Node, shapes: ShapeTable): Work {
  const view = viewOf(node, shapes);
  const rule = ruleOf(node);
  const macs = rule ? rule(view) : 0;
  const other = otherFlops(view);
  return { macs, flops: macs === undefined || other === undefined ? undefined : 2 * macs + other };
}

function otherFlops({ node, input, output }: NodeView): number | undefined {
  const y = output(0);
  const family = opFamily(node.opType);
  switch (family) {
    case 'convolution':
    case 'matrix-product': {
      const hasBias = family === 'convolution' ? node.inputs[2] : node.inputs[2] && floatAttr(node, 'beta', 1) !== 0;
      return y && (hasBias ? count(y) : 0);
    }
    case 'pooling': {
      const x = input(0);
      const kernel = intsAttr(node, 'kernel_shape');
      return kernel ? y && count(y) * count(kernel) : x && count(x);
    }
    case 'reduction': {
      const x = input(0);
      return x && count(x);
    }
    case 'elementwise':
    case 'activation':
    case 'normalization':
    case 'quantization':
      return y && count(y) * (flopsPerOutput[node.opType] ?? Math.max(1, variadic(node)));
    default:
      return 0;
  }
}

/** Sum of n inputs takes n - 1 operations per element. */
const variadic = (node: Node): number =>
  ['Sum', 'Mean', 'Max', 'Min'].includes(node.opType) ? node.inputs.length - 1 : 1;

function numericShape(shapes: ShapeTable, value: string | undefined): readonly number[] | undefined {
  const facts = value ? shapes.get(value) : undefined;
  const shape: readonly Dim[] | undefined = facts?.shape;
  return elementsOf(facts) === undefined ? undefined : (shape as readonly number[]);
}
