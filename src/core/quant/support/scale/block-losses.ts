/**
 * What rounding a layer's weight in blocks does to its output on sampled rows, computed by the runtime: for factors on
 * its input channels, and for clipping its blocks. Rounding follows nbits-parameters.ts, but for ties.
 */
import { attrInts } from '../../../ir/attributes.ts';
import type { Executor } from '../../../step/define.ts';
import type { LinearSite } from '../linear-sites.ts';
import type { WeightScheme } from '../weight-only-plan.ts';
import { KernelModel, type Ref, runKernel } from './kernel-model.ts';
import { type ColumnTile, columnTiles } from './weight-columns.ts';

export interface BlockTrial {
  readonly executor: Executor;
  readonly site: LinearSite;
  readonly scheme: WeightScheme;
  /** [count, K] */
  readonly rows: Float32Array;
  readonly count: number;
}

/** Bytes of the partial products of one clip search, [blocks, rows, columns]. */
const PARTIAL_BYTES = 96 << 20;
/** The same rounding error of a block is judged by fewer rows than a whole layer's. */
const CLIP_ROWS = 256;

/** A weight in blocks, [blocks, size, columns], with what rounding makes of it. */
class BlockKernel extends KernelModel {
  readonly blocks: number;

  constructor(
    readonly K: number,
    readonly columns: number,
    readonly scheme: WeightScheme,
  ) {
    super();
    this.blocks = Math.ceil(K / scheme.blockSize);
  }

  intoBlocks(weight: Ref): Ref {
    const { blockSize } = this.scheme;
    const missing = this.blocks * blockSize - this.K;
    const padded = missing === 0 ? weight : this.op('Pad', [weight, this.ints([0, 0, missing, 0])]);
    return this.reshape(padded, [this.blocks, blockSize, this.columns]);
  }

  fromBlocks(blocked: Ref): Ref {
    const { blockSize } = this.scheme;
    const flat = this.reshape(blocked, [this.blocks * blockSize, this.columns]);
    return this.blocks * blockSize === this.K
      ? flat
      : this.op('Slice', [flat, this.ints([0]), this.ints([this.K]), this.ints([0])]);
  }

  /** @param ratio broadcasts against [blocks, 1, columns]: the part of its range that a block keeps */
  clipped(blocked: Ref, ratio: Ref): Ref {
    const [low, high] = this.#extremes(blocked);
    const above = this.op('Max', [blocked, this.op('Mul', [low, ratio])]);
    return this.op('Min', [above, this.op('Mul', [high, ratio])]);
  }

  rounded(blocked: Ref): Ref {
    const { bits, symmetric } = this.scheme;
    const [low, high] = this.#extremes(blocked);
    const [half, top] = [2 ** (bits - 1), 2 ** bits - 1];
    if (symmetric) {
      // The value of largest magnitude, with its sign, gets the lowest code.
      const largest = this.op('Where', [this.op('Greater', [this.op('Neg', [low]), high]), low, high]);
      const scale = this.#nonZero(this.op('Div', [largest, this.scalar(-half)]));
      const codes = this.clip(this.op('Round', [this.op('Div', [blocked, scale])]), -half, half - 1);
      return this.op('Mul', [codes, scale]);
    }
    const scale = this.#nonZero(this.op('Div', [this.op('Sub', [high, low]), this.scalar(top)]));
    const zero = this.clip(this.op('Round', [this.op('Neg', [this.op('Div', [low, scale])])]), 0, top);
    const codes = this.clip(this.op('Add', [this.op('Round', [this.op('Div', [blocked, scale])]), zero]), 0, top);
    return this.op('Mul', [this.op('Sub', [codes, zero]), scale]);
  }

  /** Of each block of each column, with zero among its values. */
  #extremes(blocked: Ref): [Ref, Ref] {
    const zero = this.scalar(0);
    return [
      this.op('Min', [this.reduce('ReduceMin', blocked, [1]), zero]),
      this.op('Max', [this.reduce('ReduceMax', blocked, [1]), zero]),
    ];
  }

  #nonZero(scale: Ref): Ref {
    return this.op('Where', [this.op('Equal', [scale, this.scalar(0)]), this.scalar(1), scale]);
  }
}

/**
 * Summed squared error of the output, |X (Q(W s) / s - W)|^2, for each of the factors s.
 * @param candidates K positive factors each
 */
export async function scaleLosses(trial: BlockTrial, candidates: readonly Float64Array[]): Promise<number[]> {
  const { executor, site, scheme, rows, count } = trial;
  const { K } = site;
  const losses = candidates.map(() => 0);
  for await (const { columns, values } of columnTiles(site)) {
    const kernel = new BlockKernel(K, columns, scheme);
    const scale = kernel.input('scale', [K, 1]);
    const weight = kernel.constant([K, columns], values);
    const rounded = kernel.rounded(kernel.intoBlocks(kernel.op('Mul', [weight, scale])));
    const error = kernel.op('Sub', [kernel.op('Div', [kernel.fromBlocks(rounded), scale]), weight]);
    const output = kernel.op('MatMul', [kernel.constant([count, K], rows), error]);
    kernel.output(kernel.reduce('ReduceSumSquare', output, [0, 1]));
    const feeds = candidates.map((factors) => ({ scale: { dims: [K, 1], values: Float32Array.from(factors) } }));
    const results = await runKernel(executor, kernel, feeds);
    for (const [index, [loss]] of results.entries()) losses[index] = losses[index]! + loss![0]!;
  }
  return losses;
}

