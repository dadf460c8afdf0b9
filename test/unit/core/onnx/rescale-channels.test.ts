import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { readTensorFloats, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { type Rescale, rescaleChannels, rescaleSchema } from '../../../../src/core/onnx/rescale-channels.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';

/** y = (x * scale) W, scale [3], W [3, 2]. */
function scaledProduct(): Model {
  const graph = makeGraph({
    name: 'product',
    nodes: [
      makeNode({ opType: 'Mul', inputs: ['x', 'scale'], outputs: ['h'] }),
      makeNode({ opType: 'MatMul', inputs: ['h', 'w'], outputs: ['y'] }),
    ],
    inputs: [valueInfo('x', 'float32', [1, 3])],
    outputs: [valueInfo('y', 'float32', [1, 2])],
    initializers: [
      tensorFromNumbers('scale', 'float32', [3], [1, 2, 3]),
      tensorFromNumbers('w', 'float32', [3, 2], [1, 2, 3, 4, 5, 6]),
    ],
  });
  return makeModel({ graph, opset: 17 });
}

const groupOf = (group: Partial<Rescale['groups'][number]>): Rescale => ({
  groups: [
    {
      multiply: [{ tensor: 'scale', axis: 0 }],
      divide: [{ tensor: 'w', axis: 0 }],
      channels: [0, 2],
      factors: [2, 64],
      ...group,
    },
  ],
});

const floatsOf = async (model: Model, name: string) => [
  ...(await readTensorFloats(model.graph.initializers.get(name)!)),
];

test('the named channels of one side grow, those of the other shrink', async () => {
  const model = scaledProduct();
  await rescaleChannels(model, groupOf({}));
  expect(await floatsOf(model, 'scale')).toEqual([2, 2, 192]);
  expect(await floatsOf(model, 'w')).toEqual([0.5, 1, 3, 4, 5 / 64, 6 / 64]);
});

test('channels of a later axis', async () => {
  const model = scaledProduct();
  await rescaleChannels(
    model,
    groupOf({ multiply: [{ tensor: 'w', axis: 1 }], divide: [], channels: [1], factors: [8] }),
  );
  expect(await floatsOf(model, 'w')).toEqual([1, 16, 3, 32, 5, 48]);
});

describe('refused', () => {
  test.each([
    ['a tensor that is not there', { tensor: 'other', axis: 0 }],
    ['an axis that is not there', { tensor: 'scale', axis: 1 }],
  ])('%s', async (_, side) => {
    const rescale = groupOf({ divide: [side] });
    await expect(rescaleChannels(scaledProduct(), rescale)).rejects.toMatchObject({ code: 'model/malformed' });
  });
});

describe('lm-outlier, which the build makes of lm-target', () => {
  const path = (name: string) => fileURLToPath(new URL(`../../../../public/samples/${name}`, import.meta.url));
  const open = async (name: string) => {
    const model = await readModel(memorySource(name, new Uint8Array(await readFile(path(name)))));
    await expandHalfWeights(model);
    return model;
  };

  /** onnxruntime's logits for a few tokens with an empty cache. */
  async function logits(model: Model): Promise<Float32Array> {
    const session = await ort.InferenceSession.create(await modelToBytes(model), { logSeverityLevel: 3 });
    const ids = Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 1024);
    const ints = (values: readonly number[]) =>
      new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const feeds: Record<string, ort.Tensor> = { input_ids: ints(ids), attention_mask: ints(ids.map(() => 1)) };
    for (const name of session.inputNames)
      if (name.startsWith('past_key_values'))
        feeds[name] = new ort.Tensor('float32', new Float32Array(0), [1, 2, 0, 64]);
    const outputs = await session.run(feeds, ['logits']);
    return outputs.logits!.data as Float32Array;
  }

  test('has the logits of lm-target and other weights', async () => {
    const [target, outlier] = [await open('lm-target/model.fp16w.onnx'), await open('lm-outlier/model.onnx')];
    const rescale = rescaleSchema.parse(JSON.parse(await readFile(path('lm-outlier/rescale.json'), 'utf8')));
    const touched = new Set(
      rescale.groups.flatMap(({ multiply, divide }) => [...multiply, ...divide].map((s) => s.tensor)),
    );
    for (const [name, tensor] of target.graph.initializers) {
      const [before, after] = [tensor, outlier.graph.initializers.get(name)!];
      if (before.dtype !== 'float32') continue;
      const [wanted, values] = [await readTensorFloats(before), await readTensorFloats(after)];
      const same = wanted.every((value, i) => value === values[i]);
      expect({ name, same }).toEqual({ name, same: !touched.has(name) });
    }
    const [expected, got] = [await logits(target), await logits(outlier)];
    expect(expected.length).toBe(24 * 1024);
    const largest = expected.reduce((max, value, i) => Math.max(max, Math.abs(value - got[i]!)), 0);
    expect(largest).toBeLessThanOrEqual(1e-6 * expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0));
  });
});
