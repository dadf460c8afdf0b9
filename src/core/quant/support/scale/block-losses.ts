/**
 * What rounding a layer's weight in blocks does to its output on calibration inputs, computed by the runtime: for factors
 * on its input channels, and for clipping its blocks. Rounding follows nbits-parameters.ts, but for ties.
 */
import type { Executor } from '../../../step/define.ts';
import type { LinearSite } from '../linear-sites.ts';
import type { WeightScheme } from '../weight-only-plan.ts';
import { blockMoments, type LayerInputs } from './group-inputs.ts';
import { KernelModel, type Ref, runKernel } from './kernel-model.ts';
import { type ColumnTile, columnTiles } from './weight-columns.ts';

export interface BlockTrial {
  readonly executor: Executor;
  readonly site: LinearSite;
  readonly scheme: WeightScheme;
  readonly inputs: LayerInputs;
}

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

  /** The weight [K, columns] that a layer has whose channels are multiplied by factors [K, 1], clipped and rounded. */
  roundedWeight(weight: Ref, scale: Ref, ratio?: Ref): Ref {
    const blocked = this.intoBlocks(this.op('Mul', [weight, scale]));
    const rounded = this.rounded(ratio ? this.clipped(blocked, ratio) : blocked);
    return this.op('Div', [this.fromBlocks(rounded), scale]);
  }

  /** Of the layer's output, for an error [K, columns] of its weight -> [1, columns]. */
  squaredOutput(inputs: LayerInputs, error: Ref): Ref {
    if (inputs.kind === 'moments') return this.weighted(this.constant([this.K, this.K], inputs.moments), error, 0);
    const rows = this.constant([inputs.count, this.K], inputs.rows);
    return this.reduce('ReduceSumSquare', this.op('MatMul', [rows, error]), [0]);
  }

  /** sum(E * (G E)) over an axis */
  weighted(moments: Ref, error: Ref, axis: number): Ref {
    const product = this.op('Mul', [this.op('MatMul', [moments, error]), error]);
    return this.op('ReduceSum', [product, this.ints([axis])]);
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
  const { executor, site, scheme, inputs } = trial;
  const { K } = site;
  const losses = candidates.map(() => 0);
  for await (const { columns, values } of columnTiles(site)) {
    const kernel = new BlockKernel(K, columns, scheme);
    const scale = kernel.input('scale', [K, 1]);
    const weight = kernel.constant([K, columns], values);
    const error = kernel.op('Sub', [kernel.roundedWeight(weight, scale), weight]);
    kernel.output(kernel.op('ReduceSum', [kernel.squaredOutput(inputs, error), kernel.ints([1])]));
    const feeds = candidates.map((factors) => ({ scale: { dims: [K, 1], values: Float32Array.from(factors) } }));
    const results = await runKernel(executor, kernel, feeds);
    for (const [index, [loss]] of results.entries()) losses[index] = losses[index]! + Math.max(0, loss![0]!);
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
 * output, so it is the whole of a column that decides whether that is clipped at all.
 * @param ratios to try besides 1
 * @param factors the weight's input channels are multiplied by, the inputs divided
 */
export async function searchClip(
  trial: BlockTrial,
  ratios: readonly number[],
  factors: Float64Array,
): Promise<BlockClip> {
  const { site, scheme, inputs } = trial;
  const blocks = Math.ceil(site.K / scheme.blockSize);
  const chosen = new Float32Array(blocks * site.N).fill(1);
  const moments = blockMoments(inputs, site.K, scheme.blockSize);
  let [before, after] = [0, 0];
  for await (const tile of columnTiles(site)) {
    const { first, columns } = tile;
    const best = await bestRatios(trial, tile, { ratios, factors, moments });
    const [plain, clipped] = await columnLosses(trial, tile, factors, best);
    for (let column = 0; column < columns; column += 1) {
      before += plain[column]!;
      after += Math.min(plain[column]!, clipped[column]!);
      if (!(clipped[column]! < plain[column]!)) continue;
      for (let block = 0; block < blocks; block += 1)
        chosen[block * site.N + first + column] = best[block * columns + column]!;
    }
  }
  return { ratios: chosen, before, after };
}

interface ClipSearch {
  readonly ratios: readonly number[];
  readonly factors: Float64Array;
  /** [blocks, size, size] */
  readonly moments: Float32Array;
}

/** [blocks, columns] */
async function bestRatios(
  { executor, site, scheme }: BlockTrial,
  { columns, values }: ColumnTile,
  { ratios, factors, moments }: ClipSearch,
): Promise<Float32Array> {
  const { K } = site;
  const { blockSize } = scheme;
  const kernel = new BlockKernel(K, columns, scheme);
  const ratio = kernel.input('ratio', [1, 1, 1]);
  const weight = kernel.constant([K, columns], values);
  const scale = kernel.constant([K, 1], factors);
  const error = kernel.op('Sub', [kernel.roundedWeight(weight, scale, ratio), weight]);
  const own = kernel.constant([kernel.blocks, blockSize, blockSize], moments);
  kernel.output(kernel.weighted(own, kernel.intoBlocks(error), 1));
  const tried = [1, ...ratios];
  const feeds = tried.map((value) => ({ ratio: { dims: [1, 1, 1], values: Float32Array.of(value) } }));
  const losses = (await runKernel(executor, kernel, feeds)).map(([loss]) => loss!);
  return losses[0]!.map((_, at) => {
    let best = 0;
    for (let index = 1; index < tried.length; index += 1) if (losses[index]![at]! < losses[best]![at]!) best = index;
    return tried[best]!;
  });
}

/** Of the output of each of these columns, without clipping and with the given ratios. */
async function columnLosses(
  { executor, site, scheme, inputs }: BlockTrial,
  { columns, values }: ColumnTile,
  factors: Float64Array,
  best: Float32Array,
): Promise<[Float32Array, Float32Array]> {
  const kernel = new BlockKernel(site.K, columns, scheme);
  const dims = [kernel.blocks, 1, columns];
  const ratio = kernel.input('ratio', dims);
  const weight = kernel.constant([site.K, columns], values);
  const rounded = kernel.roundedWeight(weight, kernel.constant([site.K, 1], factors), ratio);
  kernel.output(kernel.squaredOutput(inputs, kernel.op('Sub', [rounded, weight])));
  const [[plain], [clipped]] = (await runKernel(executor, kernel, [
    { ratio: { dims, values: new Float32Array(best.length).fill(1) } },
    { ratio: { dims, values: best } },
  ])) as [[Float32Array], [Float32Array]];
  return [plain.map((loss) => Math.max(0, loss)), clipped.map((loss) => Math.max(0, loss))];
}

/**
 * What the layer's weight becomes in the end, factors undone.
 * @param ratios [blocks, N], as `searchClip` gives them
 * @returns [K, N]
 */
export async function roundedWeight(
  { executor, site, scheme }: Omit<BlockTrial, 'inputs'>,
  factors: Float64Array,
  ratios: Float32Array | undefined,
): Promise<Float32Array> {
  const { K, N } = site;
  const result = new Float32Array(K * N);
  for await (const { first, columns, values } of columnTiles(site)) {
    const kernel = new BlockKernel(K, columns, scheme);
    const scale = kernel.input('scale', [K, 1]);
    const own = Float32Array.from({ length: kernel.blocks * columns }, (_, at) =>
      ratios ? ratios[Math.floor(at / columns) * N + first + (at % columns)]! : 1,
    );
    const ratio = kernel.constant([kernel.blocks, 1, columns], own);
    kernel.output(kernel.roundedWeight(kernel.constant([K, columns], values), scale, ratio));
    const feeds = [{ scale: { dims: [K, 1], values: Float32Array.from(factors) } }];
    const [[rounded]] = (await runKernel(executor, kernel, feeds)) as [[Float32Array]];
    for (let k = 0; k < K; k += 1) result.set(rounded.subarray(k * columns, (k + 1) * columns), k * N + first);
  }
  return result;
}