/** Which part of its range each block keeps; 1 where nothing is clipped. */
export interface BlockClip {
  /** [blocks, N] */
  readonly ratios: Float32Array;
  /** Summed squared error of the output without and with clipping. */
  readonly before: number;
  readonly after: number;
}

/**
 * For each block of each column the ratio with the least squared error of its part of the output. Parts add up in the
 * output, so it is the whole that decides whether a tile of columns is clipped at all.
 * @param ratios to try besides 1
 * @param factors the weight's input channels are multiplied by, the rows divided
 */
export async function searchClip(
  trial: BlockTrial,
  ratios: readonly number[],
  factors: Float64Array,
): Promise<BlockClip> {
  const { site, scheme } = trial;
  const blocks = Math.ceil(site.K / scheme.blockSize);
  const count = Math.min(trial.count, CLIP_ROWS);
  const rows = Float32Array.from(trial.rows.subarray(0, count * site.K), (x, at) => x / factors[at % site.K]!);
  const chosen = new Float32Array(blocks * site.N).fill(1);
  let [before, after] = [0, 0];
  const limit = Math.max(site.K, Math.floor((PARTIAL_BYTES / 4 / (blocks * count)) * site.K));
  for await (const tile of columnTiles(site, Math.min(limit, 2 << 20))) {
    const values = Float32Array.from(tile.values, (w, at) => w * factors[Math.floor(at / tile.columns)]!);
    const scaled = { ...trial, rows, count };
    const best = await bestRatios(scaled, { ...tile, values }, ratios);
    const [plain, clipped] = await tileLosses(scaled, { ...tile, values }, best);
    before += plain;
    after += Math.min(plain, clipped);
    if (!(clipped < plain)) continue;
    for (let block = 0; block < blocks; block += 1)
      chosen.set(best.subarray(block * tile.columns, (block + 1) * tile.columns), block * site.N + tile.first);
  }
  return { ratios: chosen, before, after };
}

async function bestRatios(
  { executor, site, scheme, rows, count }: BlockTrial,
  { columns, values }: ColumnTile,
  ratios: readonly number[],
): Promise<Float32Array> {
  const kernel = new BlockKernel(site.K, columns, scheme);
  const ratio = kernel.input('ratio', [1, 1, 1]);
  const blocked = kernel.intoBlocks(kernel.constant([site.K, columns], values));
  const error = kernel.op('Sub', [kernel.rounded(kernel.clipped(blocked, ratio)), blocked]);
  // [rows, K] -> [blocks, rows, size]
  const missing = kernel.blocks * scheme.blockSize - site.K;
  const x = kernel.constant([count, site.K], rows);
  const padded = missing === 0 ? x : kernel.op('Pad', [x, kernel.ints([0, 0, 0, missing])]);
  const parts = kernel.op('Transpose', [kernel.reshape(padded, [count, kernel.blocks, scheme.blockSize])], {
    perm: attrInts([1, 0, 2]),
  });
  kernel.output(kernel.reduce('ReduceSumSquare', kernel.op('MatMul', [parts, error]), [1]));
  const tried = [1, ...ratios];
  const feeds = tried.map((value) => ({ ratio: { dims: [1, 1, 1], values: Float32Array.of(value) } }));
  const losses = (await runKernel(executor, kernel, feeds)).map(([loss]) => loss!);
  return losses[0]!.map((_, at) => {
    let best = 0;
    for (let index = 1; index < tried.length; index += 1) if (losses[index]![at]! < losses[best]![at]!) best = index;
    return tried[best]!;
  });
}

/** Of the whole output of these columns, without clipping and with the given ratios. */
async function tileLosses(
  { executor, site, scheme, rows, count }: BlockTrial,
  { columns, values }: ColumnTile,
  best: Float32Array,
): Promise<[number, number]> {
  const kernel = new BlockKernel(site.K, columns, scheme);
  const dims = [kernel.blocks, 1, columns];
  const ratio = kernel.input('ratio', dims);
  const weight = kernel.constant([site.K, columns], values);
  const rounded = kernel.rounded(kernel.clipped(kernel.intoBlocks(weight), ratio));
  const error = kernel.op('Sub', [kernel.fromBlocks(rounded), weight]);
  const output = kernel.op('MatMul', [kernel.constant([count, site.K], rows), error]);
  kernel.output(kernel.reduce('ReduceSumSquare', output, [0, 1]));
  const [[plain], [clipped]] = (await runKernel(executor, kernel, [
    { ratio: { dims, values: new Float32Array(best.length).fill(1) } },
    { ratio: { dims, values: best } },
  ])) as [[Float32Array], [Float32Array]];
  return [plain[0]!, clipped[0]!];
}
