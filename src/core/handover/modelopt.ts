/**
 * A script for NVIDIA Model Optimizer's ONNX quantization, which prepares files for TensorRT. Interface as in
 * nvidia-modelopt 0.39 (modelopt.onnx.quantization.quantize).
 */
import { NoteTaker } from './notes.ts';
import { outputFileName } from './output-name.ts';
import { flag, list, number, type Params, planOf, type RecipePlan, text } from './plan.ts';
import { call, code } from './python.ts';
import { pythonScript, type Stage } from './script.ts';
import { hasSelection, selection } from './selection.ts';
import type { Handover, HandoverContext } from './types.ts';

const WRITTEN_FOR = 'nvidia-modelopt 0.39 (pip install "nvidia-modelopt[onnx]"), for TensorRT 10';

export function modeloptScript(context: HandoverContext): Handover {
  const plan = planOf(context.recipe);
  const notes = new NoteTaker();
  const stage = stageOf(plan, notes);
  if (plan.simplification.length > 0)
    notes.isClose(
      `Cleanup and fusion (${plan.simplification.length} steps): TensorRT does its own when it builds an engine.`,
    );
  const fit = notes.fit(stage !== undefined);
  const text = stage
    ? pythonScript(
        context,
        'a script for NVIDIA Model Optimizer',
        WRITTEN_FOR,
        notes,
        [stage],
        outputFileName(context, 'modelopt'),
      )
    : '';
  return {
    ...{ format: 'modelopt', title: 'NVIDIA Model Optimizer (Python)', writtenFor: WRITTEN_FOR },
    ...{ fileName: 'quantize_modelopt.py', mediaType: 'text/x-python', fit, notes: notes.record, text },
  };
}

function stageOf(plan: RecipePlan, notes: NoteTaker): Stage | undefined {
  const missing: [unknown, string][] = [
    [plan.equalization, 'Cross-layer equalization.'],
    [plan.biasCorrection, 'Bias correction.'],
    [plan.smoothQuant, 'SmoothQuant: Model Optimizer has it for PyTorch models.'],
    [plan.outlierInt8, 'INT8 with outlier features in floating point.'],
    [plan.embeddings, 'Embedding tables in 4 or 8 bits.'],
    [plan.weightInt8, 'Weights stored in 8 bits with a scale a channel and float arithmetic.'],
    [plan.bnb4, '4-bit codebooks (bitsandbytes).'],
  ];
  for (const [present, what] of missing) if (present) notes.isMissing(what);
  for (const title of plan.others) notes.isMissing(`${title}.`);
  const rest = plan.fp16 ? 'fp16' : plan.bf16 ? 'bf16' : 'fp32';
  if (plan.weightOnly) return weightOnlyStage(plan.weightOnly, rest, notes);
  if (plan.fp8) return activationStage('fp8', plan.fp8, rest, notes);
  if (plan.staticInt8) return activationStage('int8', plan.staticInt8, rest, notes);
  if (plan.dynamicInt8)
    notes.isMissing('Dynamic quantization: TensorRT wants fixed ranges. Choose "INT8 static, calibrated" instead.');
  if (rest !== 'fp32') return precisionStage(rest, notes);
  return undefined;
}

const reading = (samples: number) =>
  `calibration = Inputs(CALIBRATION_FOLDER, ${samples})
samples = [calibration.get_next() for _ in range(len(calibration))]
data = {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}`;

function weightOnlyStage(
  { method, params }: NonNullable<RecipePlan['weightOnly']>,
  rest: string,
  notes: NoteTaker,
): Stage | undefined {
  if (number(params, 'bits') !== 4) {
    notes.isMissing(`${number(params, 'bits')} bits a weight: Model Optimizer has 4.`);
    return undefined;
  }
  const calibrated = method === 'awq' || method === 'gptq';
  if (method === 'awq')
    notes.isClose('AWQ: awq_clip searches clipping only; its grid is symmetric and its search differs from Whittle’s.');
  else if (method === 'gptq') notes.isClose('GPTQ: not there for ONNX files; AWQ with clipping stands in.');
  else if (method === 'rtn') notes.isExact('Round to nearest in blocks of 4 bits.');
  else notes.isClose(`${method}: not there; round to nearest stands in.`);
  if (flag(params, 'keepLastLayer')) notes.isMissing('Keeping the last layer: exclude its node by name.');
  if (text(params, 'mixture') !== 'uniform' || list(params, 'overrides').length > 0)
    notes.isMissing('Different bits for single layers.');
  notes.isClose('The form is DequantizeLinear of opset 21, which TensorRT reads, whatever form the recipe has.');
  return {
    title: 'INT4 weights',
    imports: ['from modelopt.onnx.quantization import quantize'],
    helpers: [...(calibrated ? (['reader'] as const) : []), ...(hasSelection(params) ? (['leftOut'] as const) : [])],
    lines: (source, target) =>
      [
        ...(calibrated ? [reading(number(params, 'samples'))] : []),
        call('quantize', {
          onnx_path: code(source),
          quantize_mode: 'int4',
          ...(calibrated && { calibration_data: code('data') }),
          calibration_method: calibrated ? 'awq_clip' : 'rtn_dq',
          block_size: number(params, 'blockSize'),
          use_zero_point: !flag(params, 'symmetric'),
          ...selection(params, source),
          high_precision_dtype: rest,
          output_path: code(target),
        }),
      ].join('\n'),
  };
}

function activationStage(mode: 'int8' | 'fp8', params: Params, rest: string, notes: NoteTaker): Stage {
  const method = text(params, 'method');
  const entropy = method === 'entropy' || method === 'percentile' || method === 'mse';
  notes.isExact(`Mode ${mode}, operator types, excluded nodes.`);
  if (method === 'entropy') notes.isExact('Calibration by entropy.');
  else if (method === 'min-max') notes.isExact('Calibration by minimum and maximum.');
  else notes.isClose(`Calibration method "${method}": ${entropy ? 'entropy' : 'minimum and maximum'} stands in.`);
  notes.isClose('Symmetric int8 with zero points of 0 everywhere, weights by channel: TensorRT takes nothing else.');
  if (mode === 'int8' && list(params, 'ranges').length > 0) notes.isMissing('Ranges set by hand.');
  if (mode === 'int8' && text(params, 'sensitivity') === 'auto')
    notes.isMissing('Leaving sensitive nodes: exclude the nodes that the report lists.');
  return {
    title: mode === 'int8' ? 'Static INT8' : 'FP8',
    imports: ['import numpy as np', 'from modelopt.onnx.quantization import quantize'],
    helpers: ['reader', ...(hasSelection(params) ? (['leftOut'] as const) : [])],
    lines: (source, target) =>
      [
        reading(number(params, 'samples')),
        call('quantize', {
          onnx_path: code(source),
          quantize_mode: mode,
          calibration_data: code('data'),
          calibration_method: entropy ? 'entropy' : 'max',
          ...(mode === 'int8' && { op_types_to_quantize: [...list(params, 'opTypes')] }),
          ...selection(params, source),
          high_precision_dtype: rest,
          output_path: code(target),
        }),
      ].join('\n'),
  };
}

function precisionStage(type: string, notes: NoteTaker): Stage {
  notes.isClose('Half precision by AutoCast: it decides node by node what stays in float32.');
  return {
    title: 'Half precision',
    imports: ['import onnx', 'from modelopt.onnx.autocast import convert_to_mixed_precision'],
    lines: (source, target) =>
      [
        `half = ${call('convert_to_mixed_precision', { onnx_path: code(source), low_precision_type: type })}`,
        `onnx.save(half, ${target})`,
      ].join('\n'),
  };
}
