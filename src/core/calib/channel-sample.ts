/**
 * What the channels of one value look like over calibration: extremes, mean magnitude, a percentile of the magnitudes,
 * and a random choice of rows (the channels at one position). Bounded memory, however many samples there are.
 */
import { StudioError } from '../base/errors/index.ts';
import { createRng, type Rng } from '../base/rng.ts';

/** An eighth of an octave: a percentile is known to within 9 %. */
const BINS_PER_OCTAVE = 8;
/** Octaves from 2^-40 to 2^24; smaller magnitudes count as the smallest. */
const [LOWEST, OCTAVES] = [-40, 64];
const BINS = BINS_PER_OCTAVE * OCTAVES;

export interface ChannelSampleOptions {
  readonly channels: number;
  /** Rows to keep. */
  readonly rows: number;
  /** Keep what `percentile` needs: 2 kB a channel. */
  readonly histogram?: boolean;
  /** The same seed chooses the same rows. */
  readonly seed: number | string;
}

export class ChannelSample {
  readonly channels: number;
  readonly min: Float32Array;
  readonly max: Float32Array;
  readonly #tensor: string;
  readonly #magnitudes: Float64Array;
  readonly #sums: Float64Array;
  readonly #bins: Uint32Array | undefined;
  readonly #rows: Float32Array;
  readonly #capacity: number;
  readonly #rng: Rng;
  #seen = 0;

  constructor(tensor: string, { channels, rows, histogram = false, seed }: ChannelSampleOptions) {
    this.#tensor = tensor;
    this.channels = channels;
    this.min = new Float32Array(channels).fill(Number.POSITIVE_INFINITY);
    this.max = new Float32Array(channels).fill(Number.NEGATIVE_INFINITY);
    this.#magnitudes = new Float64Array(channels);
    this.#sums = new Float64Array(channels);
    this.#bins = histogram ? new Uint32Array(channels * BINS) : undefined;
    this.#rows = new Float32Array(rows * channels);
    this.#capacity = rows;
    this.#rng = createRng(seed);
  }

  /**
   * @param axis of the channels, from the end
   * @param sample for the message, from 0
   * @throws StudioError calib/not-finite; task/shape-mismatch when the axis has another length
   */
  observe(values: Float32Array, dims: readonly number[], axis: number, sample: number): void {
    if (values.length === 0) return;
    const at = dims.length + axis;
    if (dims[at] !== this.channels)
      throw new StudioError('task/shape-mismatch', {
        input: this.#tensor,
        expected: `${this.channels} channels`,
        actual: `[${dims.join(', ')}]`,
      });
    const inner = dims.slice(at + 1).reduce((product, dim) => product * dim, 1);
    const outer = values.length / (this.channels * inner);
    let poison = 0;
    for (let o = 0; o < outer; o += 1) {
      const start = o * this.channels * inner;
      poison += inner === 1 ? this.#observeRow(values, start) : this.#observePlane(values, start, inner);
      for (let i = 0; i < inner; i += 1) this.#offerRow(values, start + i, inner);
    }
    if (poison !== 0) throw new StudioError('calib/not-finite', { tensor: this.#tensor, sample: sample + 1 });
  }

  /** Rows seen. */
  get seen(): number {
    return this.#seen;
  }

  /** [rows, channels], as many as there were up to the number asked for. */
  rows(): { readonly values: Float32Array; readonly count: number } {
    const count = Math.min(this.#seen, this.#capacity);
    return { values: this.#rows.subarray(0, count * this.channels), count };
  }

  meanMagnitudes(): Float64Array {
    return this.#magnitudes.map((sum) => sum / Math.max(1, this.#seen));
  }

  means(): Float64Array {
    return this.#sums.map((sum) => sum / Math.max(1, this.#seen));
  }

  maxMagnitudes(): Float64Array {
    return Float64Array.from(this.max, (max, channel) => Math.max(max, -this.min[channel]!, 0));
  }

  /** Of each channel the magnitude that at most 100 - `percentile` percent of its values exceed. */
  percentileMagnitudes(percentile: number): Float64Array {
    const largest = this.maxMagnitudes();
    const bins = this.#bins;
    if (!bins || percentile >= 100) return largest;
    const allowed = (this.#seen * (100 - percentile)) / 100;
    return largest.map((max, channel) => {
      let above = 0;
      for (let bin = BINS - 1; bin >= 0; bin -= 1) {
        above += bins[channel * BINS + bin]!;
        if (above > allowed) return Math.min(max, 2 ** (LOWEST + (bin + 1) / BINS_PER_OCTAVE));
      }
      return 0;
    });
  }

  #observeRow(values: Float32Array, start: number): number {
    const { min, max } = this;
    const [sums, magnitudes] = [this.#sums, this.#magnitudes];
    const bins = this.#bins;
    let poison = 0;
    for (let c = 0; c < min.length; c += 1) {
      const value = values[start + c]!;
      if (value < min[c]!) min[c] = value;
      if (value > max[c]!) max[c] = value;
      sums[c] = sums[c]! + value;
      magnitudes[c] = magnitudes[c]! + Math.abs(value);
      poison += value * 0;
      if (bins && value !== 0) count(bins, c, value);
    }
    return poison;
  }

  #observePlane(values: Float32Array, start: number, inner: number): number {
    const { min, max } = this;
    const bins = this.#bins;
    let poison = 0;
    for (let c = 0, at = start; c < min.length; c += 1)
      for (const end = at + inner; at < end; at += 1) {
        const value = values[at]!;
        if (value < min[c]!) min[c] = value;
        if (value > max[c]!) max[c] = value;
        this.#sums[c] = this.#sums[c]! + value;
        this.#magnitudes[c] = this.#magnitudes[c]! + Math.abs(value);
        poison += value * 0;
        if (bins && value !== 0) count(bins, c, value);
      }
    return poison;
  }

  /** Every row seen has the same chance (Vitter 1985, algorithm R). */
  #offerRow(values: Float32Array, start: number, stride: number): void {
    const place = this.#seen < this.#capacity ? this.#seen : this.#capacity > 0 ? this.#rng.int(this.#seen + 1) : 0;
    this.#seen += 1;
    if (place >= this.#capacity) return;
    const to = place * this.channels;
    for (let c = 0, from = start; c < this.channels; c += 1, from += stride) this.#rows[to + c] = values[from]!;
  }
}

function count(bins: Uint32Array, channel: number, value: number): void {
  const bin = Math.floor((Math.log2(Math.abs(value)) - LOWEST) * BINS_PER_OCTAVE);
  const at = channel * BINS + Math.min(BINS - 1, Math.max(0, bin));
  bins[at] = bins[at]! + 1;
}
