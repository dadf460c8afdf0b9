import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../../src/core/base/memory-source.ts';
import { quietJob } from '../../../../src/core/base/progress.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { expandHalfWeights } from '../../../../src/core/onnx/half-weights.ts';
import { readModel } from '../../../../src/core/onnx/read.ts';
import { modelToBytes } from '../../../../src/core/onnx/write.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import type { CalibrationSource } from '../../../../src/core/step/define.ts';
import { runSteps } from '../../../../src/core/step/run-steps.ts';
import { loadSampleTask, nodeRunner } from '../eval/tasks/support.ts';
import { model, node, noise, type Parts } from '../passes/helpers.ts';
import { countOps, memoryStore, runOnNode } from './support/bench.ts';
import { executor, generatedInputs } from './support/calibrated.ts';
import { optimizedOps } from './support/optimized.ts';

type Steps = readonly (readonly [string, object])[];

function build(source: Model, steps: Steps, calibration: CalibrationSource | undefined) {
  return runSteps({
    model: source,
    steps: steps.map(([id, params]) => {
      const definition = stepRegistry.get(id)!;
      return { definition, params: definition.params.parse(params) as Record<string, unknown> };
    }),
    job: quietJob,
    store: memoryStore,
    executor,
    calibration,
    validate: true,
  });
}

const image = { x: [1, 3, 8, 8] };
const convolutions: Parts = {
  inputs: image,
  outputs: ['y'],
  nodes: [
    'c1 = Conv(x, w1, b1)',
    'r1 = Relu(c1)',
    node('c2 = Conv(r1, w2)', { group: 2 }),
    'r2 = Relu(c2)',
    'y = Conv(r2, w3, b3)',
  ].map((text) => named(text)),
  weights: {
    w1: noise(1, [8, 3, 3, 3]),
    b1: noise(2, [8]),
    w2: noise(3, [8, 4, 3, 3]),
    w3: noise(5, [6, 8, 1, 1]),
    b3: noise(6, [6]),
  },
};
const fusedBiases: Parts = {
  inputs: { x: [16, 32] },
  outputs: ['y'],
  contrib: true,
  nodes: [
    'h = MatMul(x, w1)',
    'r = com.microsoft.BiasGelu(h, b1)',
    'g = MatMul(r, w2)',
    'n = com.microsoft.SkipLayerNormalization(g, x, gamma, , b2)',
    'y = MatMul(n, w3)',
  ].map((text) => named(text)),
  weights: {
    w1: noise(1, [32, 64]),
    b1: noise(2, [64]),
    w2: noise(3, [64, 32]),
    b2: noise(4, [32]),
    gamma: noise(5, [32]),
    w3: noise(6, [32, 32]),
  },
};
const linear: Parts = {
  inputs: { x: [16, 32] },
  outputs: ['y', 'z'],
  nodes: [
    'h = MatMul(x, w1)',
    'a = Add(h, b1)',
    'r = Relu(a)',
    'g = Gemm(r, w2, b2)',
    's = Sigmoid(g)',
    'y = MatMul(s, w3)',
    'z = Gemm(s, w4)',
  ].map((text) => named(text)),
  weights: {
    w1: noise(1, [32, 48]),
    b1: noise(2, [48]),
    w2: noise(3, [48, 40]),
    b2: noise(4, [40]),
    w3: noise(5, [40, 10]),
    w4: noise(6, [40, 12]),
  },
};

/** Layers go by their outputs' names, as exporters do in their way. */
function named(item: string | ReturnType<typeof node>) {
  const made = typeof item === 'string' ? node(item) : item;
  made.name = `/${made.outputs[0]}`;
  return made;
}

/** Mean error of each output's channels over the inputs, as root mean square against the reference's. */
async function biasOf(source: Model, quantized: Model, dims: readonly number[], output = 'y'): Promise<number> {
  const sums: number[] = [];
  let power = 0;
  for await (const feeds of generatedInputs({ x: dims }, 8).feeds()) {
    const { data } = feeds.get('x')!;
    const feed = { x: { type: 'float32' as const, dims, data: new Float32Array(data.slice().buffer) } };
    const reference = (await runOnNode(source, feed, 'disabled')).get(output)!;
    const values = (await runOnNode(quantized, feed, 'disabled')).get(output)!;
    const isImage = dims.length === 4;
    const channels = isImage ? 6 : output === 'y' ? 10 : 12;
    const inner = isImage ? reference.length / channels : 1;
    for (const [at, value] of reference.entries()) {
      const channel = Math.floor(at / inner) % channels;
      sums[channel] = (sums[channel] ?? 0) + values[at]! - value;
      power += value * value;
    }
  }
  return Math.sqrt(sums.reduce((sum, error) => sum + error * error, 0)) / Math.sqrt(power);
}

interface Corrected {
  readonly node: string;
  readonly place: string;
}
const correctedOf = (outcome: Awaited<ReturnType<typeof build>>) =>
  (outcome.ledger.find(({ step }) => step === 'bias-correction')!.facts!.corrected as unknown as Corrected[]).map(
    ({ node: label, place }) => [label, place],
  );

