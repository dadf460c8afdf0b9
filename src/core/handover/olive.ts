/**
 * A run configuration for Microsoft Olive, as YAML (which JSON is a part of), since JSON itself cannot hold the header. Pass names and options as in
 * Olive 0.9 (olive/passes/onnx/*.py and olive/workflows/run/config.py).
 */
import type { Json, JsonObject } from '../base/json.ts';
import { headerLines, NoteTaker } from './notes.ts';
import { stemOf } from './output-name.ts';
import { flag, list, number, type Params, planOf, type RecipePlan, text } from './plan.ts';
import type { Handover, HandoverContext } from './types.ts';

const WRITTEN_FOR = 'Olive 0.9 (pip install olive-ai onnxruntime; run with: olive run --config FILE)';
const CALIBRATION = 'calibration_data';
const CALIBRATION_SCRIPT = `# Reads calibration inputs for Olive: one .npz a sample in the folder, arrays named like the model's inputs.
from pathlib import Path

import numpy as np
from olive.data.registry import Registry


class Inputs:
    def __init__(self, folder):
        self.files = sorted(Path(folder).glob("*.npz"))
        if not self.files:
            raise SystemExit(f"no .npz files in {folder}: put one for each calibration sample there")

    def __len__(self):
        return len(self.files)

    def __getitem__(self, at):
        return dict(np.load(self.files[at])), 0


@Registry.register_dataset()
def calibration_inputs(folder, **_):
    return Inputs(folder)
`;

export function oliveConfig(context: HandoverContext): Handover {
  const plan = planOf(context.recipe);
  const notes = new NoteTaker();
  const passes: Record<string, JsonObject> = {};
  if (plan.simplification.length > 0) {
    passes.simplify = { type: 'OnnxPeepholeOptimizer' };
    notes.isClose(
      `Cleanup and fusion (${plan.simplification.length} steps): Olive's peephole optimizer runs onnxscript's and onnxoptimizer's rules, which fuse other patterns.`,
    );
  }
  Object.assign(passes, quantizationPasses(plan, notes));
  const hasMethod = Object.keys(passes).length > 0 && (passes.quantize !== undefined || !hasQuantization(plan));
  const fit = notes.fit(hasMethod);
  const usesCalibration = passes.quantize?.data_config === CALIBRATION;
  const config = {
    input_model: { type: 'ONNXModel', model_path: context.modelFile },
    systems: {
      local: {
        type: 'LocalSystem',
        accelerators: [{ device: 'cpu', execution_providers: ['CPUExecutionProvider'] }],
      },
    },
    ...(usesCalibration && { data_configs: [calibrationData()] }),
    passes,
    host: 'local',
    target: 'local',
    output_dir: `${stemOf(context.modelFile)}-olive`,
  };
  const header = headerLines(context, 'a run configuration for Olive', WRITTEN_FOR, notes);
  return {
    ...{ format: 'olive', title: 'Olive run configuration (YAML)', writtenFor: WRITTEN_FOR },
    ...{ fileName: 'olive.yaml', mediaType: 'application/yaml', fit, notes: notes.record },
    companions: fit !== 'none' && usesCalibration ? [{ fileName: 'calibration.py', text: CALIBRATION_SCRIPT }] : [],
    text: fit === 'none' ? '' : `${header.join('\n')}\n${JSON.stringify(config, null, 2)}\n`,
  };
}

function hasQuantization(plan: RecipePlan): boolean {
  const { simplification: _, others, ...rest } = plan;
  return others.length > 0 || Object.values(rest).some((part) => part !== undefined);
}

/** A folder of .npz files is no built-in data set of Olive's, so a script says how they are read. */
function calibrationData(): JsonObject {
  return {
    name: CALIBRATION,
    type: 'DataContainer',
    user_script: 'calibration.py',
    load_dataset_config: { type: 'calibration_inputs', params: { folder: 'calibration' } },
  };
}

