/**
 * What runs where, for onnxruntime 1.30.0: data, with where each entry comes from. `portability.ts` applies it.
 *
 * Evidence, by the names used below:
 * - `measured-node-webgpu`: each operator in a one-node float32 model at opsets 12, 13, 15 and 17 to 23, loaded with the
 *   WebGPU execution provider of onnxruntime-node 1.30.0 (SwiftShader adapter); placement read from its verbose log
 *   (`bench/webgpu-kernels.mjs` repeats it; Einsum, Trilu, ConstantOfShape and DequantizeLinear by hand-made models).
 * - `measured-web`: run in Chromium with onnxruntime-web 1.30.0, WASM and native WebGPU (`/webgpu` build).
 * - `measured-web-wasm`: ONNX's node test cases loaded with onnxruntime-web 1.30.0's WASM build.
 * - `source`: read in onnxruntime's source, not measured.
 * - `documented`: onnxruntime's own tables of operators (WebNN), of an older version; not measured.
 */
export type Provider = 'cpu' | 'wasm' | 'webgpu' | 'webnn';
export const providers: readonly Provider[] = ['cpu', 'wasm', 'webgpu', 'webnn'];

export type Evidence = 'measured-node-webgpu' | 'measured-web' | 'measured-web-wasm' | 'source' | 'documented';

