import { describe, expect, it } from 'vitest';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { fileSuffix } from '../../../src/core/recipe/suffix.ts';
import { variantFileName } from '../../../src/services/export.ts';
import { sortFiles } from '../../../src/services/files.ts';

const picked = (...paths: string[]) => paths.map((path) => ({ path, file: new File(['x'], path.split('/').at(-1)!) }));

describe('sortFiles', () => {
  it('takes what lies beside the model as its data, by paths relative to it', () => {
    const sorted = sortFiles(picked('export/.DS_Store', 'export/model.onnx', 'export/w/a.bin', 'elsewhere/b.bin'));
    expect(sorted.kind).toBe('model');
    if (sorted.kind !== 'model') return;
    expect(sorted.files.graph.path).toBe('model.onnx');
    expect(sorted.files.others.map(({ path }) => path)).toEqual(['w/a.bin']);
  });

  it('tells recipes, arrays and models without a suffix apart', () => {
    expect(sortFiles(picked('recipe.json')).kind).toBe('json');
    expect(sortFiles(picked('x.npy', 'y.NPZ', 'input_0.pb')).kind).toBe('arrays');
    expect(sortFiles(picked('model.bin')).kind).toBe('model');
  });

  it('asks which of several models is meant', () => {
    expect(() => sortFiles(picked('a.onnx', 'b.onnx'))).toThrowError(/more than one model.*a\.onnx, b\.onnx/);
    expect(() => sortFiles(picked('a.txt', 'b.txt'))).toThrowError(/None of the 2 chosen files/);
  });
});

describe('file names', () => {
  const recipe = (...ids: (string | [string, Record<string, string>])[]) =>
    recipeSchema.parse({ steps: ids.map((id) => (typeof id === 'string' ? { id } : { id: id[0], params: id[1] })) });

  it('use the suffixes that transformers.js looks for', () => {
    expect(fileSuffix(recipe())).toBe('');
    expect(fileSuffix(recipe('fp16'))).toBe('_fp16');
    expect(fileSuffix(recipe('dynamic-int8'))).toBe('_quantized');
    expect(fileSuffix(recipe('weight-only-rtn'))).toBe('_q4');
    expect(fileSuffix(recipe('fp16', 'weight-only-rtn'))).toBe('_q4f16');
    expect(fileSuffix(recipe(['weight-only-rtn', { bits: '8' }]))).toBe('_quantized');
    expect(fileSuffix(recipe(['dynamic-int8', { weightType: 'uint8' }]))).toBe('_uint8');
    expect(fileSuffix(recipe(['dynamic-int8', { weightType: 'auto' }]))).toBe('_quantized');
  });

  it('never overwrite the original', () => {
    expect(variantFileName('det.onnx', recipe('eliminate-dead'))).toBe('det_optimized.onnx');
    expect(variantFileName('my model.ONNX', recipe('fp16'))).toBe('my-model_fp16.onnx');
  });
});