function quantizationPasses(plan: RecipePlan, notes: NoteTaker): Record<string, JsonObject> {
  const missing: [unknown, string][] = [
    [plan.equalization, 'Cross-layer equalization.'],
    [plan.biasCorrection, 'Bias correction.'],
    [plan.outlierInt8, 'INT8 with outlier features in floating point.'],
    [plan.bf16, 'BF16 conversion.'],
    [plan.weightInt8, 'Weights stored in 8 bits with a scale a channel and float arithmetic.'],
    [plan.fp8, 'FP8 as QuantizeLinear and DequantizeLinear outside TensorRT.'],
  ];
  for (const [present, what] of missing) if (present) notes.isMissing(what);
  for (const title of plan.others) notes.isMissing(`${title}.`);
  const passes: Record<string, JsonObject> = {};
  const quantize =
    (plan.weightOnly && weightOnlyPass(plan, notes)) ??
    (plan.bnb4 && bnb4Pass(plan.bnb4, notes)) ??
    (plan.staticInt8 && staticPass(plan.staticInt8, plan.smoothQuant, notes)) ??
    (plan.dynamicInt8 && dynamicPass(plan.dynamicInt8, notes));
  if (!plan.staticInt8 && plan.smoothQuant) notes.isMissing('SmoothQuant before dynamic quantization.');
  if (quantize) passes.quantize = quantize;
  if (plan.embeddings && plan.weightOnly?.method !== 'rtn') notes.isMissing('Embedding tables in 4 or 8 bits.');
  if (plan.fp16) {
    const pass = fp16Pass(plan.fp16, notes);
    if (quantize) passes.half = pass;
    else passes.quantize = pass;
  }
  return passes;
}

function weightOnlyPass({ weightOnly, embeddings }: RecipePlan, notes: NoteTaker): JsonObject | undefined {
  const { method, params } = weightOnly!;
  const bits = number(params, 'bits');
  if (bits !== 4 && bits !== 8) {
    notes.isMissing(`${bits} bits a weight: Olive's weight-only passes have 4 and 8.`);
    return undefined;
  }
  if (flag(params, 'gemm')) notes.isMissing('Gemm: Olive quantizes MatMul only.');
  if (flag(params, 'keepLastLayer')) notes.isMissing('Keeping the last layer: exclude its node by name.');
  if (text(params, 'mixture') !== 'uniform') notes.isMissing('The K_M mixture: every layer gets the same bits.');
  if (list(params, 'overrides').length > 0)
    notes.isMissing('Bits of single layers: customized_weight_config of OnnxKQuantQuantization takes node names.');
  if (text(params, 'form') === 'qdq') notes.isClose('DequantizeLinear form: follow with the pass MatMulNBitsToQDQ.');
  const common: JsonObject = { block_size: number(params, 'blockSize'), ...accuracy(params), ...nodes(params, notes) };
  switch (method) {
    case 'mse':
      notes.isClose(
        'Clipping search: Olive has none on ONNX files, so blocks keep their whole range (round to nearest).',
      );
      return { type: 'OnnxBlockWiseRtnQuantization', bits, is_symmetric: flag(params, 'symmetric'), ...common };
    case 'rtn':
      notes.isExact('Round to nearest in blocks: bits, block size, symmetry, accuracy level.');
      if (!embeddings) notes.isClose('Olive quantizes the tables of Gather as well: exclude these nodes to keep them.');
      else notes.isExact('Embedding tables in blocks.');
      return { type: 'OnnxBlockWiseRtnQuantization', bits, is_symmetric: flag(params, 'symmetric'), ...common };
    case 'hqq':
      if (bits !== 4) {
        notes.isMissing(`HQQ in ${bits} bits: Olive's has 4.`);
        return undefined;
      }
      notes.isClose('HQQ: zero points are fractional in Olive.');
      return { type: 'OnnxHqqQuantization', ...common };
    case 'kquant':
      notes.isExact('k-quant: bits, block size, accuracy level.');
      if (flag(params, 'symmetric')) notes.isClose("Symmetric: Olive's k-quant always has zero points.");
      return { type: 'OnnxKQuantQuantization', bits, ...common };
    case 'awq':
      notes.isClose('AWQ by NVIDIA ModelOpt (awq_lite): its search of factors differs, and it needs a GPU.');
      return {
        type: 'NVModelOptQuantization',
        precision: `int${bits}`,
        algorithm: 'awq',
        calibration_method: 'awq_lite',
      };
    default:
      notes.isMissing('GPTQ on an ONNX file: Olive has it for PyTorch models only.');
      return undefined;
  }
}

