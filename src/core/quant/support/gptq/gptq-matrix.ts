/** GPTQ of one stored weight, from its Hessian to the tensors of MatMulNBits. */
import { throwIfCancelled } from '../../../base/cancel.ts';
import { StudioError } from '../../../base/errors/index.ts';
import type { StepContext } from '../../../step/define.ts';
import type { NBitsRequest } from '../nbits-matrix.ts';
import { type NBitsMatrix, packCodes, storeNBitsMatrix } from '../nbits-store.ts';
import { outputRows } from '../output-rows.ts';
import { GptqTile, TILE_COLUMNS } from './gptq-tile.ts';
import type { GridSearch } from './group-grids.ts';
import { factorHessian, type HessianFactor, MAX_FACTOR_SIZE } from './hessian-factor.ts';
import { createTriangleMachine, type TriangleMachine } from './triangle-machine.ts';

export interface GptqRequest extends NBitsRequest {
  /** X^T X [K, K] of the inputs that calibration saw. */
  readonly hessian: Float32Array;
  /** Important features first, on grids that are fixed beforehand, so that groups stay in the weight's own order. */
  readonly actOrder: boolean;
  readonly damping: number;
  readonly gridSearch: GridSearch;
}

export interface GptqOutcome {
  readonly matrix: NBitsMatrix;
  /** What the weight was made with in the end. */
  readonly method: 'gptq' | 'round to nearest';
  /** Why it was not GPTQ. */
  readonly reason?: string;
  /** The damping that the Hessian needed; absent where there was no usable one. */
  readonly damping?: number;
  /** Share of the output's energy that the error has, on the calibration inputs; absent likewise. */
  readonly relativeLoss?: { readonly gptq: number; readonly roundToNearest: number };
}

/** Losses are compared on so many outputs, evenly spread: enough to tell, and it costs as much as quantizing them. */
const COMPARED_COLUMNS = 256;

/**
 * @throws StudioError pass/bad-weight when the weight has NaN or infinite elements or too wide a range; job/cancelled
 */
export async function gptqMatrix(
  ctx: StepContext,
  workspace: GptqWorkspace,
  request: GptqRequest,
): Promise<GptqOutcome> {
  const factor = await workspace.factorOf(ctx, request);
  if (typeof factor === 'string') {
    const parts = await quantizeTiles(ctx, workspace, request, undefined);
    return { matrix: await parts.store(), method: 'round to nearest', reason: factor };
  }
  const parts = await quantizeTiles(ctx, workspace, request, factor);
  const { losses } = parts;
  const relativeLoss = {
    gptq: share(losses.gptq, losses.energy),
    roundToNearest: share(losses.roundToNearest, losses.energy),
  };
  const outcome = { damping: factor.damping, relativeLoss };
  if (losses.gptq <= losses.roundToNearest) return { matrix: await parts.store(), method: 'gptq', ...outcome };
  const plain = await quantizeTiles(ctx, workspace, request, undefined);
  const reason = 'its error on the calibration inputs is smaller';
  return { matrix: await plain.store(), method: 'round to nearest', reason, ...outcome };
}

const share = (loss: number, energy: number) => (energy > 0 ? loss / energy : 0);

/** Memory for one weight after the other. Weights that read the same value share its factor. */
export class GptqWorkspace {
  readonly machine: TriangleMachine;
  #last: { readonly hessian: Float32Array; readonly key: string; readonly factor: HessianFactor | string } | undefined;

  constructor(machine: TriangleMachine = createTriangleMachine()) {
    this.machine = machine;
  }

  /** @returns why there is none, in words */
  async factorOf(ctx: StepContext, request: GptqRequest): Promise<HessianFactor | string> {
    const { hessian, actOrder, damping } = request;
    const key = `${actOrder}/${damping}`;
    if (this.#last?.hessian !== hessian || this.#last.key !== key) {
      this.#last = undefined;
      this.#last = { hessian, key, factor: await tryFactor(ctx, this.machine, request) };
    }
    return this.#last.factor;
  }

  /** Without a factor: rows in their order and nothing to feed back. */
  withoutFactor(K: number): HessianFactor {
    this.#last = undefined;
    const size = Math.ceil(K / 16) * 16;
    this.machine.reserve(4 * size);
    return { K, size, rows: 0, rowBytes: 0, weights: 0, end: 4 * size, damping: 0 };
  }
}

async function tryFactor(
  ctx: StepContext,
  machine: TriangleMachine,
  { hessian, K, actOrder, damping }: GptqRequest,
): Promise<HessianFactor | string> {
  if (K > MAX_FACTOR_SIZE) return `its ${K} inputs are more than the ${MAX_FACTOR_SIZE} that fit into memory`;
  const order = actOrder ? byImportance(hessian, K) : undefined;
  try {
    const factor = await factorHessian(ctx, machine, { hessian, K, order, damping });
    return factor ?? 'its inputs were zero, or do not determine a positive definite Hessian even with full damping';
  } catch (error) {
    if (error instanceof RangeError) return `there was not enough memory for a Hessian of ${K} x ${K}`;
    throw error;
  }
}

/** Features by falling second moment; equal ones keep their order. */
function byImportance(hessian: Float32Array, K: number): Int32Array {
  const order = Int32Array.from({ length: K }, (_, k) => k);
  return order.sort((a, b) => hessian[b * K + b]! - hessian[a * K + a]! || a - b);
}

async function quantizeTiles(
  ctx: StepContext,
  workspace: GptqWorkspace,
  request: GptqRequest,
  factor: HessianFactor | undefined,
) {
  const { K, N, blockSize, tensor, hessian, actOrder } = request;
  const order = factor && actOrder ? byImportance(hessian, K) : undefined;
  const tile = new GptqTile(workspace.machine, factor ?? workspace.withoutFactor(K), { ...request, order });
  const groups = Math.ceil(K / blockSize);
  const scales = new Float32Array(N * groups);
  const zeroPoints = new Uint8Array(N * groups);
  const packed: Uint8Array[] = [];
  const losses = { gptq: 0, roundToNearest: 0, energy: 0 };
  const tiles = Math.ceil(N / TILE_COLUMNS);
  const compareEvery = Math.max(1, Math.floor((tiles * TILE_COLUMNS) / COMPARED_COLUMNS));
  let index = 0;
  for await (const { first, count, values } of outputRows(ctx, request)) {
    for (let at = 0; at < count; at += TILE_COLUMNS, index += 1) {
      const columns = Math.min(TILE_COLUMNS, count - at);
      const isGood =
        tile.load(values.subarray(at * K, (at + columns) * K), columns) &&
        (factor ? tile.quantize() : tile.roundToNearest());
      if (!isGood) {
        const reason = 'has NaN or infinite elements, or a range too wide for any scale';
        throw new StudioError('pass/bad-weight', { tensor: tensor.name, reason });
      }
      const codes = new Uint8Array(columns * groups * blockSize);
      const from = (first + at) * groups;
      tile.read(columns, codes, scales.subarray(from), zeroPoints.subarray(from));
      packed.push(packCodes(codes, request));
      if (factor && index % compareEvery === 0) {
        const { gptq, roundToNearest, energy } = tile.losses();
        losses.gptq += gptq;
        losses.roundToNearest += roundToNearest;
        losses.energy += energy;
      }
      throwIfCancelled(ctx.signal);
      await ctx.yield();
    }
  }
  const store = () => storeNBitsMatrix(ctx, request, { packed, scales, zeroPoints });
  return { losses, store };
}
