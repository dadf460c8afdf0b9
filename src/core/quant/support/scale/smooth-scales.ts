/**
 * SmoothQuant's factors (Xiao et al. 2023, arXiv 2211.10438, equation 4): s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)
 * moves what makes channel j of the activations large into the weights. One s for all layers that read the value.
 */
import { HistogramObserver } from '../../../calib/histogram.ts';
import { mseBounds } from '../../../calib/mse.ts';
import type { Bounds } from '../../../calib/types.ts';
import type { Executor } from '../../../step/define.ts';
import type { LinearSite } from '../linear-sites.ts';
import { KernelModel, runKernel } from './kernel-model.ts';
import { columnTiles } from './weight-columns.ts';

/** Between 256 codes. */
const STEPS = 255;
/** Beyond this a channel is nearly dead on one side, and a factor would only trade overflow for it. */
const LARGEST = 1e5;

/** A channel that is zero on either side keeps its size: nothing tells what its factor should be. */
export function smoothScales(activations: Float64Array, weights: Float64Array, alpha: number): Float64Array {
  return activations.map((x, channel) => {
    const w = weights[channel]!;
    const scale = x > 0 && w > 0 ? x ** alpha / w ** (1 - alpha) : 1;
    return Math.min(Math.max(scale, 1 / LARGEST), LARGEST);
  });
}

export interface SmoothTrial {
  readonly executor: Executor;
  readonly sites: readonly LinearSite[];
  /** [count, K] */
  readonly rows: Float32Array;
  readonly count: number;
  /** Extremes of each channel over all calibration inputs. */
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** How the range of the activations will follow: all of it, or clipped for the least squared error. */
  readonly ranges: 'min-max' | 'mse';
  /** A scale for each column of the weights. */
  readonly perChannel: boolean;
}

/**
 * Summed squared error of the layers' products when activations (asymmetric, 8 bits, one scale) and weights (symmetric,
 * 8 bits, a scale a column or one) are rounded, for each of the candidate factors.
 */
export async function smoothLosses(trial: SmoothTrial, candidates: readonly Float64Array[]): Promise<number[]> {
  const losses = candidates.map(() => 0);
  for (const site of trial.sites)
    for await (const { columns, values } of columnTiles(site)) {
      const exact = await exactProduct(trial, site.K, columns, values);
      const kernel = lossKernel(trial, site.K, columns, values, exact);
      const feeds = candidates.map((scale) => ({
        scale: { dims: [site.K], values: Float32Array.from(scale) },
        range: { dims: [2], values: activationGrid(trial, scale) },
      }));
      const results = await runKernel(trial.executor, kernel, feeds);
      for (const [index, [loss]] of results.entries()) losses[index]! += loss![0]!;
    }
  return losses;
}

async function exactProduct(trial: SmoothTrial, K: number, columns: number, values: Float32Array) {
  const kernel = new KernelModel();
  const x = kernel.input('x', [trial.count, K]);
  kernel.output(kernel.op('MatMul', [x, kernel.constant([K, columns], values)]));
  const [[product]] = (await runKernel(trial.executor, kernel, [
    { x: { dims: [trial.count, K], values: trial.rows } },
  ])) as [[Float32Array]];
  return product;
}

function lossKernel(
  { rows, count, perChannel }: SmoothTrial,
  K: number,
  columns: number,
  values: Float32Array,
  exact: Float32Array,
): KernelModel {
  const kernel = new KernelModel();
  const scale = kernel.input('scale', [K]);
  const range = kernel.input('range', [2]);
  const pick = (index: number) => kernel.op('Gather', [range, kernel.ints([index])]);
  const [step, zero] = [pick(0), pick(1)];
  const smooth = kernel.op('Div', [kernel.constant([count, K], rows), scale]);
  const codes = kernel.op('Add', [kernel.op('Round', [kernel.op('Div', [smooth, step])]), zero]);
  const clipped = kernel.clip(codes, 0, STEPS);
  const x = kernel.op('Mul', [kernel.op('Sub', [clipped, zero]), step]);
  const weight = kernel.op('Mul', [kernel.constant([K, columns], values), kernel.reshape(scale, [K, 1])]);
  const largest = kernel.reduce('ReduceMax', kernel.op('Abs', [weight]), perChannel ? [0] : [0, 1]);
  const unit = kernel.op('Max', [kernel.op('Div', [largest, kernel.scalar(127)]), kernel.scalar(1e-30)]);
  const rounded = kernel.op('Mul', [kernel.op('Round', [kernel.op('Div', [weight, unit])]), unit]);
  const error = kernel.op('Sub', [kernel.op('MatMul', [x, rounded]), kernel.constant([count, columns], exact)]);
  kernel.output(kernel.reduce('ReduceSumSquare', error, [0, 1]));
  return kernel;
}

/** Scale and zero point of 8 bits for the activations once their channels are divided. */
function activationGrid(trial: SmoothTrial, scale: Float64Array): Float32Array {
  const { min, max } = trial.ranges === 'mse' ? clippedRange(trial, scale) : fullRange(trial, scale);
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const step = (high - low) / STEPS || 1;
  return Float32Array.of(step, Math.round(-low / step));
}

function fullRange({ min, max }: SmoothTrial, scale: Float64Array): Bounds {
  let [low, high] = [0, 0];
  for (let channel = 0; channel < scale.length; channel += 1) {
    low = Math.min(low, min[channel]! / scale[channel]!);
    high = Math.max(high, max[channel]! / scale[channel]!);
  }
  return { min: low, max: high };
}

/** Of the sampled rows, as static INT8 chooses it. */
function clippedRange({ rows, count }: SmoothTrial, scale: Float64Array): Bounds {
  const divided = new Float32Array(rows.length);
  let [min, max] = [0, 0];
  for (let at = 0; at < rows.length; at += 1) {
    const value = rows[at]! / scale[at % scale.length]!;
    divided[at] = value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  const observer = new HistogramObserver('signed', { min, max });
  observer.observe(divided);
  const range = { min, max, meanMin: min, meanMax: max, count: rows.length, samples: count };
  return mseBounds(observer.histogram(), range, { symmetric: false, steps: STEPS });
}
