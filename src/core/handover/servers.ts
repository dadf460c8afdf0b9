/** Launch flags for vLLM and TensorRT-LLM. */
import { CHECKPOINT, compressedScheme, make, noteOthers } from './from-checkpoint.ts';
import type { NoteTaker } from './notes.ts';
import { flag, number, type RecipePlan, text } from './plan.ts';
import type { Handover, HandoverContext } from './types.ts';

export const vllmScript = (context: HandoverContext): Handover =>
  make(context, {
    format: 'vllm',
    title: 'vLLM (launch flags)',
    writtenFor: 'vLLM 0.11 and later',
    fileName: 'serve_vllm.sh',
    mediaType: 'text/x-shellscript',
    headline: 'launch flags for vLLM',
    body: vllmBody,
  });

export const tensorRtLlmScript = (context: HandoverContext): Handover =>
  make(context, {
    format: 'tensorrt-llm',
    title: 'TensorRT-LLM (launch flags)',
    writtenFor: 'TensorRT-LLM 1.x (examples/quantization/quantize.py, trtllm-serve)',
    fileName: 'serve_tensorrt_llm.sh',
    mediaType: 'text/x-shellscript',
    headline: 'commands for TensorRT-LLM',
    body: tensorRtLlmBody,
  });

function vllmBody(plan: RecipePlan, notes: NoteTaker): string | undefined {
  if (plan.fp16 && !plan.weightOnly) {
    notes.isExact('Half precision: --dtype float16.');
    return `vllm serve ${CHECKPOINT} --dtype float16`;
  }
  if (plan.bf16 && !plan.weightOnly) {
    notes.isExact('bfloat16: --dtype bfloat16.');
    return `vllm serve ${CHECKPOINT} --dtype bfloat16`;
  }
  if (plan.bnb4) {
    notes.isClose('NF4 by bitsandbytes while the model loads, blocks of 64.');
    if (text(plan.bnb4, 'codebook') === 'fp4') notes.isClose('FP4: vLLM loads NF4.');
    return `vllm serve ${CHECKPOINT} --quantization bitsandbytes`;
  }
  if (plan.fp8) {
    notes.isClose('FP8 (E4M3) with ranges taken while it runs; it needs a GPU with FP8 (Ada, Hopper or later).');
    return `vllm serve ${CHECKPOINT} --quantization fp8`;
  }
  const scheme = compressedScheme(plan, notes);
  if (!scheme) return undefined;
  notes.isClose('Quantize with the llm-compressor script first; vLLM reads the scheme from that folder by itself.');
  noteOthers(plan, notes);
  return [
    '# The folder that the llm-compressor script writes:',
    `vllm serve ./${CHECKPOINT.split('/')[1]}-compressed`,
  ].join('\n');
}

function tensorRtLlmBody(plan: RecipePlan, notes: NoteTaker): string | undefined {
  const { weightOnly } = plan;
  let format: string | undefined;
  let extra = '';
  if (plan.fp8) format = 'fp8';
  else if (plan.smoothQuant && (plan.staticInt8 || plan.dynamicInt8)) {
    format = 'int8_sq';
    notes.isClose('SmoothQuant: one strength for all layers.');
  } else if (
    weightOnly &&
    number(weightOnly.params, 'bits') === 4 &&
    (weightOnly.method === 'awq' || weightOnly.method === 'gptq')
  ) {
    format = 'int4_awq';
    extra = ` --awq_block_size ${number(weightOnly.params, 'blockSize')}`;
    const isAwq = weightOnly.method === 'awq';
    const isSymmetric = flag(weightOnly.params, 'symmetric');
    if (!isAwq) notes.isClose('GPTQ: AWQ stands in.');
    if (!isSymmetric) notes.isClose('Weights are symmetric there.');
    notes.isExact(isAwq && isSymmetric ? 'AWQ in 4 bits, block size.' : '4 bits, block size.');
  } else if (weightOnly && number(weightOnly.params, 'bits') === 4) {
    format = 'int4_wo';
    notes.isClose(`${weightOnly.method}: one scale a channel, round to nearest.`);
  } else if (plan.weightInt8 || (weightOnly && number(weightOnly.params, 'bits') === 8)) {
    format = 'int8_wo';
    notes.isClose('8-bit weights: one scale a channel.');
  }
  if (!format) {
    notes.isMissing(
      'TensorRT-LLM has FP8, INT8 SmoothQuant, 4- and 8-bit weights and AWQ; the recipe has none of these.',
    );
    return undefined;
  }
  noteOthers(plan, notes);
  return [
    'set -eu',
    `python3 examples/quantization/quantize.py --model_dir ${CHECKPOINT} --dtype float16 \\`,
    `  --qformat ${format}${extra} --output_dir checkpoint-${format}`,
    `trtllm-build --checkpoint_dir checkpoint-${format} --output_dir engine-${format} --gemm_plugin auto`,
    `trtllm-serve engine-${format} --tokenizer ${CHECKPOINT}`,
  ].join('\n');
}
