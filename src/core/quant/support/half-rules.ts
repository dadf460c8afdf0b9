/**
 * What float16 conversion must know of single operators: which cannot take float16, which inputs stay float32, which
 * outputs are float32 whatever goes in, and which attributes name an element type.
 */
import { attrInt, attrTensor, intAttr, tensorAttr } from '../../ir/attributes.ts';
import { dtypeInfo } from '../../ir/dtype.ts';
import { tensorFromNumbers } from '../../ir/tensor.ts';
import type { Node } from '../../ir/types.ts';
import { isDefaultDomain } from '../../ir/walk.ts';

/** onnxruntime 1.30, transformers/float16.py DEFAULT_OP_BLOCK_LIST. */
export const defaultOpBlockList: readonly string[] = [
  'ArrayFeatureExtractor',
  'Binarizer',
  'CastMap',
  'CategoryMapper',
  'DictVectorizer',
  'FeatureVectorizer',
  'Imputer',
  'LabelEncoder',
  'LinearClassifier',
  'LinearRegressor',
  'Normalizer',
  'OneHotEncoder',
  'RandomUniformLike',
  'SVMClassifier',
  'SVMRegressor',
  'Scaler',
  'TreeEnsembleClassifier',
  'TreeEnsembleRegressor',
  'TreeEnsemble',
  'ZipMap',
  'NonMaxSuppression',
  'TopK',
  'RoiAlign',
  'Range',
  'CumSum',
  'Min',
  'Max',
  'Upsample',
];

/** Operators of com.microsoft whose specification allows float16 (ContribOperators.md, 1.30). */
const contribWithHalf = new Set([
  'Attention',
  'BiasAdd',
  'BiasGelu',
  'BiasSoftmax',
  'BiasSplitGelu',
  'DecoderMaskedMultiHeadAttention',
  'FastGelu',
  'FusedMatMul',
  'GatherBlockQuantized',
  'GatedRelativePositionBias',
  'Gelu',
  'GemmFastGelu',
  'GroupNorm',
  'GroupQueryAttention',
  'MatMulNBits',
  'MultiHeadAttention',
  'PackedAttention',
  'PackedMultiHeadAttention',
  'QuickGelu',
  'RelativePositionBias',
  'RemovePadding',
  'RestorePadding',
  'RotaryEmbedding',
  'SkipGroupNorm',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Standard operators that take no float16 before this opset; Infinity: in none (ONNX 1.21, Operators.md). */
const halfSince: Readonly<Record<string, number>> = {
  DequantizeLinear: 19,
  QuantizeLinear: 19,
  DynamicQuantizeLinear: Number.POSITIVE_INFINITY,
  // Their scales may be float16 from opset 21 on, but onnxruntime 1.30 has no such kernels.
  QLinearConv: Number.POSITIVE_INFINITY,
  QLinearMatMul: Number.POSITIVE_INFINITY,
  CumSum: 14,
  IsInf: 20,
  Range: Number.POSITIVE_INFINITY,
  TfIdfVectorizer: Number.POSITIVE_INFINITY,
  NonMaxSuppression: Number.POSITIVE_INFINITY,
  Upsample: 7,
  Resize: 10,
  RoiAlign: 10,
};

/** These hold tensors in containers whose element type is part of a type this step does not rewrite. */
const containerOp = /^(Sequence|Optional|SplitToSequence|ConcatFromSequence|StringSplit|StringConcat|RegexFullMatch)/;

/** Nothing float goes into these, and onnxruntime's CPU kernels make float32 only: no Cast of an input can help them. */
const fullSources =
  /^(RandomNormal|RandomUniform|Bernoulli|EyeLike|HannWindow|HammingWindow|BlackmanWindow|MelWeightMatrix)/;

/** Why a node must stay in float32 whatever the user asks; undefined when it may be converted. */
export function cannotBeHalf(node: Node, opset: number): string | undefined {
  if (!isDefaultDomain(node.domain)) {
    const known = node.domain === 'com.microsoft' && contribWithHalf.has(node.opType);
    return known ? undefined : `float16 is not known to be allowed for ${node.domain}.${node.opType}`;
  }
  if (containerOp.test(node.opType)) return 'sequences and optionals keep their element type';
  if (fullSources.test(node.opType)) return `the runtime has no float16 kernel for ${node.opType}`;
  const since = halfSince[node.opType];
  return since !== undefined && opset < since ? `${node.opType} takes no float16 in opset ${opset}` : undefined;
}

/** Inputs that stay float32 in a converted node. */
export function isAlwaysFullInput(node: Node, inputIndex: number, opset: number): boolean {
  switch (node.opType) {
    case 'Resize':
      // roi and scales; in opset 10 the scales are the second input.
      return opset >= 11 ? inputIndex === 1 || inputIndex === 2 : inputIndex === 1;
    case 'Upsample':
      return inputIndex === 1;
    case 'GroupNorm':
    case 'SkipGroupNorm':
      return node.domain === 'com.microsoft' && (inputIndex === 1 || inputIndex === 2);
    default:
      return false;
  }
}

/** Outputs that are float32 in a converted node too: statistics computed at float32 (stash_type). */
export function isAlwaysFullOutput(node: Node, outputIndex: number): boolean {
  switch (node.opType) {
    case 'LayerNormalization':
    case 'SimplifiedLayerNormalization':
      return outputIndex > 0;
    case 'SkipLayerNormalization':
    case 'SkipSimplifiedLayerNormalization':
      return outputIndex === 1 || outputIndex === 2;
    default:
      return false;
  }
}

/** Makes attributes that say "float32" say "float16". */
export function retargetAttributes(node: Node): void {
  if (!isDefaultDomain(node.domain)) return;
  if (node.opType === 'ConstantOfShape') {
    const value = tensorAttr(node, 'value');
    if (value && value.dtype !== 'float32') return;
    const number = value?.data.kind === 'bytes' ? new Float32Array(value.data.bytes.slice().buffer)[0]! : 0;
    node.attributes.set('value', attrTensor(tensorFromNumbers('value', 'float16', [1], [clampToHalf(number)])));
    return;
  }
  if (node.opType === 'Cast' && intAttr(node, 'to', 0) === dtypeInfo.float32.onnx)
    node.attributes.set('to', attrInt(dtypeInfo.float16.onnx));
}

function clampToHalf(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(value, -65504), 65504) : value;
}

/** Operators that move elements and compute nothing: they are equally right in either type. */
export const movementOps: ReadonlySet<string> = new Set([
  'Concat',
  'DepthToSpace',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'Pad',
  'Reshape',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
  'Where',
]);
