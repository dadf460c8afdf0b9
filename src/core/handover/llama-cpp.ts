/** Commands for llama.cpp (tools/quantize): GGUF types by bits and method. */
import { make, noteOthers } from './from-checkpoint.ts';
import type { NoteTaker } from './notes.ts';
import { flag, number, type RecipePlan, text } from './plan.ts';
import type { Handover, HandoverContext } from './types.ts';

export const llamaCppScript = (context: HandoverContext): Handover =>
  make(context, {
    format: 'llama-cpp',
    title: 'llama.cpp (llama-quantize)',
    writtenFor: 'llama.cpp of 2026',
    fileName: 'quantize_llamacpp.sh',
    mediaType: 'text/x-shellscript',
    headline: 'commands for llama.cpp',
    body: llamaCppBody,
  });

/** GGUF types by bits and method; block sizes are fixed by the type. */
function ggufType(plan: RecipePlan, notes: NoteTaker): string | undefined {
  const { weightOnly } = plan;
  if (plan.weightInt8 || plan.dynamicInt8 || (weightOnly && number(weightOnly.params, 'bits') === 8)) {
    notes.isExact('8 bits a weight in blocks of 32 (Q8_0).');
    if (plan.dynamicInt8) notes.isClose('Activations are quantized in blocks of 32, not by tensor.');
    return 'Q8_0';
  }
  if (plan.fp16) return 'F16';
  if (plan.bf16) return 'BF16';
  if (!weightOnly) {
    notes.isMissing('llama.cpp quantizes weights; the recipe has no weight-only step in 2, 3, 4 or 8 bits.');
    return undefined;
  }
  const { method, params } = weightOnly;
  const bits = number(params, 'bits');
  const mixed = text(params, 'mixture') !== 'uniform';
  if (method === 'gptq' || method === 'awq' || method === 'hqq')
    notes.isClose(`${method.toUpperCase()}: llama.cpp searches scales with an importance matrix (--imatrix) instead.`);
  if (method === 'rtn' && bits === 4 && !mixed) {
    const symmetric = flag(params, 'symmetric');
    notes.isExact(`4 bits, round to nearest, ${symmetric ? 'symmetric (Q4_0)' : 'with a minimum a block (Q4_1)'}.`);
    if (number(params, 'blockSize') !== 32) notes.isClose('Blocks are of 32.');
    return symmetric ? 'Q4_0' : 'Q4_1';
  }
  notes.isClose(
    'K-quants: blocks of 32 (16 for 2 and 3 bits) whose scales are quantized themselves, in groups of 256.',
  );
  return bits === 4
    ? `Q4_K_${mixed ? 'M' : 'S'}`
    : bits === 3
      ? `Q3_K_${mixed ? 'M' : 'S'}`
      : mixed
        ? 'Q2_K'
        : 'Q2_K_S';
}

function llamaCppBody(plan: RecipePlan, notes: NoteTaker): string | undefined {
  const type = ggufType(plan, notes);
  if (!type) return undefined;
  noteOthers(plan, notes, { hasMixture: true });
  const convert = 'python3 convert_hf_to_gguf.py "$MODEL_FOLDER" --outtype f16 --outfile model-f16.gguf';
  const head = ['set -eu', `MODEL_FOLDER=\${1:?folder of the original checkpoint}`];
  if (type === 'F16' || type === 'BF16')
    return [
      ...head,
      convert.replace('f16 --outfile model-f16', `${type.toLowerCase()} --outfile model-${type.toLowerCase()}`),
    ].join('\n');
  const method = plan.weightOnly?.method;
  const guided = method === 'gptq' || method === 'awq';
  const pure =
    plan.weightOnly && text(plan.weightOnly.params, 'mixture') === 'uniform' && type.includes('_K_S') ? '--pure ' : '';
  return [
    ...head,
    convert,
    ...(guided
      ? [
          '# calibration.txt: text like what the model will see',
          'llama-imatrix -m model-f16.gguf -f calibration.txt -o model.imatrix',
        ]
      : []),
    `llama-quantize ${pure}${guided ? '--imatrix model.imatrix ' : ''}model-f16.gguf model-${type}.gguf ${type}`,
  ].join('\n');
}
