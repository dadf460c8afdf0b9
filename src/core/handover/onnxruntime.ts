/**
 * A script for onnxruntime's own quantization tools. Interfaces as in onnxruntime 1.30
 * (onnxruntime/quantization/{quantize,matmul_nbits_quantizer,matmul_bnb4_quantizer}.py, transformers/float16.py).
 */

import { NoteTaker } from './notes.ts';
import { weightOnlyStage } from './onnxruntime-weight-only.ts';
import { outputFileName } from './output-name.ts';
import { flag, list, number, type Params, planOf, type RecipePlan, text } from './plan.ts';
import { call, code, type PythonValue, python } from './python.ts';
import { pythonScript, type Stage } from './script.ts';
import { hasSelection, selection } from './selection.ts';
import type { Handover, HandoverContext } from './types.ts';

const WRITTEN_FOR = 'onnxruntime 1.30 (pip install onnxruntime onnx numpy)';

export function onnxruntimeScript(context: HandoverContext): Handover {
  const plan = planOf(context.recipe);
  const notes = new NoteTaker();
  const stages = stagesOf(plan, notes);
  noteSimplification(plan, notes);
  const fit = notes.fit(stages.length > 0);
  const text =
    fit === 'none'
      ? ''
      : pythonScript(
          context,
          'a script for onnxruntime.quantization',
          WRITTEN_FOR,
          notes,
          stages,
          outputFileName(context, 'onnxruntime'),
        );
  return {
    ...{ format: 'onnxruntime', title: 'onnxruntime.quantization (Python)', writtenFor: WRITTEN_FOR },
    ...{ fileName: 'quantize_onnxruntime.py', mediaType: 'text/x-python', fit, notes: notes.record, text },
  };
}

function stagesOf(plan: RecipePlan, notes: NoteTaker): Stage[] {
  const stages: Stage[] = [];
  if (plan.equalization) notes.isMissing('Cross-layer equalization.');
  if (plan.outlierInt8) notes.isMissing('INT8 with outlier features in floating point.');
  if (plan.bf16) notes.isMissing('BF16 conversion.');
  if (plan.biasCorrection) notes.isMissing('Bias correction.');
  for (const title of plan.others) notes.isMissing(`${title}.`);
  if (plan.weightOnly) stages.push(...weightOnlyStage(plan, notes));
  if (plan.bnb4) stages.push(bnb4Stage(plan.bnb4, notes));
  if (plan.fp8) stages.push(fp8Stage(plan.fp8, notes));
  if (plan.staticInt8) stages.push(staticStage(plan.staticInt8, plan.smoothQuant, notes));
  else if (plan.smoothQuant) notes.isMissing('SmoothQuant: onnxruntime has it only within static quantization.');
  if (plan.dynamicInt8) stages.push(dynamicStage(plan.dynamicInt8, notes));
  if (plan.embeddings && plan.weightOnly?.method !== 'rtn') notes.isMissing('Embedding tables in 4 or 8 bits.');
  if (plan.weightInt8) notes.isMissing('Weights stored in 8 bits with a scale a channel and float arithmetic.');
  if (plan.fp16) stages.push(fp16Stage(plan.fp16, notes));
  return stages;
}

function noteSimplification({ simplification }: RecipePlan, notes: NoteTaker): void {
  if (simplification.length === 0) return;
  notes.isClose(
    `Cleanup and fusion (${simplification.length} steps): onnxruntime does its own when it loads a model, so the file keeps more nodes. Start from the file that Whittle simplified to have the same graph.`,
  );
}

const quantType = { int8: 'QInt8', uint8: 'QUInt8', int16: 'QInt16', uint16: 'QUInt16' } as const;
const typeOf = (name: string) => code(`QuantType.${quantType[name as keyof typeof quantType]}`);

