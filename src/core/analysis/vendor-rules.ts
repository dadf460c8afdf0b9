/**
 * What vendors' runtimes say about the parts of a model that quantizers and fusions make. Nothing here was run: every
 * entry is read in the documents named in `source`. Standard floating-point operators are not looked up one by one.
 */
import type { RuntimeParts } from './runtime-parts.ts';

export interface VendorFinding {
  readonly level: 'partly' | 'does-not-run';
  readonly reason: string;
}

export interface VendorRuntime {
  readonly id: 'tensorrt' | 'coreml' | 'qnn' | 'openvino' | 'directml';
  readonly title: string;
  readonly hardware: string;
  /** What it costs to run there, whatever the model. */
  readonly cost: string;
  readonly source: string;
  readonly findings: (parts: RuntimeParts) => VendorFinding[];
}

const partly = (reason: string): VendorFinding => ({ level: 'partly', reason });
const not = (reason: string): VendorFinding => ({ level: 'does-not-run', reason });
const some = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

/** com.microsoft operators with a translator in OpenVINO's ONNX frontend. */
const openvinoContrib: ReadonlySet<string> = new Set([
  ...['Attention', 'BiasAdd', 'BiasGelu', 'BifurcationDetector', 'DynamicQuantizeLSTM', 'DynamicQuantizeMatMul'],
  ...['EmbedLayerNormalization', 'FastGelu', 'FusedConv', 'FusedGemm', 'FusedMatMul', 'GatherBlockQuantized', 'Gelu'],
  ...['GroupNorm', 'GroupQueryAttention', 'MatMulIntegerToFloat', 'MatMulNBits', 'MultiHeadAttention', 'QuickGelu'],
  ...['QLinearAdd', 'QLinearMul', 'QLinearConcat', 'QLinearLeakyRelu', 'QLinearSigmoid', 'QLinearWhere'],
  ...['RotaryEmbedding', 'SimplifiedLayerNormalization', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'],
]);

/** com.microsoft operators with a kernel in onnxruntime's DirectML provider. */
const directmlContrib: ReadonlySet<string> = new Set([
  ...['Attention', 'BiasAdd', 'BiasGelu', 'BiasSplitGelu', 'DequantizeLinear', 'DynamicQuantizeMatMul'],
  ...['EmbedLayerNormalization', 'FastGelu', 'FusedMatMul', 'FusedMatMulActivation', 'Gelu', 'GroupNorm'],
  ...['GroupQueryAttention', 'MatMulIntegerToFloat', 'MatMulNBits', 'MultiHeadAttention', 'NhwcConv', 'QAttention'],
  ...['QLinearAdd', 'QLinearAveragePool', 'QLinearConcat', 'QLinearGlobalAveragePool', 'QLinearSigmoid'],
  ...['QuantizeLinear', 'QuickGelu', 'RotaryEmbedding', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'],
]);

/** Not in the operator matrix of onnx-tensorrt. */
const tensorrtMissing: ReadonlySet<string> = new Set([
  ...['BitShift', 'Compress', 'ConvInteger', 'Det', 'DynamicQuantizeLinear', 'MatMulInteger', 'MaxRoiPool'],
  ...['MaxUnpool', 'Multinomial', 'QLinearConv', 'QLinearMatMul', 'StringNormalizer', 'TfIdfVectorizer', 'Unique'],
]);

export const vendorRuntimes: readonly VendorRuntime[] = [
  {
    id: 'tensorrt',
    title: 'TensorRT',
    hardware: 'NVIDIA GPU',
    cost: 'builds an engine for one GPU model and one TensorRT version, which takes minutes',
    source: 'onnx-tensorrt operators.md; TensorRT 10 guide, explicit quantization',
    findings: ({ contrib, standard, quantizedActivations, weightOnly, float8, zeroPoints, bfloat16 }) => [
      ...(contrib.length > 0
        ? [
            partly(
              `${some(contrib)}: not in its parser; onnxruntime's TensorRT provider leaves them to CUDA or the CPU`,
            ),
          ]
        : []),
      ...missing(standard, tensorrtMissing, 'not in its operator table'),
      ...quantizedActivations
        .filter((dtype) => dtype !== 'int8')
        .map((dtype) => not(`${dtype} activations: it takes int8 with zero point 0 only`)),
      ...(zeroPoints ? [not('zero points other than 0: it takes symmetric quantization only')] : []),
      ...(weightOnly.includes('uint8') ? [not('uint8 weights: it takes int8 and int4')] : []),
      ...(weightOnly.includes('uint4') ? [not('uint4 weights: it takes int4')] : []),
      ...(float8.includes('float8e5m2') ? [not('E5M2: it takes E4M3 only')] : []),
      ...(float8.length > 0 ? [partly('FP8 needs an Ada, Hopper or later GPU')] : []),
      ...(bfloat16 ? [partly('bfloat16 needs an Ampere or later GPU')] : []),
    ],
  },
  {
    id: 'openvino',
    title: 'OpenVINO',
    hardware: 'Intel CPU, GPU, NPU',
    cost: 'compiles the model at load; a compiled blob fits one device',
    source: "OpenVINO's ONNX frontend (src/op, src/op/com.microsoft)",
    findings: ({ contrib, quantizedActivations, weightOnly }) => [
      ...unknownContrib(contrib, openvinoContrib, 'no translator in its ONNX frontend'),
      ...(contrib.includes('MatMulBnb4') ? [not('MatMulBnb4: no translator in its ONNX frontend')] : []),
      ...quantizedActivations
        .filter((dtype) => dtype.endsWith('16'))
        .map((dtype) => partly(`${dtype} activations run as float on CPU and GPU`)),
      ...(weightOnly.some((dtype) => dtype.endsWith('2')) ? [not('2-bit weights: it takes 4 and 8 bits')] : []),
    ],
  },
  {
    id: 'qnn',
    title: 'QNN (onnxruntime)',
    hardware: 'Qualcomm Hexagon NPU',
    cost: 'needs fixed shapes; compiles a context binary for one chip family',
    source: 'onnxruntime QNN execution provider, documentation',
    findings: ({ contrib, freeDims, quantizedActivations, dynamic, isFloat }) => [
      ...(freeDims.length > 0 ? [partly(`free dimensions (${some(freeDims)}): fix them first`)] : []),
      ...(contrib.length > 0 ? [partly(`${some(contrib)}: left to the CPU`)] : []),
      ...(dynamic ? [partly('activations quantized at run time: left to the CPU')] : []),
      ...(isFloat && quantizedActivations.length === 0
        ? [
            partly(
              'floating point runs as fp16 where the chip has it, else on the CPU; static QDQ is what the NPU wants',
            ),
          ]
        : []),
    ],
  },
  {
    id: 'coreml',
    title: 'Core ML (onnxruntime)',
    hardware: 'Apple CPU, GPU, Neural Engine',
    cost: 'compiles at load; free dimensions cost time',
    source: 'onnxruntime Core ML execution provider, documentation',
    findings: ({ contrib, quantizedActivations, weightOnly, dynamic, freeDims, qoperator }) => [
      ...(contrib.length > 0 ? [partly(`${some(contrib)}: left to the CPU`)] : []),
      ...(quantizedActivations.length > 0 || weightOnly.length > 0 || dynamic || qoperator
        ? [partly('quantized operators are left to the CPU; quantize with coremltools instead')]
        : []),
      ...(freeDims.length > 0 ? [partly(`free dimensions (${some(freeDims)}) keep it off the Neural Engine`)] : []),
    ],
  },
  {
    id: 'directml',
    title: 'DirectML (onnxruntime)',
    hardware: 'any Windows GPU with DirectX 12',
    cost: 'nothing beyond the download; in maintenance only',
    source: 'onnxruntime OperatorKernels.md, DirectML',
    findings: ({ contrib, bfloat16, weightOnly }) => [
      ...unknownContrib(contrib, directmlContrib, 'no DirectML kernel: run on the CPU'),
      ...(bfloat16 ? [not('bfloat16: no DirectML kernels')] : []),
      ...(weightOnly.some((dtype) => dtype.endsWith('2')) ? [partly('2-bit weights: no DirectML kernel')] : []),
    ],
  },
];

function unknownContrib(contrib: readonly string[], known: ReadonlySet<string>, reason: string): VendorFinding[] {
  const names = contrib.filter((name) => !known.has(name));
  return names.length > 0 ? [partly(`${some(names)}: ${reason}`)] : [];
}

function missing(standard: ReadonlySet<string>, absent: ReadonlySet<string>, reason: string): VendorFinding[] {
  const names = [...absent].filter((name) => standard.has(name));
  return names.length > 0 ? [not(`${some(names)}: ${reason}`)] : [];
}
