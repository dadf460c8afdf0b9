/** Files out: the optimized model, the recipe, the report. Saved in place where the browser can, else downloaded. */
import { fileSave } from 'browser-fs-access';
import type { Recipe } from '../core/recipe/schema.ts';
import { fileSuffix } from '../core/recipe/suffix.ts';
import type { Report } from '../core/study/results.ts';

/** "det.onnx" + INT8 -> "det_quantized.onnx"; a lossless variant is told from the original by its name's end. */
export function variantFileName(modelName: string, recipe: Recipe): string {
  const stem = stemOf(modelName);
  const suffix = fileSuffix(recipe) || (recipe.steps.length > 0 ? '_optimized' : '');
  return `${stem}${suffix}.onnx`;
}

export function jsonFileName(modelName: string, what: string): string {
  return `${stemOf(modelName)}.${what}.json`;
}

export function reportFileName(modelName: string, ending: string): string {
  return `${stemOf(modelName)}.report.${ending}`;
}

/** @param what in words: "INT4 RTN error by layer" */
export function csvFileName(modelName: string, what: string): string {
  return `${stemOf(modelName)}.${what.replace(/[^\w]+/g, '-').toLowerCase()}.csv`;
}

/** @param title of the chart, in words; "det.onnx" and "Memory" -> "det-memory.svg" */
export function chartFileName(modelName: string, title: string, ending: 'svg' | 'png'): string {
  const words = title.replace(/[^\w]+/g, '-').replace(/^-+|-+$/g, '');
  return `${stemOf(modelName)}-${words.toLowerCase().slice(0, 60) || 'chart'}.${ending}`;
}

function stemOf(modelName: string): string {
  return modelName.replace(/\.onnx$/i, '').replace(/[^\w.-]+/g, '-') || 'model';
}

export async function saveJson(value: Recipe | Report, fileName: string): Promise<void> {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  await saveBlob(new Blob([text], { type: 'application/json' }), fileName);
}

export function projectFileName(name: string): string {
  return `${name.replace(/[^\w.-]+/g, '-').replace(/^[-.]+|-+$/g, '') || 'project'}.whittle.zip`;
}

/**
 * Saves bytes as they come, where the browser lets a page write a file; else it collects them, outside of the page's own
 * memory where it can, and downloads. @returns false when the dialog was dismissed
 */
export async function saveStream(stream: ReadableStream<Uint8Array>, type: string, fileName: string): Promise<boolean> {
  const response = new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>, {
    headers: { 'content-type': type },
  });
  const canStream = 'showSaveFilePicker' in globalThis;
  const extension = fileName.slice(fileName.lastIndexOf('.'));
  try {
    await fileSave(canStream ? response : await response.blob(), {
      fileName,
      extensions: [extension],
      id: 'whittle-save',
    });
    return true;
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
    return false;
  }
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
