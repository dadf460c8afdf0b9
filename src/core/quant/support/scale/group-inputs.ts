/**
 * What calibration shows of one value that linear layers read: mean magnitudes of its channels and, to judge rounding
 * errors E by, the second moments X^T X over all positions, since |X E|^2 = sum(E * (X^T X E)). Where the channels are
 * too many for that matrix, a random choice of rows of X stands for them.
 */
import { ChannelSample } from '../../../calib/channel-sample.ts';
import { GramAccumulator } from '../../../calib/gram.ts';
import type { Executor } from '../../../step/define.ts';

/** All positions by their moments [K, K], or some as rows [count, K]. */
export type LayerInputs =
  | { readonly kind: 'moments'; readonly moments: Float32Array }
  | { readonly kind: 'rows'; readonly rows: Float32Array; readonly count: number };

/** 16 MB of moments. Above, a product with them costs more than one with the rows. */
export const MAX_MOMENT_CHANNELS = 2048;

export interface GroupInputsOptions {
  /** The value's name: for messages, and to choose the same rows again. */
  readonly name: string;
  readonly channels: number;
  /** Of the channels, from the end. */
  readonly axis: number;
  /** To keep where there are too many channels for moments. */
  readonly rows: number;
  readonly executor: Executor;
}

export class GroupInputs {
  readonly #options: GroupInputsOptions;
  readonly #sample: ChannelSample;
  readonly #gram: GramAccumulator | undefined;

  constructor(options: GroupInputsOptions) {
    const { name, channels, executor } = options;
    const hasMoments = channels <= MAX_MOMENT_CHANNELS;
    this.#options = options;
    this.#sample = new ChannelSample(name, { channels, rows: hasMoments ? 0 : options.rows, seed: name });
    this.#gram = hasMoments ? new GramAccumulator(executor, channels, name) : undefined;
  }

  /** @throws StudioError calib/not-finite, task/shape-mismatch, runtime/* */
  async observe(values: Float32Array, dims: readonly number[], sample: number): Promise<void> {
    const { axis, channels } = this.#options;
    this.#sample.observe(values, dims, axis, sample);
    await this.#gram?.add(channelsLast(values, dims, axis, channels), sample);
  }

  /** Positions seen. */
  get seen(): number {
    return this.#sample.seen;
  }

  meanMagnitudes(): Float64Array {
    return this.#sample.meanMagnitudes();
  }

  /** Ends it. */
  async finish(): Promise<LayerInputs> {
    if (this.#gram) return { kind: 'moments', moments: await this.#gram.finish() };
    const { values: rows, count } = this.#sample.rows();
    return { kind: 'rows', rows, count };
  }

  /** Ends it without a result. */
  async close(): Promise<void> {
    await this.#gram?.close();
  }
}

/** [outer, channels, inner] -> [outer * inner, channels] */
function channelsLast(values: Float32Array, dims: readonly number[], axis: number, channels: number): Float32Array {
  const inner = dims.slice(dims.length + axis + 1).reduce((product, dim) => product * dim, 1);
  if (inner === 1) return values;
  const rows = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += channels * inner)
    for (let c = 0, from = start; c < channels; c += 1)
      for (let i = 0; i < inner; i += 1, from += 1) rows[start + i * channels + c] = values[from]!;
  return rows;
}

/**
 * Second moments within blocks of channels, X_b^T X_b for each block b.
 * @returns [blocks, size, size]; zeros beyond the last channel
 */
export function blockMoments(inputs: LayerInputs, K: number, size: number): Float32Array {
  const blocks = Math.ceil(K / size);
  const result = new Float32Array(blocks * size * size);
  for (let first = 0; first < K; first += size) {
    const end = Math.min(K, first + size);
    for (let i = first; i < end; i += 1) {
      const to = i * size; // Row i - first of block first / size.
      if (inputs.kind === 'moments') result.set(inputs.moments.subarray(i * K + first, i * K + end), to);
      else
        for (let row = 0; row < inputs.count; row += 1) {
          const start = row * K;
          const own = inputs.rows[start + i]!;
          for (let j = first; j < end; j += 1) result[to + j - first]! += own * inputs.rows[start + j]!;
        }
    }
  }
  return result;
}
