/**
 * Bits per layer as a multiple-choice knapsack: one option from every group of layers, the sum of bytes against the sum
 * of losses. Losses are taken to add up; whoever uses the answer measures the whole.
 *
 * Dynamic programming over lists of non-dominated (bytes, loss) pairs (Nemhauser and Ullmann 1969, in its
 * multiple-choice form: Kellerer, Pferschy and Pisinger 2004, section 11.5): after the last group the list is the whole
 * frontier, exact, from the smallest file to the least loss. Layers of a network come in a few sizes, so sums coincide
 * and lists stay short; beyond `maxStates` the nearest are merged, which costs at most one part in `maxStates` of the
 * bytes.
 */
import type { CandidateId } from './results.ts';

export interface LayerOption {
  readonly candidate: CandidateId;
  readonly bytes: number;
  /** Not negative. */
  readonly loss: number;
}

/** Layers that must be stored alike. */
export interface LayerGroup {
  readonly layers: readonly string[];
  /** At least one. */
  readonly options: readonly LayerOption[];
}

export interface FrontierPoint {
  readonly bytes: number;
  readonly loss: number;
}

export interface Frontier {
  /** Bytes rise and losses fall, strictly. */
  readonly points: readonly FrontierPoint[];
  /** The option of each group at a point. */
  choices(point: number): readonly LayerOption[];
}

const DEFAULT_MAX_STATES = 20_000;

/** The states after one group. Each knows which state of the group before it came from, and by which option. */
interface Stage {
  readonly bytes: Float64Array;
  readonly loss: Float64Array;
  readonly from: Int32Array;
  readonly option: Uint8Array;
}

export function precisionFrontier(groups: readonly LayerGroup[], maxStates = DEFAULT_MAX_STATES): Frontier {
  const stages: Stage[] = [];
  let last: Stage = {
    bytes: Float64Array.of(0),
    loss: Float64Array.of(0),
    from: Int32Array.of(-1),
    option: Uint8Array.of(0),
  };
  for (const group of groups) {
    last = thinned(extend(last, group.options), maxStates);
    stages.push(last);
  }
  const { bytes, loss } = last;
  return {
    points: Array.from(bytes, (value, i) => ({ bytes: value, loss: loss[i]! })),
    choices: (point) => {
      const chosen: LayerOption[] = [];
      for (let at = point, stage = stages.length - 1; stage >= 0; stage -= 1) {
        chosen.push(groups[stage]!.options[stages[stage]!.option[at]!]!);
        at = stages[stage]!.from[at]!;
      }
      return chosen.reverse();
    },
  };
}

/** Every state with every option, sorted, without the dominated ones; equal ones keep the earlier option. */
function extend(stage: Stage, options: readonly LayerOption[]): Stage {
  const states = stage.bytes.length;
  const count = states * options.length;
  const bytes = new Float64Array(count);
  const loss = new Float64Array(count);
  for (const [index, option] of options.entries())
    for (let i = 0, at = index * states; i < states; i += 1, at += 1) {
      bytes[at] = stage.bytes[i]! + option.bytes;
      loss[at] = stage.loss[i]! + option.loss;
    }
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  order.sort((a, b) => bytes[a]! - bytes[b]! || loss[a]! - loss[b]! || a - b);
  const kept: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const at of order) {
    if (loss[at]! >= least) continue;
    least = loss[at]!;
    kept.push(at);
  }
  return {
    bytes: Float64Array.from(kept, (at) => bytes[at]!),
    loss: Float64Array.from(kept, (at) => loss[at]!),
    from: Int32Array.from(kept, (at) => at % states),
    option: Uint8Array.from(kept, (at) => Math.floor(at / states)),
  };
}

/** Of the states in each of `maxStates` equal ranges of bytes, the one with the least loss; the ends always stay. */
function thinned(stage: Stage, maxStates: number): Stage {
  const count = stage.bytes.length;
  if (count <= maxStates) return stage;
  const low = stage.bytes[0]!;
  const width = (stage.bytes[count - 1]! - low) / maxStates;
  const kept: number[] = [0];
  for (let i = 1; i < count; i += 1) {
    const isLastOfRange =
      i === count - 1 ||
      Math.floor((stage.bytes[i]! - low) / width) !== Math.floor((stage.bytes[i + 1]! - low) / width);
    // Within a range losses fall, so its last state has the least.
    if (isLastOfRange) kept.push(i);
  }
  return {
    bytes: Float64Array.from(kept, (at) => stage.bytes[at]!),
    loss: Float64Array.from(kept, (at) => stage.loss[at]!),
    from: Int32Array.from(kept, (at) => stage.from[at]!),
    option: Uint8Array.from(kept, (at) => stage.option[at]!),
  };
}

/** @returns the point with the least loss of at most so many bytes; -1 when none is that small */
export function pointWithinBytes({ points }: Frontier, maxBytes: number): number {
  return points.findLastIndex(({ bytes }) => bytes <= maxBytes);
}

/** @returns the smallest point with at most this loss; -1 when none loses so little */
export function pointWithinLoss({ points }: Frontier, maxLoss: number): number {
  return points.findIndex(({ loss }) => loss <= maxLoss);
}
