import type { Recipe } from './schema.ts';

/**
 * The file name suffix that transformers.js expects for a number format, so that a saved variant loads there by its
 * dtype option (transformers.js 3, DEFAULT_DTYPE_SUFFIX_MAPPING): fp32 '' · fp16 '_fp16' · q8 '_quantized' · int8
 * '_int8' · uint8 '_uint8' · q4 '_q4' · q4f16 '_q4f16' · bnb4 '_bnb4'.
 * @returns '' for a recipe that keeps fp32
 */
export function fileSuffix(recipe: Recipe): string {
  const ids = new Map(recipe.steps.map((step) => [step.id, step.params]));
  if (ids.has('weight-only-bnb4')) return '_bnb4';
  const blocks = recipe.steps.find(({ id }) => id.startsWith('weight-only-'))?.params;
  const bits = blocks && Number(blocks.bits ?? 4);
  // 3 bits are stored as 4.
  if (bits === 4 || bits === 3) return ids.has('fp16') ? '_q4f16' : '_q4';
  if (bits === 2) return '_q2';
  const weightType = ids.get('dynamic-int8')?.weightType;
  if (!blocks && (weightType === 'int8' || weightType === 'uint8')) return `_${weightType}`;
  if (ids.has('dynamic-int8') || ids.has('static-int8') || ids.has('outlier-int8') || blocks) return '_quantized';
  if (ids.has('weight-int8')) return '_int8';
  if (ids.has('fp8-qdq')) return '_fp8';
  if (ids.has('bf16')) return '_bf16';
  return ids.has('fp16') ? '_fp16' : '';
}
