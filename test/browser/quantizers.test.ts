// Every quantization step in a real browser: built in the transform worker, run on WASM, and on WebGPU where it says so.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attrFloat, attrInt, attrInts } from '../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../src/core/ir/build.ts';
import { tensorFromInts, tensorFromNumbers } from '../../src/core/ir/tensor.ts';
import type { Model } from '../../src/core/ir/types.ts';
import { modelToBytes } from '../../src/core/onnx/write.ts';
import { stepRegistry } from '../../src/core/recipe/registry.ts';
import type { Report } from '../../src/core/study/results.ts';
import { type HarnessPage, openHarness } from './harness/page.ts';
import { offerStudies, runStudyOn } from './support/study.ts';

const LENGTH = 256;
const SAMPLES = 20;

/** A convolution, an embedding, a norm and three products: something to do for every step. */
function smallNet(): Model {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const weight = (name: string, dims: readonly number[], size: number) =>
    tensorFromNumbers(
      name,
      'float32',
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => size * (random() + random())),
    );
  const node = (opType: string, inputs: string[], output: string, attributes = {}) =>
    makeNode({ opType, name: `${opType} ${output}`, inputs, outputs: [output], attributes });
  return makeModel({
    opset: 17,
    graph: makeGraph({
      nodes: [
        node('Reshape', ['x', 'image'], 'picture'),
        node('Conv', ['picture', 'conv_w', 'conv_b'], 'features', {
          kernel_shape: attrInts([3, 3]),
          pads: attrInts([1, 1, 1, 1]),
        }),
        node('Relu', ['features'], 'positive'),
        node('Reshape', ['positive', 'rows'], 'flat'),
        node('MatMul', ['flat', 'up_w'], 'up'),
        node('Add', ['up', 'up_b'], 'biased'),
        node('Reshape', ['x', 'words'], 'letters'),
        node('ArgMax', ['letters'], 'ids', { axis: attrInt(1), keepdims: attrInt(0) }),
        node('Gather', ['table', 'ids'], 'embedded'),
        node('Add', ['biased', 'embedded'], 'hidden'),
        node('LayerNormalization', ['hidden', 'gamma', 'beta'], 'normed', { epsilon: attrFloat(1e-5) }),
        node('MatMul', ['normed', 'mid_w'], 'mid'),
        node('Relu', ['mid'], 'active'),
        node('Gemm', ['active', 'out_w', 'out_b'], 'y', { transB: attrInt(1) }),
      ],
      inputs: [valueInfo('x', 'float32', [LENGTH])],
      outputs: [valueInfo('y', 'float32', [4, 32])],
      initializers: [
        tensorFromInts('image', [4], [1, 4, 8, 8]),
        tensorFromInts('rows', [2], [4, 128]),
        tensorFromInts('words', [2], [4, 64]),
        weight('conv_w', [8, 4, 3, 3], 0.2),
        weight('conv_b', [8], 0.1),
        weight('up_w', [128, 64], 0.1),
        weight('up_b', [64], 0.1),
        weight('table', [64, 64], 0.3),
        tensorFromNumbers('gamma', 'float32', [64], new Float32Array(64).fill(1)),
        tensorFromNumbers('beta', 'float32', [64], new Float32Array(64)),
        weight('mid_w', [64, 64], 0.1),
        weight('out_w', [32, 64], 0.1),
        weight('out_b', [32], 0.1),
      ],
    }),
  });
}

let site: HarnessPage;

beforeAll(async () => {
  site = await openHarness('quantizers');
  site.offer('net.onnx', await modelToBytes(smallNet()));
  await offerStudies(site.page);
});
afterAll(() => site?.close());

const quantizers = [...stepRegistry.values()].filter(({ section }) => section === 'quantization');
/**
 * One for each operator that WebGPU computes: the others make the same ones (all blockwise methods end in MatMulNBits),
 * and every session on the adapter here, which is software, takes seconds.
 */
const onWebGpu = ['weight-only-rtn', 'weight-only-bnb4', 'quantize-embeddings'];

const cosineOf = (report: Report, index: number, target: number) =>
  report.variants[index]!.measurements[target]!.evaluation!.metrics.find(({ metric }) => metric === 'cosine')!.value;

describe.each(quantizers.map(({ id }) => [id] as const))('%s', (id) => {
  test('is built in the worker and runs', async () => {
    const targets: Parameters<typeof runStudyOn>[3]['targets'] = [{ provider: 'wasm', threads: 1 }];
    if (onWebGpu.includes(id)) targets.push({ provider: 'webgpu', threads: 0 });
    const report = await runStudyOn(site.page, 'net', LENGTH, { steps: [[], [{ id }]], targets }, SAMPLES);
    const variant = report.variants[1]!;
    expect(variant.error).toBeNull();
    const [record] = variant.facts!.ledger;
    // A step that only acts on what another one made has nothing to do alone, and says so.
    if (record!.fired === 0) expect(variant.facts!.advisories.length).toBeGreaterThan(0);
    for (const [index, { error, parity }] of variant.measurements.entries()) {
      expect(error).toBeNull();
      expect(cosineOf(report, 1, index)).toBeGreaterThan(0.95);
      if (index === 1) expect(parity!.verdict).toBe('match');
    }
  });
});

test('what runs on WebGPU here says that it does', () => {
  for (const id of onWebGpu) {
    const step = stepRegistry.get(id)!;
    expect(step.runsOn(step.params.parse({})).webgpu.level).toBe('full');
  }
});
