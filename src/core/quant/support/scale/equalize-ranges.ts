/**
 * Cross-layer equalization (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
 * arXiv 1906.04721, section 4.1): where a layer's output channel i has weights up to r1, and the next layer reads it with
 * weights up to r2, dividing the one and multiplying the other by s = sqrt(r1 * r2) / r2 gives both the range
 * sqrt(r1 * r2). Repeated over all pairs until nothing moves; a depthwise layer between two others ends up, as they do,
 * at the cube root of the three ranges' product.
 */

/** Largest magnitudes of one layer's weight, the kernel's extent already reduced. Rows are output channels. */
export interface LayerRanges {
  /** [outputs, inputs of a group]; scaled in place. */
  readonly magnitudes: Float64Array;
  readonly outputs: number;
  /** Inputs that one output reads. */
  readonly inputs: number;
  readonly groups: number;
}

export interface RangePair {
  /** Whose output channels are divided. */
  readonly producer: LayerRanges;
  /** Whose input channels are multiplied. */
  readonly readers: readonly LayerRanges[];
  readonly channels: number;
}

/** Factors beyond this are a dead channel's, not an unequal one's: they would only wear out the bias's precision. */
const LARGEST_FACTOR = 2 ** 16;
/** Largest change of a factor in a round, as a power of two, at which it counts as settled. */
const SETTLED = 1e-3;

export interface Equalization {
  /** What each pair's channels are divided by, in the order of the pairs. */
  readonly divisors: readonly Float64Array[];
  readonly rounds: number;
  readonly settled: boolean;
}

/** Channels without weight on one side are left alone: nothing tells what their factor should be. */
export async function equalizeRanges(
  pairs: readonly RangePair[],
  maxRounds: number,
  breathe: (round: number) => Promise<void>,
): Promise<Equalization> {
  const divisors = pairs.map(({ channels }) => new Float64Array(channels).fill(1));
  for (let round = 1; round <= maxRounds; round += 1) {
    await breathe(round);
    let largest = 0;
    for (const [index, pair] of pairs.entries()) largest = Math.max(largest, equalize(pair, divisors[index]!));
    if (largest < SETTLED) return { divisors, rounds: round, settled: true };
  }
  return { divisors, rounds: maxRounds, settled: pairs.length === 0 };
}

/** @returns the largest change, as a power of two */
function equalize({ producer, readers, channels }: RangePair, divisors: Float64Array): number {
  const written = outputRanges(producer);
  const read = new Float64Array(channels);
  for (const reader of readers) raiseToInputRanges(reader, read);
  const changes = new Float64Array(channels);
  let largest = 0;
  for (let channel = 0; channel < channels; channel += 1) {
    const [r1, r2] = [written[channel]!, read[channel]!];
    const wanted = r1 > 0 && r2 > 0 ? divisors[channel]! * Math.sqrt(r1 / r2) : divisors[channel]!;
    const allowed = Math.min(Math.max(wanted, 1 / LARGEST_FACTOR), LARGEST_FACTOR);
    const change = allowed / divisors[channel]!;
    changes[channel] = change;
    divisors[channel] = allowed;
    largest = Math.max(largest, Math.abs(Math.log2(change)));
  }
  scaleOutputs(producer, changes);
  for (const reader of readers) scaleInputs(reader, changes);
  return largest;
}

function outputRanges({ magnitudes, outputs, inputs }: LayerRanges): Float64Array {
  const ranges = new Float64Array(outputs);
  for (let m = 0, at = 0; m < outputs; m += 1)
    for (let c = 0; c < inputs; c += 1, at += 1) if (magnitudes[at]! > ranges[m]!) ranges[m] = magnitudes[at]!;
  return ranges;
}

function raiseToInputRanges(layer: LayerRanges, ranges: Float64Array): void {
  const { magnitudes, inputs } = layer;
  forEachRow(layer, (row, firstInput) => {
    for (let c = 0; c < inputs; c += 1)
      if (magnitudes[row + c]! > ranges[firstInput + c]!) ranges[firstInput + c] = magnitudes[row + c]!;
  });
}

function scaleOutputs({ magnitudes, outputs, inputs }: LayerRanges, divisors: Float64Array): void {
  for (let m = 0, at = 0; m < outputs; m += 1)
    for (let c = 0; c < inputs; c += 1, at += 1) magnitudes[at]! /= divisors[m]!;
}

function scaleInputs(layer: LayerRanges, factors: Float64Array): void {
  const { magnitudes, inputs } = layer;
  forEachRow(layer, (row, firstInput) => {
    for (let c = 0; c < inputs; c += 1) magnitudes[row + c]! *= factors[firstInput + c]!;
  });
}

function forEachRow({ outputs, inputs, groups }: LayerRanges, visit: (row: number, firstInput: number) => void): void {
  const outputsPerGroup = outputs / groups;
  for (let m = 0; m < outputs; m += 1) visit(m * inputs, Math.floor(m / outputsPerGroup) * inputs);
}