/** Operators of the default domain with a float32 WebGPU kernel at every opset from 12 to 23 where they exist. */
export const webgpuKernels: ReadonlySet<string> = new Set([
  ...['Abs', 'Acos', 'Acosh', 'Add', 'And', 'ArgMax', 'ArgMin', 'Asin', 'Asinh', 'Atan', 'Atanh', 'AveragePool'],
  ...['BatchNormalization', 'Cast', 'CastLike', 'Ceil', 'Clip', 'Concat', 'Conv', 'ConvTranspose', 'Cos', 'Cosh'],
  ...['CumSum', 'DFT', 'DepthToSpace', 'DequantizeLinear', 'Div', 'Einsum', 'Elu', 'Equal', 'Erf', 'Exp', 'Expand'],
  ...['Flatten', 'Floor', 'GRU', 'Gather', 'GatherElements', 'GatherND', 'Gelu', 'Gemm', 'GlobalAveragePool'],
  ...['GlobalMaxPool', 'Greater', 'GreaterOrEqual', 'GridSample', 'HardSigmoid', 'HardSwish', 'Identity', 'If'],
  ...['InstanceNormalization', 'LSTM', 'LayerNormalization', 'LeakyRelu', 'Less', 'LessOrEqual', 'Log'],
  ...['LpNormalization', 'MatMul', 'Max', 'MaxPool', 'Min', 'Mish', 'Mul', 'Neg', 'Not', 'PRelu', 'Pad', 'Pow'],
  ...['RMSNormalization', 'Range', 'Reciprocal', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp'],
  ...['ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceSum', 'ReduceSumSquare', 'Relu', 'Reshape'],
  ...['Resize', 'RotaryEmbedding', 'ScatterElements', 'ScatterND', 'Shape', 'Sigmoid', 'SimplifiedLayerNormalization'],
  ...['Sin', 'Sinh', 'Slice', 'Softmax', 'Softplus', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Swish', 'Tan', 'Tanh'],
  ...['ThresholdedRelu', 'Tile', 'TopK', 'Transpose', 'Trilu', 'Unsqueeze', 'Where'],
]);

/**
 * The last opset at which an operator of `webgpuKernels` has its kernel: later versions of the operator have none and
 * run on the CPU. A reason not to raise a model's opset above 21 for WebGPU.
 */
export const webgpuLastOpset: ReadonlyMap<string, number> = new Map([
  ...[
    ...['Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'ConvTranspose', 'Cos', 'Cosh', 'Elu', 'GRU'],
    ...['GlobalAveragePool', 'GlobalMaxPool', 'HardSigmoid', 'HardSwish', 'LSTM', 'MaxPool', 'Sin', 'Sinh', 'Tan'],
    ...['ThresholdedRelu'],
  ].map((op): [string, number] => [op, 21]),
  ['GridSample', 19],
  ['Flatten', 22],
  ['If', 22],
]);

/** Operators of the default domain that the same measurement found on the CPU at every opset. */
export const webgpuOnCpu: ReadonlySet<string> = new Set([
  ...['AffineGrid', 'Attention', 'Bernoulli', 'BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor'],
  ...['BlackmanWindow', 'Celu', 'CenterCropPad', 'Col2Im', 'Compress', 'ConstantOfShape', 'ConvInteger', 'DeformConv'],
  ...['Det', 'Dropout', 'DynamicQuantizeLinear', 'EyeLike', 'GroupNormalization', 'HammingWindow', 'HannWindow'],
  ...['Hardmax', 'IsInf', 'IsNaN', 'LRN', 'LogSoftmax', 'Loop', 'LpPool', 'MatMulInteger', 'MaxUnpool', 'Mean'],
  ...['MeanVarianceNormalization', 'MelWeightMatrix', 'Mod', 'NegativeLogLikelihoodLoss', 'NonMaxSuppression'],
  ...['NonZero', 'OneHot', 'Or', 'QLinearConv', 'QLinearMatMul', 'QuantizeLinear', 'RNN', 'ReverseSequence'],
  ...['RoiAlign', 'Round', 'STFT', 'Scan', 'Selu', 'Shrink', 'Sign', 'Size', 'SoftmaxCrossEntropyLoss', 'Softsign'],
  ...['SpaceToDepth', 'Sum', 'Unique', 'Upsample', 'Xor'],
]);

/**
 * Operators that a WebGPU session ran on the CPU when they got float64 (`measured-web`, one node each at opset 17). All
 * others that were tried, 23 that compute and Cast, ended the session: "Provider type ... is not set".
 */
export const webgpuFloat64OnCpu: ReadonlySet<string> = new Set([
  ...['Clip', 'Concat', 'Flatten', 'Gather', 'Reshape', 'Shape', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
]);

/** Operators of com.microsoft that ran on WebGPU (`measured-web`), whole float32 sessions without fallback. */
export const webgpuContribKernels: ReadonlySet<string> = new Set([
  ...['Attention', 'BiasAdd', 'BiasGelu', 'BiasSplitGelu', 'FastGelu', 'FusedConv', 'GatherBlockQuantized', 'Gelu'],
  ...['GroupQueryAttention', 'MatMulBnb4', 'MatMulNBits', 'MultiHeadAttention', 'QuickGelu', 'RotaryEmbedding'],
  ...['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'],
]);

/** Operators of com.microsoft seen to run on the CPU in a WebGPU session (`measured-web`). */
export const webgpuContribOnCpu: ReadonlySet<string> = new Set([
  ...['DynamicQuantizeMatMul', 'EmbedLayerNormalization', 'FusedGemm', 'FusedMatMul', 'MatMulIntegerToFloat'],
  ...['QAttention', 'QLinearAdd'],
]);

/** No CPU kernel, in WASM and natively: a session with such a node cannot be made. */
export const cpuMissing: ReadonlyMap<string, { readonly fromOpset: number; readonly evidence: Evidence }> = new Map([
  ['com.microsoft.BiasAdd', { fromOpset: 1, evidence: 'measured-web' }],
  ['com.microsoft.BiasSplitGelu', { fromOpset: 1, evidence: 'measured-web' }],
  ['ImageDecoder', { fromOpset: 20, evidence: 'measured-web-wasm' }],
  ['RandomUniformLike', { fromOpset: 22, evidence: 'measured-web-wasm' }],
  ['RoiAlign', { fromOpset: 22, evidence: 'measured-web-wasm' }],
]);

/** Operators in onnxruntime's WebNN table (js/web/docs/webnn-operators.md); what is not there runs in WASM. */
export const webnnKernels: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'ArgMax', 'ArgMin', 'AveragePool', 'BatchNormalization', 'Cast', 'Ceil', 'Clip', 'Concat', 'Conv'],
  ...['ConvTranspose', 'Cos', 'Div', 'Dropout', 'Elu', 'Equal', 'Erf', 'Exp', 'Expand', 'Flatten', 'Floor', 'Gather'],
  ...['Gelu', 'Gemm', 'GlobalAveragePool', 'GlobalLpPool', 'GlobalMaxPool', 'Greater', 'GreaterOrEqual'],
  ...['HardSigmoid', 'HardSwish', 'Identity', 'InstanceNormalization', 'LayerNormalization', 'LeakyRelu', 'Less'],
  ...['LessOrEqual', 'Log', 'LpPool', 'MatMul', 'Max', 'MaxPool', 'Min', 'Mul', 'Neg', 'Not', 'PRelu', 'Pad', 'Pow'],
  ...['Reciprocal', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean'],
  ...['ReduceMin', 'ReduceProd', 'ReduceSum', 'ReduceSumSquare', 'Relu', 'Reshape', 'Resize', 'Shape', 'Sigmoid'],
  ...['Sin', 'Slice', 'Softmax', 'Softplus', 'Softsign', 'Split', 'Sqrt', 'Squeeze', 'Sub', 'Tan', 'Tanh'],
  ...['Transpose', 'Trilu', 'Unsqueeze', 'Where'],
]);