function dynamicStage(params: Params, notes: NoteTaker): Stage {
  const weightType = text(params, 'weightType');
  const isAuto = weightType === 'auto';
  const ops = (['matmul', 'gemm', 'conv', 'lstm'] as const).filter((name) => flag(params, name));
  const names = { matmul: 'MatMul', gemm: 'Gemm', conv: 'Conv', lstm: 'LSTM' };
  notes.isExact('Dynamic INT8: granularity, weight type, operator types, reduced range, excluded nodes.');
  if (ops.includes('gemm'))
    notes.isClose('Gemm: onnxruntime quantizes it dynamically only after turning it into MatMul and Add.');
  if (ops.includes('lstm') && isAuto)
    notes.isClose('LSTM weights in 7 bits: one weight type holds for all nodes there.');
  notes.isClose('Codes can differ by one: each tool rounds and clips by its own rules.');
  return {
    title: 'Dynamic INT8',
    imports: ['from onnxruntime.quantization import QuantType, quantize_dynamic'],
    helpers: hasSelection(params) ? ['leftOut'] : [],
    lines: (source, target) =>
      call('quantize_dynamic', {
        model_input: code(source),
        model_output: code(target),
        op_types_to_quantize: ops.map((name) => names[name]),
        per_channel: text(params, 'granularity') === 'channel',
        reduce_range: flag(params, 'reduceRange'),
        weight_type: typeOf(isAuto ? 'uint8' : weightType),
        ...selection(params, source),
        extra_options: { WeightSymmetric: flag(params, 'symmetric'), MatMulConstBOnly: true, EnableSubgraph: true },
      }),
  };
}

const methods: Readonly<Record<string, string>> = {
  'min-max': 'MinMax',
  'moving-average': 'MinMax',
  percentile: 'Percentile',
  entropy: 'Entropy',
  mse: 'Percentile',
};

function staticStage(params: Params, smooth: Params | undefined, notes: NoteTaker): Stage {
  const method = text(params, 'method');
  const ranges = list(params, 'ranges');
  notes.isExact(
    'Static INT8: form, granularity, activation and weight types, symmetry, operator types, excluded nodes, ranges set by hand.',
  );
  if (method === 'mse')
    notes.isClose('Ranges of least squared error: onnxruntime has no such method; the 99.999th percentile stands in.');
  else if (method === 'entropy' || method === 'percentile')
    notes.isClose(`Calibration method "${method}": onnxruntime's histograms depend on the order of the samples.`);
  else notes.isExact(`Calibration method "${method}".`);
  if (text(params, 'sensitivity') === 'auto')
    notes.isMissing('Leaving sensitive nodes: exclude the nodes that the report lists.');
  if (smooth) {
    notes.isClose('SmoothQuant: one strength for all layers; needs the package neural-compressor.');
    if (flag(smooth, 'search')) notes.isMissing('Search of the strength for each layer.');
  }
  notes.isClose('Which activations are quantized between the chosen operators: placed as onnxruntime places them.');
  const overrides = Object.fromEntries(
    ranges.flatMap((entry) => {
      const match = /^(.*)=(-?[^=]+?)\.\.(-?[^=]+)$/.exec(entry);
      return match ? [[match[1]!, [{ rmin: Number(match[2]), rmax: Number(match[3]) }]]] : [];
    }),
  );
  return {
    title: 'Static INT8',
    imports: [
      'from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static',
      ...(Object.keys(overrides).length > 0 ? ['import numpy as np'] : []),
    ],
    helpers: ['reader', ...(hasSelection(params) ? (['leftOut'] as const) : [])],
    lines: (source, target) =>
      call('quantize_static', {
        model_input: code(source),
        model_output: code(target),
        calibration_data_reader: code(`Inputs(CALIBRATION_FOLDER, ${number(params, 'samples')})`),
        quant_format: code(`QuantFormat.${text(params, 'form') === 'qdq' ? 'QDQ' : 'QOperator'}`),
        op_types_to_quantize: [...list(params, 'opTypes')],
        per_channel: text(params, 'granularity') === 'channel',
        reduce_range: flag(params, 'reduceRange'),
        activation_type: typeOf(text(params, 'activationType')),
        weight_type: typeOf(text(params, 'weightType')),
        ...selection(params, source),
        calibrate_method: code(`CalibrationMethod.${methods[method]}`),
        extra_options: {
          ActivationSymmetric: flag(params, 'symmetricActivations'),
          WeightSymmetric: true,
          MatMulConstBOnly: !flag(params, 'computedProducts'),
          ...(method === 'moving-average' && { CalibMovingAverage: true }),
          ...(method === 'percentile' && { CalibPercentile: number(params, 'percentile') }),
          ...(method === 'mse' && { CalibPercentile: 99.999 }),
          ...(Object.keys(overrides).length > 0 && { TensorQuantOverrides: overrideSource(overrides) }),
          ...(smooth && {
            SmoothQuant: true,
            SmoothQuantAlpha: number(smooth, 'alpha'),
            SmoothQuantFolding: !flag(smooth, 'insertMul'),
          }),
        },
      }),
  };
}