const correction = ['bias-correction', {}] as const;
const cases: Readonly<Record<string, { parts: Parts; before: Steps; places: readonly (readonly [string, string])[] }>> =
  {
    'static INT8 per tensor: codes of biases, Relu folded': {
      parts: convolutions,
      before: [['static-int8', { granularity: 'tensor', method: 'min-max' }]],
      places: [
        ['/c1', 'quantized bias'],
        ['/c2', 'new bias'],
        ['/y', 'quantized bias'],
      ],
    },
    'static INT8 after equalization, whose values have other sizes': {
      parts: convolutions,
      before: [
        ['cross-layer-equalization', {}],
        ['static-int8', { granularity: 'tensor', method: 'min-max' }],
      ],
      places: [
        ['/c1', 'quantized bias'],
        ['/c2', 'new bias'],
        ['/y', 'quantized bias'],
      ],
    },
    'dynamic INT8 convolutions': {
      parts: convolutions,
      before: [['dynamic-int8', { granularity: 'tensor' }]],
      places: [
        ['/c1', 'Add after it'],
        ['/c2', 'new Add'],
        ['/y', 'Add after it'],
      ],
    },
    'INT8 weights': {
      parts: convolutions,
      before: [['weight-int8', { granularity: 'tensor', minElements: 1 }]],
      places: [
        ['/c1', 'bias'],
        ['/c2', 'new bias'],
        ['/y', 'bias'],
      ],
    },
    'blocks of 2 bits': {
      parts: linear,
      before: [['weight-only-rtn', { bits: 2, blockSize: 32 }]],
      places: [
        ['/h', 'Add after it'],
        ['/g', 'Add after it'],
        ['/y', 'new Add'],
        ['/z', 'new Add'],
      ],
    },
    'blocks of 4 bits before operators that add the bias': {
      parts: fusedBiases,
      before: [['weight-only-rtn', { bits: 4, blockSize: 32 }]],
      places: [
        ['/h', 'fused bias after it'],
        ['/g', 'fused bias after it'],
        ['/y', 'new Add'],
      ],
    },
  };

describe('bias correction takes the mean error out of', () => {
  for (const [name, { parts, before, places }] of Object.entries(cases))
    it(name, async () => {
      const source = model(parts);
      const dims = Object.values(parts.inputs!)[0] as readonly number[];
      const calibration = generatedInputs({ x: dims }, 8);
      const plain = await build(source, before, calibration);
      const corrected = await build(source, [...before, correction], calibration);
      expect(correctedOf(corrected)).toEqual(places);
      const [was, is] = [await biasOf(source, plain.model, dims), await biasOf(source, corrected.model, dims)];
      expect(was).toBeGreaterThan(1e-4);
      // What is left of INT8 outputs is the rounding of the outputs themselves.
      expect(is / was).toBeLessThan(0.3);
    });

  it('integer kernels, which it leaves as they were', async () => {
    const source = model(convolutions);
    const calibration = generatedInputs(image, 8);
    const before = ['static-int8', {}] as const;
    const plain = await build(source, [before], calibration);
    const corrected = await build(source, [before, correction], calibration);
    expect(await optimizedOps(corrected.model)).toEqual(await optimizedOps(plain.model));
  });
});

describe('bias correction', () => {
  it('changes nothing in floating point, and says so', async () => {
    const { model: same, advisories } = await build(model(linear), [correction], generatedInputs({ x: [16, 32] }));
    expect(countOps(same)).toEqual(countOps(model(linear)));
    expect(advisories.map(({ code }) => code)).toEqual(['quant/nothing-to-correct']);
  });

  it('inserts nothing where it must not, and follows the lists', async () => {
    const before = ['weight-only-rtn', { bits: 2, blockSize: 32, exclude: ['/h'] }] as const;
    const calibration = generatedInputs({ x: [16, 32] });
    const outcome = await build(
      model(linear),
      [before, ['bias-correction', { insertAdd: false, exclude: ['/z'] }]],
      calibration,
    );
    expect(correctedOf(outcome)).toEqual([['/g', 'Add after it']]);
    expect(outcome.advisories.map(({ code }) => code)).toContain('quant/no-bias');
  });

  it('refuses calibration inputs that are missing or not finite', async () => {
    const before = ['weight-only-rtn', { bits: 2, blockSize: 32 }] as const;
    await expect(build(model(linear), [before, correction], undefined)).rejects.toMatchObject({
      code: 'calib/no-data',
    });
    const spoiled = generatedInputs({ x: [16, 32] }, 2, Number.NaN);
    await expect(build(model(linear), [before, correction], spoiled)).rejects.toMatchObject({
      code: 'calib/not-finite',
    });
  });
});

describe('fashion-mobile', () => {
  const path = new URL('../../../../public/samples/fashion-mobile/model.fp16w.onnx', import.meta.url);

  it('wins back part of what one scale a tensor loses', async () => {
    const source = await readModel(memorySource('model', new Uint8Array(readFileSync(path))));
    await expandHalfWeights(source);
    const task = await loadSampleTask('image-classification', 'fashion-data');
    const calibration: CalibrationSource = { origin: 'calibration-split', feeds: () => task.calibrationFeeds() };
    const top1 = async (steps: Steps) => {
      const { model: built } = await build(source, steps, calibration);
      const runner = await nodeRunner(await modelToBytes(built));
      return (await task.evaluate(runner, quietJob, 300)).metrics[0]!.value;
    };
    const before = ['static-int8', { granularity: 'tensor', samples: 64 }] as const;
    const [plain, corrected] = [await top1([before]), await top1([before, ['bias-correction', { samples: 64 }]])];
    expect(corrected).toBeGreaterThan(plain + 0.1);
  }, 180_000);
});