function bnb4Pass(params: Params, notes: NoteTaker): JsonObject {
  const codebook = text(params, 'codebook');
  notes.isExact(`${codebook.toUpperCase()} codebook.`);
  if (number(params, 'blockSize') !== 64) notes.isClose("Block size: Olive's is always 64.");
  if (flag(params, 'doubleQuantization')) notes.isMissing('Double quantization of the scales.');
  if (flag(params, 'gemm')) notes.isMissing('Gemm: Olive quantizes MatMul only.');
  return { type: 'OnnxBnb4Quantization', precision: codebook, ...nodes(params, notes) };
}

function staticPass(params: Params, smooth: Params | undefined, notes: NoteTaker): JsonObject {
  const method = text(params, 'method');
  const calibrate = { 'min-max': 'MinMax', 'moving-average': 'MinMax', percentile: 'Percentile', entropy: 'Entropy' };
  notes.isExact('Static INT8: form, granularity, activation and weight types, operator types.');
  if (method === 'mse') notes.isClose('Ranges of least squared error: percentiles stand in.');
  else notes.isExact(`Calibration method "${method}".`);
  if (list(params, 'ranges').length > 0) notes.isMissing('Ranges set by hand.');
  if (text(params, 'sensitivity') === 'auto')
    notes.isMissing('Leaving sensitive nodes: exclude what the report lists.');
  if (smooth) notes.isMissing('SmoothQuant.');
  return {
    type: 'OnnxStaticQuantization',
    data_config: CALIBRATION,
    quant_format: text(params, 'form') === 'qdq' ? 'QDQ' : 'QOperator',
    calibrate_method: calibrate[method as keyof typeof calibrate] ?? 'Percentile',
    activation_type: text(params, 'activationType'),
    precision: text(params, 'weightType'),
    per_channel: text(params, 'granularity') === 'channel',
    reduce_range: flag(params, 'reduceRange'),
    op_types_to_quantize: [...list(params, 'opTypes')],
    ActivationSymmetric: flag(params, 'symmetricActivations'),
    MatMulConstBOnly: !flag(params, 'computedProducts'),
    ...nodes(params, notes),
  };
}

function dynamicPass(params: Params, notes: NoteTaker): JsonObject {
  const names = { matmul: 'MatMul', gemm: 'Gemm', conv: 'Conv', lstm: 'LSTM' } as const;
  const weightType = text(params, 'weightType');
  notes.isExact('Dynamic INT8: granularity, weight type, operator types, reduced range.');
  notes.isClose('Codes can differ by one: each tool rounds and clips by its own rules.');
  return {
    type: 'OnnxDynamicQuantization',
    precision: weightType === 'auto' ? 'uint8' : weightType,
    per_channel: text(params, 'granularity') === 'channel',
    reduce_range: flag(params, 'reduceRange'),
    op_types_to_quantize: (Object.keys(names) as (keyof typeof names)[])
      .filter((name) => flag(params, name))
      .map((name) => names[name]),
    WeightSymmetric: flag(params, 'symmetric'),
    MatMulConstBOnly: true,
    ...nodes(params, notes),
  };
}

function fp16Pass(params: Params, notes: NoteTaker): JsonObject {
  notes.isExact('FP16: kept input and output types, operators and nodes to keep in float32.');
  if (text(params, 'exclusions') === 'calibrated') notes.isMissing('Exclusions by calibration.');
  const block = list(params, 'nodeBlockList');
  if (block.some(isPattern)) notes.isClose('Patterns with * or ? in node names: Olive takes whole names here.');
  return {
    type: 'OnnxFloatToFloat16',
    keep_io_types: flag(params, 'keepIoTypes'),
    op_block_list: [...list(params, 'opBlockList')],
    ...(block.length > 0 && { node_block_list: [...block] }),
  };
}

const isPattern = (name: string) => /[*?]/.test(name);

/** Olive's passes take whole node names; its newer ones patterns too. */
function nodes(params: Params, notes: NoteTaker): JsonObject {
  const exclude = list(params, 'exclude');
  const include = list(params, 'include');
  if ([...exclude, ...include].some(isPattern))
    notes.isClose('Patterns with * or ? in node names: only some of Olive’s passes expand them.');
  return {
    ...(exclude.length > 0 && { nodes_to_exclude: [...exclude] as Json[] }),
    ...(include.length > 0 && { nodes_to_include: [...include] as Json[] }),
  };
}

function accuracy(params: Params): JsonObject {
  const level = number(params, 'accuracyLevel');
  return level === 0 ? {} : { accuracy_level: level };
}
