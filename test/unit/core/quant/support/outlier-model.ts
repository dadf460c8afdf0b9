/** A small network whose activations have outlier channels after its norm, as large language models do. */
import { createRng } from '../../../../../src/core/base/rng.ts';
import type { Model } from '../../../../../src/core/ir/types.ts';
import type { CalibrationSource } from '../../../../../src/core/step/define.ts';
import { model, noise, type Parts, tensor } from '../../passes/helpers.ts';
import type { Feeds } from './bench.ts';
import { float32Feed } from './calibrated.ts';

const WIDTH = 64;
const HIDDEN = 48;
const OUTLIERS = [5, 17, 40];
const TOKENS = 24;

/** x -> norm (outliers) -> q, and a gated MLP: gate * up -> down. All layers could take factors in. */
export function outlierModel(change: Partial<Parts> = {}): Model {
  const gamma = Array.from({ length: WIDTH }, (_, at) => (OUTLIERS.includes(at) ? 60 : 1));
  const w = (seed: number, K: number, N: number) => noise(seed, [K, N], 'float32', 1 / Math.sqrt(K));
  return model({
    inputs: { x: ['tokens', WIDTH] },
    outputs: ['q', 'y'],
    nodes: [
      'n = LayerNormalization(x, gamma, beta)',
      'q = MatMul(n, wq)',
      'g = MatMul(n, wg)',
      'u = MatMul(n, wu)',
      't = Sigmoid(g)',
      'm = Mul(t, u)',
      'y = MatMul(m, wd)',
    ],
    ...change,
    weights: {
      gamma: tensor([WIDTH], gamma),
      beta: noise(9, [WIDTH]),
      wq: w(1, WIDTH, 32),
      wg: w(2, WIDTH, HIDDEN),
      wu: w(3, WIDTH, HIDDEN),
      wd: w(4, HIDDEN, WIDTH),
      ...change.weights,
    },
  });
}

const inputs = (seed: number) => {
  const rng = createRng(`outlier ${seed}`);
  return Float32Array.from({ length: TOKENS * WIDTH }, () => rng.normal());
};

export const outlierFeeds = (seed = 1000): Feeds => ({
  x: { type: 'float32', dims: [TOKENS, WIDTH], data: inputs(seed) },
});

/** @param spoil may change a sample's values */
export function outlierCalibration(
  samples = 16,
  spoil?: (values: Float32Array, sample: number) => void,
): CalibrationSource {
  return {
    origin: 'generated',
    async *feeds() {
      for (let sample = 0; sample < samples; sample += 1) {
        const values = inputs(sample);
        spoil?.(values, sample);
        yield new Map([['x', float32Feed([TOKENS, WIDTH], values)]]);
      }
    },
  };
}

/** Squared error against the squared reference. */
export function noiseShare(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  let [error, power] = [0, 0];
  for (let at = 0; at < reference.length; at += 1) {
    error += (values[at]! - reference[at]!) ** 2;
    power += reference[at]! ** 2;
  }
  return error / power;
}
