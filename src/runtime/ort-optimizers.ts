/**
 * Names that onnxruntime's `optimization.disable_specified_optimizers` understands. Graph transformers announce
 * themselves in the verbose log, so their live names are read from there (ort-log.ts). Rewrite rules run inside
 * `Level1_RuleBasedTransformer` and `Level2_RuleBasedTransformer` and leave no line of their own, hence this list
 * (onnxruntime 1.30, onnxruntime/core/optimizer/graph_transformer_utils.cc; the strings are in the shipped binaries).
 */
export const rewriteRules: readonly string[] = [
  'EliminateIdentity',
  'EliminateSlice',
  'UnsqueezeElimination',
  'EliminateDropout',
  'ExpandElimination',
  'CastElimination',
  'CastChainElimination',
  'PreShapeNodeElimination',
  'NoopElimination',
  'DivMulFusion',
  'FuseReluClip',
  'GemmSumFusion',
  'GemmTransposeFusion',
  'NotWhereFusion',
  'ConvAddFusion',
  'ConvMulFusion',
  'ConvBNFusion',
  'Pad_Fusion',
  'MatMul_BatchNormalization_Fusion',
  'LabelEncoderFusion',
  'ClipQuantRewrite',
  'ReluQuantRewrite',
];
