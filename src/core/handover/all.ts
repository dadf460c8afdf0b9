/** Every form in which a recipe can be handed over. */
import { llamaCppScript } from './llama-cpp.ts';
import { llmCompressorScript } from './llm-compressor.ts';
import { modeloptScript } from './modelopt.ts';
import { oliveConfig } from './olive.ts';
import { onnxruntimeScript } from './onnxruntime.ts';
import { tensorRtLlmScript, vllmScript } from './servers.ts';
import type { Handover, HandoverContext, HandoverFormat } from './types.ts';

const makers: Readonly<Record<HandoverFormat, (context: HandoverContext) => Handover>> = {
  whittle: ({ recipe }) => ({
    format: 'whittle',
    title: 'Whittle recipe (JSON)',
    writtenFor: 'whittle optimize MODEL --recipe FILE',
    fileName: 'recipe.json',
    mediaType: 'application/json',
    fit: 'exact',
    notes: { exact: ['Everything: the same version makes the same file from it.'], approximate: [], missing: [] },
    text: `${JSON.stringify(recipe, null, 2)}\n`,
  }),
  onnxruntime: onnxruntimeScript,
  olive: oliveConfig,
  modelopt: modeloptScript,
  'llm-compressor': llmCompressorScript,
  'llama-cpp': llamaCppScript,
  vllm: vllmScript,
  'tensorrt-llm': tensorRtLlmScript,
};

export const handoverFormats = Object.keys(makers) as readonly HandoverFormat[];

/** @throws StudioError recipe/* where the recipe is not valid */
export function handOver(format: HandoverFormat, context: HandoverContext): Handover {
  return makers[format](context);
}

/** In the order in which they are shown; those without a counterpart too, with the reason. */
export function allHandovers(context: HandoverContext): Handover[] {
  return handoverFormats.map((format) => handOver(format, context));
}
