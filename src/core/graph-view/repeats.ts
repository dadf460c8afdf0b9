/**
 * Repeated blocks, found by structure: names play no part. In a flow order (flow-order.ts) equal layers are equal
 * stretches, so a repeat is a stretch of tokens with a period. Candidate periods come from the distances between
 * neighbouring occurrences of the same token; each is checked in one pass, so the whole is linear for a bounded number of
 * candidates. A stretch counts only where the wiring inside its blocks is the same too.
 */

import { extendBackwards } from './repeat-start.ts';

export interface Sequence {
  /** By position: what the node is (operator, attributes, sizes of weights) as a number; equal ones are alike. */
  readonly tokens: readonly number[];
  /** By position: positions of the producers of its inputs; -1 for one outside the sequence. */
  readonly producers: readonly (readonly number[])[];
  /** By position: whether the node holds weights; small blocks without any are chains of shape arithmetic. */
  readonly hasWeights: readonly boolean[];
  /**
   * By position p, how much the names of the nodes before and at p have in common (0: nothing). Where names tell layers
   * apart, blocks begin where the names change.
   */
  readonly nameOverlap?: readonly number[];
}

export interface Repeat {
  /** By instance its positions, ascending; all of the same length. */
  readonly instances: readonly (readonly number[])[];
}

const MIN_BLOCK = 3;
/** Fewer nodes than this are drawn as fast as they are folded. */
const MIN_SAVED = 6;
const MIN_WEIGHTLESS_BLOCK = 12;
const MAX_PERIODS = 48;
/** Accepted per sequence; what is left is looked at again inside the groups. */
const MAX_REPEATS = 200;

interface Run {
  readonly start: number;
  /** Behind the last position. */
  readonly end: number;
  readonly period: number;
}

export function findRepeats({ tokens, producers, hasWeights, nameOverlap }: Sequence): Repeat[] {
  const taken = new Uint8Array(tokens.length);
  const costs = cutCosts(producers, nameOverlap);
  const runs = candidatePeriods(tokens).flatMap((period) => runsOf(tokens, period));
  // Most nodes saved first; of a period and its multiples the first saves most.
  runs.sort((a, b) => saved(b) - saved(a) || a.period - b.period || a.start - b.start);
  const repeats: Repeat[] = [];
  for (const run of runs) {
    if (repeats.length === MAX_REPEATS) break;
    const free = largestFree(run, taken);
    if (!free || free.end - free.start < 2 * free.period || saved(free) < MIN_SAVED) continue;
    // Of equally clean cuts the one that makes most blocks, first layers included.
    let all: readonly (readonly number[])[] = [];
    for (const blocks of blocksOf(free, costs)) {
      const instances = sameWiring(blocks, producers);
      if (instances.length < 2 || (instances.length - 1) * run.period < MIN_SAVED) continue;
      const isWorthIt = run.period >= MIN_WEIGHTLESS_BLOCK || instances[0]!.some((position) => hasWeights[position]);
      if (!isWorthIt) continue;
      const extended = extendBackwards(instances, tokens, producers, taken);
      if (extended.length > all.length) all = extended;
    }
    if (all.length === 0) continue;
    for (const instance of all) for (const position of instance) taken[position] = 1;
    repeats.push({ instances: all });
  }
  return repeats.sort((a, b) => a.instances[0]![0]! - b.instances[0]![0]!);
}

const saved = ({ start, end, period }: Run): number => (Math.floor((end - start) / period) - 1) * period;

function candidatePeriods(tokens: readonly number[]): number[] {
  const last = new Map<number, number>();
  const votes = new Map<number, number>();
  for (const [position, token] of tokens.entries()) {
    const before = last.get(token);
    last.set(token, position);
    if (before === undefined) continue;
    const distance = position - before;
    if (distance >= MIN_BLOCK) votes.set(distance, (votes.get(distance) ?? 0) + 1);
  }
  return [...votes]
    .sort(([a, votesA], [b, votesB]) => votesB * b - votesA * a || a - b)
    .slice(0, MAX_PERIODS)
    .map(([period]) => period);
}

