/** What kind of work an operator does: the grouping of cost tables, colours and summaries. */
import { broadcastOps, comparisonOps } from '../shape/ops/elementwise.ts';
import { reduceOps } from '../shape/ops/reduction.ts';

export const opFamilies = [
  'convolution',
  'matrix-product',
  'attention',
  'recurrent',
  'normalization',
  'activation',
  'elementwise',
  'reduction',
  'pooling',
  'layout',
  'gather',
  'quantization',
  'control-flow',
  'constant',
  'other',
] as const;

export type OpFamily = (typeof opFamilies)[number];

const members: Readonly<Record<Exclude<OpFamily, 'other'>, readonly string[]>> = {
  convolution: ['Conv', 'ConvTranspose', 'ConvInteger', 'QLinearConv', 'DeformConv', 'FusedConv', 'NhwcFusedConv'],
  'matrix-product': [
    ...['MatMul', 'Gemm', 'Einsum', 'MatMulInteger', 'QLinearMatMul', 'FusedMatMul', 'FusedMatMulActivation'],
    ...['TransposeMatMul', 'FusedGemm', 'GemmFastGelu', 'MatMulNBits', 'MatMulBnb4', 'MatMulFpQ4', 'QGemm'],
    ...['MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'MatMulInteger16'],
  ],
  attention: [
    ...['Attention', 'QAttention', 'MultiHeadAttention', 'DecoderMaskedMultiHeadAttention', 'GroupQueryAttention'],
    ...['SparseAttention', 'LongformerAttention'],
  ],
  recurrent: ['RNN', 'GRU', 'LSTM', 'DynamicQuantizeLSTM'],
  normalization: [
    ...['BatchNormalization', 'LayerNormalization', 'RMSNormalization', 'GroupNormalization', 'InstanceNormalization'],
    ...['SimplifiedLayerNormalization', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization', 'GroupNorm'],
    ...['SkipGroupNorm', 'LRN', 'LpNormalization', 'MeanVarianceNormalization', 'EmbedLayerNormalization'],
    ...['QEmbedLayerNormalization'],
  ],
  activation: [
    ...['Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Swish', 'Mish'],
    ...[
      'Tanh',
      'Softplus',
      'Softsign',
      'ThresholdedRelu',
      'Gelu',
      'FastGelu',
      'QuickGelu',
      'BiasGelu',
      'BiasSplitGelu',
    ],
    ...[
      'Softmax',
      'LogSoftmax',
      'Hardmax',
      'BiasSoftmax',
      'Clip',
      'QLinearSigmoid',
      'QLinearLeakyRelu',
      'QLinearSoftmax',
    ],
  ],
  elementwise: [
    ...broadcastOps,
    ...comparisonOps,
    ...['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'BitwiseNot', 'Ceil', 'Cos', 'Cosh', 'Erf', 'Exp'],
    ...['Floor', 'IsInf', 'IsNaN', 'Log', 'Neg', 'Not', 'Reciprocal', 'Round', 'Shrink', 'Sign', 'Sin', 'Sinh', 'Sqrt'],
    ...['Tan', 'Where', 'Cast', 'CastLike', 'Dropout', 'BiasAdd', 'QLinearAdd', 'QLinearMul', 'QLinearWhere'],
    ...['RotaryEmbedding', 'Trilu', 'BitCast'],
  ],
  reduction: [...reduceOps, 'ArgMax', 'ArgMin', 'TopK', 'CumSum', 'CumProd', 'QLinearReduceMean'],
  pooling: [
    ...['MaxPool', 'AveragePool', 'LpPool', 'GlobalMaxPool', 'GlobalAveragePool', 'GlobalLpPool', 'MaxUnpool'],
    ...['MaxRoiPool', 'RoiAlign', 'QLinearAveragePool', 'QLinearGlobalAveragePool'],
  ],
  layout: [
    ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity', 'Transpose', 'Concat', 'Split', 'Slice', 'Pad'],
    ...['Expand', 'Tile', 'DepthToSpace', 'SpaceToDepth', 'Resize', 'Upsample', 'Shape', 'Size', 'QLinearConcat'],
    ...['ReverseSequence', 'CenterCropPad', 'Col2Im', 'GridSample'],
  ],
  gather: [
    ...['Gather', 'GatherElements', 'GatherND', 'GatherBlockQuantized', 'Scatter', 'ScatterElements', 'ScatterND'],
    ...['TensorScatter', 'OneHot', 'NonZero', 'Compress', 'Unique', 'NonMaxSuppression'],
  ],
  quantization: ['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear'],
  'control-flow': ['If', 'Loop', 'Scan', 'SequenceMap'],
  constant: [
    ...['Constant', 'ConstantOfShape', 'Range', 'EyeLike', 'RandomNormal', 'RandomNormalLike', 'RandomUniform'],
    ...['RandomUniformLike', 'Bernoulli', 'Multinomial', 'BlackmanWindow', 'HammingWindow', 'HannWindow'],
  ],
};

const familyOf = new Map<string, OpFamily>();
for (const family of opFamilies) if (family !== 'other') for (const op of members[family]) familyOf.set(op, family);

/** The family of an operator of the default, com.microsoft or com.ms.internal.nhwc domain; 'other' for the rest. */
export function opFamily(opType: string): OpFamily {
  return familyOf.get(opType) ?? 'other';
}

/** Operators whose result is their first input's buffer under another shape: runtimes copy nothing. */
export const viewOps: ReadonlySet<string> = new Set([
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Identity',
  'Dropout',
]);
