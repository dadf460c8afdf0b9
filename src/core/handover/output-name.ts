import { fileSuffix } from '../recipe/suffix.ts';
import type { HandoverContext } from './types.ts';

/** "det.onnx" -> "det_q4.onnxruntime.onnx": told apart from what Whittle itself saves. */
export function outputFileName({ modelFile, recipe }: HandoverContext, tool: string): string {
  return `${stemOf(modelFile)}${fileSuffix(recipe)}.${tool}.onnx`;
}

/** A file name's stem with nothing in it that a shell or a path would read. */
export function stemOf(modelFile: string): string {
  const stem = modelFile
    .replace(/\.onnx$/i, '')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+/, '');
  return stem || 'model';
}
