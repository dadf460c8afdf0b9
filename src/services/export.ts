/** Files out: the optimized model, the recipe, the report. Saved in place where the browser can, else downloaded. */
import { fileSave } from 'browser-fs-access';
import type { Recipe } from '../core/recipe/schema.ts';
import type { Report } from '../core/study/results.ts';

/**
 * The suffix that transformers.js gives a file of this kind (its DEFAULT_DTYPE_SUFFIX_MAPPING): '' fp32, _fp16, _int8,
 * _uint8, _quantized, _q4, _q4f16.
 */
export function dtypeSuffix(recipe: Recipe): string {
  const step = (id: string) => recipe.steps.find((candidate) => candidate.id === id);
  const half = step('fp16') !== undefined;
  const blockwise = step('weight-only-rtn');
  if (blockwise) {
    if (Number(blockwise.params.bits ?? 4) === 8) return '_q8';
    return half ? '_q4f16' : '_q4';
  }
  const dynamic = step('dynamic-int8');
  if (dynamic) {
    const type = dynamic.params.weightType;
    return type === 'int8' || type === 'uint8' ? `_${type}` : '_quantized';
  }
  if (step('static-int8')) return '_quantized';
  if (step('weight-int8')) return '_int8';
  return half ? '_fp16' : '';
}

/** "det.onnx" + INT8 -> "det_quantized.onnx"; a lossless variant is told from the original by its name's end. */
export function variantFileName(modelName: string, recipe: Recipe): string {
  const stem = modelName.replace(/\.onnx$/i, '').replace(/[^\w.-]+/g, '-') || 'model';
  const suffix = dtypeSuffix(recipe) || (recipe.steps.length > 0 ? '_optimized' : '');
  return `${stem}${suffix}.onnx`;
}

export function jsonFileName(modelName: string, what: string): string {
  const stem = modelName.replace(/\.onnx$/i, '').replace(/[^\w.-]+/g, '-') || 'model';
  return `${stem}.${what}.json`;
}

export async function saveJson(value: Recipe | Report, fileName: string): Promise<void> {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  await saveBlob(new Blob([text], { type: 'application/json' }), fileName);
}

/** Returns quietly when the dialog is dismissed. */
export async function saveBlob(blob: Blob | Promise<Blob>, fileName: string): Promise<void> {
  const extension = fileName.slice(fileName.lastIndexOf('.'));
  try {
    await fileSave(blob, { fileName, extensions: [extension], id: 'whittle-save' });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
  }
}
