import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorFloats, tensorFromBytes, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { EXPAND_HALF_KEY, expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

/** Every float16 there is. */
const allHalves = () => Uint16Array.from({ length: 65536 }, (_, i) => i);
const FLOAT = 1;

/** "half" [65536] float16, and "kept" [2] float16, each cast to float32 and given out. */
function castModel(): Model {
  const cast = (from: string) =>
    makeNode({ opType: 'Cast', inputs: [from], outputs: [`${from}_out`], attributes: { to: attrInt(FLOAT) } });
  const graph = makeGraph({
    name: 'halves',
    nodes: [cast('half'), cast('kept')],
    inputs: [],
    outputs: [valueInfo('half_out', 'float32', [65536]), valueInfo('kept_out', 'float32', [2])],
    initializers: [
      tensorFromBytes('half', 'float16', [65536], new Uint8Array(allHalves().buffer)),
      tensorFromNumbers('kept', 'float16', [2], [0.5, -2]),
    ],
  });
  return makeModel({ graph, opset: 17 });
}

async function outputsOf(model: Model): Promise<ort.InferenceSession.OnnxValueMapType> {
  const session = await ort.InferenceSession.create(await modelToBytes(model), {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 3,
  });
  return session.run({});
}

const bitsOf = (values: Float32Array) => new Uint32Array(values.slice().buffer);

test('every float16 becomes the float32 that onnxruntime casts it to, infinities and NaNs included', async () => {
  const plain = await outputsOf(castModel());
  const expanded = castModel();
  expanded.metadataProps.set(EXPAND_HALF_KEY, '["half"]');
  expect(await expandHalfWeights(expanded)).toBe(true);
  const outputs = await outputsOf(expanded);
  const [before, after] = [plain, outputs].map(({ half_out }) => half_out!.data as Float32Array);
  const [wanted, got] = [bitsOf(before!), bitsOf(after!)];
  const differs = (_: number, i: number) =>
    wanted[i] !== got[i] && !(Number.isNaN(before![i]) && Number.isNaN(after![i]));
  expect(Array.from(allHalves()).filter(differs)).toEqual([]);
  expect(after!.filter((value) => Number.isFinite(value))).toHaveLength(65536 - 2 * 1024);
});

test('only what the list names is expanded, the list goes, other metadata stays', async () => {
  const model = castModel();
  model.metadataProps.set('author', 'someone');
  model.metadataProps.set(EXPAND_HALF_KEY, '["half"]');
  await expandHalfWeights(model);
  expect(model.graph.initializers.get('half')!.dtype).toBe('float32');
  expect(model.graph.initializers.get('kept')!.dtype).toBe('float16');
  expect([...model.metadataProps]).toEqual([['author', 'someone']]);
  expect(await expandHalfWeights(model)).toBe(false);
});

describe('a list that cannot be followed is refused', () => {
  test.each([
    ['not JSON', 'half,kept'],
    ['no list', '{"half": 1}'],
    ['no names', '[1]'],
    ['not there', '["other"]'],
  ])('%s', async (_, list) => {
    const model = castModel();
    model.metadataProps.set(EXPAND_HALF_KEY, list);
    await expect(expandHalfWeights(model)).rejects.toMatchObject({ code: 'model/malformed' });
  });

  test('an initializer that is float32 already', async () => {
    const model = castModel();
    model.graph.initializers.set('half', tensorFromNumbers('half', 'float32', [65536], new Float32Array(65536)));
    model.metadataProps.set(EXPAND_HALF_KEY, '["half"]');
    await expect(expandHalfWeights(model)).rejects.toMatchObject({ code: 'model/malformed' });
  });
});

test('a model as it ships: every weight of 1,024 elements comes out float32 with the same values', async () => {
  const path = fileURLToPath(new URL('../../../../public/samples/tagger/model.fp16w.onnx', import.meta.url));
  const open = async () => readModel(memorySource(path, new Uint8Array(await readFile(path))));
  const [stored, model] = [await open(), await open()];
  await expandHalfWeights(model);
  let expanded = 0;
  for (const [name, tensor] of model.graph.initializers) {
    const before = stored.graph.initializers.get(name)!;
    expect(tensor.dtype).not.toBe('float16');
    if (before.dtype !== 'float16') continue;
    expanded += 1;
    expect(tensor.dims).toEqual(before.dims);
    const [values, wanted] = [await readTensorFloats(tensor), await readTensorFloats(before)];
    expect(values.length).toBe(wanted.length);
    expect(values.every((value, i) => value === wanted[i])).toBe(true);
  }
  expect(expanded).toBeGreaterThan(10);
});
