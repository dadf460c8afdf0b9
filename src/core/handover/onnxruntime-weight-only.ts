/** Weight-only quantization by onnxruntime's MatMulNBitsQuantizer. */

import type { NoteTaker } from './notes.ts';
import { flag, list, number, type Params, type RecipePlan, text } from './plan.ts';
import { call, code, type PythonValue } from './python.ts';
import type { Stage } from './script.ts';
import { hasSelection, selection } from './selection.ts';

/** @returns no stage where onnxruntime has nothing like the method; the notes then say so */
export function weightOnlyStage({ weightOnly, embeddings }: RecipePlan, notes: NoteTaker): Stage[] {
  const { method, params } = weightOnly!;
  const bits = number(params, 'bits');
  if (bits === 3) {
    notes.isMissing('3 bits a weight: onnxruntime quantizes to 2, 4 and 8.');
    return [];
  }
  const config = configOf(method, params, notes);
  if (!config) return [];
  noteCommon(params, notes);
  const tables = method === 'rtn' && embeddings !== undefined;
  if (tables) notes.isExact('Embedding tables as GatherBlockQuantized.');
  return [
    {
      title: 'Weights in blocks',
      imports: [
        'import onnx',
        'from onnxruntime.quantization import QuantFormat',
        `from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer, ${config.name}`,
      ],
      helpers: [
        ...(config.calibrated ? (['reader'] as const) : []),
        ...(hasSelection(params) ? (['leftOut'] as const) : []),
      ],
      lines: (source, target) =>
        [
          `config = ${call(config.name, {
            ...config.args,
            quant_format: code(`QuantFormat.${text(params, 'form') === 'qdq' ? 'QDQ' : 'QOperator'}`),
            ...(tables && { op_types_to_quantize: code('("MatMul", "Gather")') }),
          })}`,
          `quantizer = ${call('MatMulNBitsQuantizer', {
            model: code(`onnx.load(${source})`),
            bits,
            block_size: number(params, 'blockSize'),
            is_symmetric: flag(params, 'symmetric'),
            ...accuracyLevel(params),
            ...selection(params, source),
            algo_config: code('config'),
          })}`,
          'quantizer.process()',
          `quantizer.model.save_model_to_file(${target}, use_external_data_format=False)`,
        ].join('\n'),
    },
  ];
}

interface AlgorithmConfig {
  readonly name: string;
  readonly args: Readonly<Record<string, PythonValue>>;
  readonly calibrated?: boolean;
}

function configOf(method: string, params: Params, notes: NoteTaker): AlgorithmConfig | undefined {
  const bits = number(params, 'bits');
  const blockSize = number(params, 'blockSize');
  const plain = {
    name: 'DefaultWeightOnlyQuantConfig',
    args: { block_size: blockSize, is_symmetric: flag(params, 'symmetric'), bits, ...accuracyLevel(params) },
  };
  switch (method) {
    case 'rtn':
      notes.isExact('Round to nearest in blocks: bits, block size, symmetry, form, accuracy level.');
      return plain;
    case 'mse':
      notes.isClose('Clipping search: onnxruntime has none, so blocks keep their whole range (round to nearest).');
      return plain;
    case 'hqq':
      if (bits !== 4) {
        notes.isMissing(`HQQ in ${bits} bits: onnxruntime's has 4.`);
        return undefined;
      }
      notes.isExact('HQQ: 4 bits, block size.');
      notes.isClose("HQQ's zero points are fractional there, so the result runs on the CPU only.");
      return { name: 'HQQWeightOnlyQuantConfig', args: { block_size: blockSize, bits } };
    case 'kquant':
      if (blockSize !== 32) notes.isClose('k-quant: onnxruntime takes the block size given to the quantizer.');
      if (flag(params, 'symmetric')) notes.isClose("Symmetric: onnxruntime's k-quant always has zero points.");
      notes.isExact('k-quant: scale and zero point by weighted least squares.');
      return { name: 'KQuantWeightOnlyQuantConfig', args: {} };
    case 'gptq':
      notes.isExact('GPTQ: damping, order by activation.');
      notes.isClose(
        'GPTQ: onnxruntime fixes scales within the column loop and keeps every activation in memory; 4 bits, block size as below.',
      );
      if (text(params, 'scaling') === 'awq') notes.isMissing("Scaling by AWQ's factors first.");
      return {
        name: 'GPTQWeightOnlyQuantConfig',
        calibrated: true,
        args: {
          calibration_data_reader: code(`Inputs(CALIBRATION_FOLDER, ${number(params, 'samples')})`),
          percdamp: number(params, 'damping'),
          block_size: blockSize,
          actorder: flag(params, 'actOrder'),
          mse: text(params, 'gridSearch') === 'mse',
        },
      };
    default:
      notes.isMissing('AWQ: onnxruntime has none of its own. NVIDIA ModelOpt has.');
      return undefined;
  }
}

function noteCommon(params: Params, notes: NoteTaker): void {
  if (flag(params, 'gemm')) notes.isMissing('Gemm: onnxruntime quantizes MatMul only.');
  if (flag(params, 'keepLastLayer')) notes.isMissing('Keeping the last layer: exclude its node by name.');
  if (text(params, 'mixture') !== 'uniform') notes.isMissing('The K_M mixture: every layer gets the same bits.');
  if (list(params, 'overrides').length > 0) notes.isMissing('Bits of single layers.');
}

function accuracyLevel(params: Params): Record<string, PythonValue> {
  const level = number(params, 'accuracyLevel');
  return level === 0 ? {} : { accuracy_level: level };
}
