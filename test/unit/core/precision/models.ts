/** Small models with several layers, and the real thing to run them on. */
import { quietJob } from '../../../../src/core/base/progress.ts';
import { createRng } from '../../../../src/core/base/rng.ts';
import { attrInt } from '../../../../src/core/ir/attributes.ts';
import { makeGraph, makeModel, makeNode, valueInfo } from '../../../../src/core/ir/build.ts';
import { bytesOf, tensorFromNumbers } from '../../../../src/core/ir/tensor.ts';
import type { Model } from '../../../../src/core/ir/types.ts';
import { applyRecipe } from '../../../../src/core/recipe/apply.ts';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import type { CalibrationSource, HostTensor } from '../../../../src/core/step/define.ts';
import { createExecutor } from '../../../../src/runtime/executor.ts';
import { openNodeRuntime } from '../../../../src/runtime/node-ort.ts';
import { memoryStore } from '../quant/support/bench.ts';

const target = { provider: 'cpu', threads: 1 } as const;
export const executor = createExecutor(async () => (await openNodeRuntime(target)).port, target);

const rng = (seed: string, count: number, scale: number) => {
  const random = createRng(seed);
  return Array.from({ length: count }, () => random.normal() * scale);
};

export const weight = (name: string, dims: [number, number], scale = 1 / Math.sqrt(dims[0])) =>
  tensorFromNumbers(name, 'float32', dims, rng(`weight ${name}`, dims[0] * dims[1], scale));

/**
 * x [n, 64] -> first (64 x 64) -> Tanh -> second (64 x 64) -> + the first's input -> third (64 x 16) -> logits. The
 * second layer's weight is small, so the residual makes it matter little.
 */
export function residualModel(): Model {
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({ opType: 'MatMul', name: 'first', inputs: ['x', 'w1'], outputs: ['a'] }),
        makeNode({ opType: 'Tanh', name: 'tanh', inputs: ['a'], outputs: ['b'] }),
        makeNode({ opType: 'MatMul', name: 'second', inputs: ['b', 'w2'], outputs: ['c'] }),
        makeNode({ opType: 'Add', name: 'residual', inputs: ['c', 'x'], outputs: ['d'] }),
        makeNode({ opType: 'MatMul', name: 'third', inputs: ['d', 'w3'], outputs: ['logits'] }),
      ],
      inputs: [valueInfo('x', 'float32', ['n', 64])],
      outputs: [valueInfo('logits', 'float32', ['n', 16])],
      initializers: [weight('w1', [64, 64]), weight('w2', [64, 64], 0.002), weight('w3', [64, 16])],
    }),
  });
}

/**
 * x [batch, 16] -> 5 layers of 64 with Tanh and residuals -> 10 classes. The first and last layers matter, those between
 * are small beside what goes around them: bits differ by layer.
 */
export function wideModel(): Model {
  const middle = [2, 3, 4, 5].flatMap((i) => [
    makeNode({ opType: 'MatMul', name: `layer${i}`, inputs: [`h${i - 1}`, `w${i}`], outputs: [`m${i}`] }),
    makeNode({ opType: 'Tanh', name: `tanh${i}`, inputs: [`m${i}`], outputs: [`t${i}`] }),
    makeNode({ opType: 'Add', name: `add${i}`, inputs: [`t${i}`, `h${i - 1}`], outputs: [`h${i}`] }),
  ]);
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({ opType: 'MatMul', name: 'layer1', inputs: ['x', 'w1'], outputs: ['m1'] }),
        makeNode({ opType: 'Tanh', name: 'tanh1', inputs: ['m1'], outputs: ['h1'] }),
        ...middle,
        makeNode({ opType: 'MatMul', name: 'head', inputs: ['h5', 'w6'], outputs: ['z'] }),
        makeNode({ opType: 'Softmax', name: 'softmax', inputs: ['z'], outputs: ['y'] }),
      ],
      inputs: [valueInfo('x', 'float32', ['batch', 16])],
      outputs: [valueInfo('y', 'float32', ['batch', 10])],
      initializers: [
        weight('w1', [16, 128], 0.6),
        ...[2, 3, 4, 5].map((i) => weight(`w${i}`, [128, 128], [0.09, 0.02, 0.005, 0.03][i - 2]!)),
        weight('w6', [128, 10], 0.5),
      ],
    }),
  });
}

/** Of a single convolution and a dense layer behind a pool: other kinds of layers than MatMul. */
export function convolutionModel(): Model {
  return makeModel({
    graph: makeGraph({
      nodes: [
        makeNode({ opType: 'Conv', name: 'conv', inputs: ['x', 'k'], outputs: ['f'] }),
        makeNode({ opType: 'Relu', name: 'relu', inputs: ['f'], outputs: ['g'] }),
        makeNode({ opType: 'GlobalAveragePool', name: 'pool', inputs: ['g'], outputs: ['p'] }),
        makeNode({ opType: 'Flatten', name: 'flat', inputs: ['p'], outputs: ['v'], attributes: { axis: attrInt(1) } }),
        makeNode({ opType: 'Gemm', name: 'fc', inputs: ['v', 'w'], outputs: ['logits'] }),
      ],
      inputs: [valueInfo('x', 'float32', ['n', 3, 12, 12])],
      outputs: [valueInfo('logits', 'float32', ['n', 10])],
      initializers: [
        tensorFromNumbers('k', 'float32', [32, 3, 3, 3], rng('conv', 32 * 27, 0.3)),
        weight('w', [32, 10]),
      ],
    }),
  });
}

export const feeds = (seed: string, dims: readonly number[]): ReadonlyMap<string, HostTensor> =>
  new Map([
    [
      'x',
      {
        dtype: 'float32' as const,
        dims,
        data: bytesOf(
          Float32Array.from(
            rng(
              seed,
              dims.reduce((a, b) => a * b, 1),
              1,
            ),
          ),
        ),
      },
    ],
  ]);

export const sourceOf = (...all: ReadonlyMap<string, HostTensor>[]): CalibrationSource => ({
  origin: 'calibration-split',
  async *feeds() {
    yield* all;
  },
});

export const threeSamples = sourceOf(feeds('one', [4, 64]), feeds('two', [7, 64]), feeds('three', [1, 64]));

export async function variantOf(
  model: Model,
  steps: readonly { id: string; params?: object }[],
  calibration?: CalibrationSource,
): Promise<Model> {
  const recipe = recipeSchema.parse({ steps });
  return (await applyRecipe({ model, recipe, job: quietJob, store: memoryStore, executor, calibration })).model;
}