function runsOf(tokens: readonly number[], period: number): Run[] {
  const runs: Run[] = [];
  let start = -1;
  const last = tokens.length - period;
  for (let at = 0; at <= last; at += 1) {
    const equal = at < last && tokens[at] === tokens[at + period];
    if (equal && start < 0) start = at;
    if (equal || start < 0) continue;
    const run = { start, end: at + period, period };
    if (saved(run) >= MIN_SAVED) runs.push(run);
    start = -1;
  }
  return runs;
}

function largestFree(run: Run, taken: Uint8Array): Run | undefined {
  let best: Run | undefined;
  let start = run.start;
  for (let at = run.start; at <= run.end; at += 1) {
    if (at < run.end && taken[at] === 0) continue;
    if (at > start && (!best || at - start > best.end - best.start)) best = { ...run, start, end: at };
    start = at + 1;
  }
  return best;
}

/** A change of names outweighs so many values that cross the line. */
const NAME_WEIGHT = 4;

/** By position p, what beginning a block there costs: values made before p and read at p or later, and torn names. */
function cutCosts(producers: readonly (readonly number[])[], nameOverlap: readonly number[] | undefined): Int32Array {
  const lastReader = new Int32Array(producers.length).fill(-1);
  for (const [position, reads] of producers.entries())
    for (const producer of reads) if (producer >= 0) lastReader[producer] = Math.max(lastReader[producer]!, position);
  const widths = new Int32Array(producers.length + 1);
  for (const [producer, reader] of lastReader.entries()) {
    if (reader <= producer) continue;
    widths[producer + 1]! += 1;
    widths[reader + 1]! -= 1;
  }
  for (let at = 1; at < widths.length; at += 1) widths[at]! += widths[at - 1]!;
  for (const [at, overlap] of nameOverlap?.entries() ?? []) widths[at]! += NAME_WEIGHT * overlap;
  return widths;
}

/** Cuts that are tried of those that cost the same. */
const MAX_PHASES = 4;

/**
 * A period may begin anywhere; people draw the line where the fewest values cross it.
 * @returns ways to cut the run into blocks, all of the least cost, earlier ones first
 */
function blocksOf({ start, end, period }: Run, costs: Int32Array): number[][][] {
  const length = end - start;
  const most = Math.floor(length / period);
  let best: { phase: number; count: number }[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let phase = 0; phase < period; phase += 1) {
    const count = Math.floor((length - phase) / period);
    // A block may be given up for a clean cut, but not when there are few.
    if (count < 2 || count < (most >= 4 ? most - 1 : most)) break;
    let cost = 0;
    for (let k = 0; k <= count; k += 1) cost += costs[start + phase + k * period]!;
    cost /= count + 1;
    // Ends of a run may be cut cleaner than its middle by chance.
    if (cost < least - 0.5) best = [];
    if (cost < least - 0.5 || (cost <= least + 0.5 && best.length < MAX_PHASES)) best.push({ phase, count });
    least = Math.min(least, cost);
  }
  return best.map(({ phase, count }) =>
    Array.from({ length: count }, (_, k) => Array.from({ length: period }, (_, o) => start + phase + k * period + o)),
  );
}

/** The longest stretch of blocks whose wiring inside is that of the block before. */
function sameWiring(blocks: readonly number[][], producers: readonly (readonly number[])[]): number[][] {
  const wires = blocks.map((block) => wiringOf(block, producers));
  let bestStart = 0;
  let bestLength = blocks.length > 0 ? 1 : 0;
  let start = 0;
  for (let k = 1; k < blocks.length; k += 1) {
    if (wires[k] !== wires[k - 1]) start = k;
    if (k - start + 1 > bestLength) {
      bestStart = start;
      bestLength = k - start + 1;
    }
  }
  return blocks.slice(bestStart, bestStart + bestLength);
}

/** Inputs of every node of a block: which node of the block makes it, or that it comes from outside. */
function wiringOf(block: readonly number[], producers: readonly (readonly number[])[]): string {
  const place = new Map(block.map((position, at) => [position, at]));
  return block.map((position) => producers[position]!.map((p) => place.get(p) ?? '-').join(',')).join(';');
}