/** onnxruntime wants numpy scalars there. */
function overrideSource(overrides: Record<string, readonly { rmin: number; rmax: number }[]>): PythonValue {
  const entries = Object.entries(overrides).map(
    ([tensor, [range]]) =>
      `${python(tensor)}: [{"rmin": np.float32(${python(range!.rmin)}), "rmax": np.float32(${python(range!.rmax)})}]`,
  );
  return code(`{${entries.join(', ')}}`);
}

function fp8Stage(params: Params, notes: NoteTaker): Stage {
  notes.isClose(
    'FP8: QuantizeLinear and DequantizeLinear with E4M3; onnxruntime takes its ranges from the distribution of the values, whatever the calibration method.',
  );
  if (text(params, 'format') === 'float8e5m2') notes.isClose('E5M2: onnxruntime quantizes to E4M3 only.');
  return {
    title: 'FP8',
    imports: ['from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static'],
    helpers: ['reader', ...(hasSelection(params) ? (['leftOut'] as const) : [])],
    lines: (source, target) =>
      call('quantize_static', {
        model_input: code(source),
        model_output: code(target),
        calibration_data_reader: code(`Inputs(CALIBRATION_FOLDER, ${number(params, 'samples')})`),
        quant_format: code('QuantFormat.QDQ'),
        op_types_to_quantize: ['Conv', 'MatMul', 'Gemm'],
        activation_type: code('QuantType.QFLOAT8E4M3FN'),
        weight_type: code('QuantType.QFLOAT8E4M3FN'),
        ...selection(params, source),
        calibrate_method: code('CalibrationMethod.Distribution'),
        extra_options: { scenario: 'same' },
      }),
  };
}

function bnb4Stage(params: Params, notes: NoteTaker): Stage {
  notes.isExact(`${text(params, 'codebook').toUpperCase()} codebook, block size, excluded nodes.`);
  if (flag(params, 'doubleQuantization')) notes.isMissing('Double quantization of the scales.');
  if (flag(params, 'gemm')) notes.isMissing('Gemm: onnxruntime quantizes MatMul only.');
  return {
    title: '4-bit codebook (bitsandbytes)',
    imports: ['import onnx', 'from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer'],
    helpers: hasSelection(params) ? ['leftOut'] : [],
    lines: (source, target) =>
      [
        `quantizer = ${call('MatMulBnb4Quantizer', {
          model: code(`onnx.load(${source})`),
          quant_type: code(`MatMulBnb4Quantizer.${text(params, 'codebook').toUpperCase()}`),
          block_size: number(params, 'blockSize'),
          ...selection(params, source),
        })}`,
        'quantizer.process()',
        `quantizer.model.save_model_to_file(${target}, use_external_data_format=False)`,
      ].join('\n'),
  };
}

function fp16Stage(params: Params, notes: NoteTaker): Stage {
  const block = list(params, 'nodeBlockList');
  const include = list(params, 'include');
  notes.isExact('FP16: kept input and output types, operators and nodes to keep in float32.');
  if (text(params, 'exclusions') === 'calibrated')
    notes.isMissing('Exclusions by calibration: add the nodes that the report lists to node_block_list.');
  if (flag(params, 'protectLargeWeights'))
    notes.isClose('Weights beyond 65504: onnxruntime clamps them, Whittle keeps their nodes in float32.');
  return {
    title: 'FP16',
    imports: ['import onnx', 'from onnxruntime.transformers.float16 import convert_float_to_float16'],
    helpers: block.length + include.length > 0 ? ['leftOut'] : [],
    lines: (source, target) =>
      [
        `half = ${call('convert_float_to_float16', {
          model: code(`onnx.load(${source})`),
          keep_io_types: flag(params, 'keepIoTypes'),
          op_block_list: [...list(params, 'opBlockList')],
          ...(block.length + include.length > 0 && {
            node_block_list: code(`left_out(${source}, ${python(include)}, ${python(block)})`),
          }),
        })}`,
        `onnx.save(half, ${target})`,
      ].join('\n'),
  };
}
