/** A script for llm-compressor. Interfaces as in llmcompressor 0.14 (modifiers/transform, modifiers/quantization). */
import { CHECKPOINT, compressedScheme, make, noteLayers } from './from-checkpoint.ts';
import type { NoteTaker } from './notes.ts';
import { flag, number, type Params, type RecipePlan, text } from './plan.ts';
import { call, code, python } from './python.ts';
import type { Handover, HandoverContext } from './types.ts';

export const llmCompressorScript = (context: HandoverContext): Handover =>
  make(context, {
    format: 'llm-compressor',
    title: 'llm-compressor (Python)',
    writtenFor: 'llmcompressor 0.14 (pip install llmcompressor), for vLLM',
    fileName: 'quantize_llmcompressor.py',
    mediaType: 'text/x-python',
    headline: 'a script for llm-compressor',
    body: llmCompressorBody,
  });

function llmCompressorBody(plan: RecipePlan, notes: NoteTaker): string | undefined {
  const scheme = compressedScheme(plan, notes);
  if (!scheme) return undefined;
  const imports = new Set<string>(['from llmcompressor import oneshot']);
  const modifiers: string[] = [];
  const ignore = ['lm_head'];
  const { weightOnly } = plan;
  if (plan.smoothQuant) {
    imports.add('from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier');
    modifiers.push(call('SmoothQuantModifier', { smoothing_strength: number(plan.smoothQuant, 'alpha') }, '    '));
    notes.isClose('SmoothQuant: one strength for all layers.');
  }
  const usesAwq =
    weightOnly?.method === 'awq' || (weightOnly?.method === 'gptq' && text(weightOnly.params, 'scaling') === 'awq');
  if (usesAwq) {
    imports.add('from llmcompressor.modifiers.transform.awq import AWQModifier');
    modifiers.push(call('AWQModifier', { duo_scaling: 'both' }, '    '));
    notes.isClose(
      'AWQ: factors are searched for each group of layers that share an input, without the clipping search.',
    );
  }
  if (weightOnly?.method === 'gptq') {
    imports.add('from llmcompressor.modifiers.quantization import GPTQModifier');
    modifiers.push(
      call(
        'GPTQModifier',
        {
          ignore,
          ...group(weightOnly.params),
          dampening_frac: number(weightOnly.params, 'damping'),
          actorder: flag(weightOnly.params, 'actOrder') ? 'static' : null,
        },
        '    ',
      ),
    );
    notes.isExact('GPTQ: bits, group size, symmetry, damping, order by activation.');
  } else {
    imports.add('from llmcompressor.modifiers.quantization import QuantizationModifier');
    const settings = weightOnly ? { ignore, ...group(weightOnly.params) } : { targets: ['Linear'], ignore, scheme };
    modifiers.push(call('QuantizationModifier', settings, '    '));
    if (weightOnly) notes.isExact('Bits, group size and symmetry of the weights.');
    if (weightOnly && weightOnly.method !== 'rtn' && weightOnly.method !== 'awq')
      notes.isClose(
        `${weightOnly.method}: not there; the range of a group is ${weightOnly.method === 'mse' ? 'searched by an observer' : 'its minimum and maximum'}.`,
      );
  }
  if (plan.staticInt8) notes.isClose('Activations are quantized for each token while it runs, not with fixed ranges.');
  notes.isClose('The output head (lm_head) stays in floating point.');
  noteLayers(weightOnly?.params, notes);
  const samples = weightOnly && 'samples' in weightOnly.params ? number(weightOnly.params, 'samples') : 128;
  const needsData = usesAwq || weightOnly?.method === 'gptq' || plan.smoothQuant !== undefined;
  return [
    ...[...imports].sort(),
    'from transformers import AutoModelForCausalLM, AutoTokenizer',
    '',
    `MODEL = ${python(CHECKPOINT)}`,
    '',
    'model = AutoModelForCausalLM.from_pretrained(MODEL, torch_dtype="auto")',
    'tokenizer = AutoTokenizer.from_pretrained(MODEL)',
    'recipe = [',
    ...modifiers.map((modifier) => `    ${modifier},`),
    ']',
    call('oneshot', {
      model: code('model'),
      tokenizer: code('tokenizer'),
      recipe: code('recipe'),
      ...(needsData && { dataset: 'open_platypus', num_calibration_samples: samples, max_seq_length: 2048 }),
    }),
    'folder = MODEL.split("/")[-1] + "-compressed"',
    'model.save_pretrained(folder, save_compressed=True)',
    'tokenizer.save_pretrained(folder)',
  ].join('\n');
}

function group(params: Params) {
  return {
    config_groups: {
      group_0: {
        targets: ['Linear'],
        weights: {
          num_bits: number(params, 'bits'),
          type: 'int',
          symmetric: flag(params, 'symmetric'),
          strategy: 'group',
          group_size: number(params, 'blockSize'),
        },
      },
    },
  };
}
