/** GPTQ of one stored weight, from its Hessian to the tensors of MatMulNBits. */
import { throwIfCancelled } from '../../../base/cancel.ts';
import { inOrder } from '../../../base/in-order.ts';
import type { StepContext } from '../../../step/define.ts';
import type { TaskPool } from '../../../step/task-pool.ts';
import { noFiniteScale } from '../bad-weight.ts';
import type { NBitsRequest } from '../nbits-matrix.ts';
import { type NBitsMatrix, storeNBitsMatrix } from '../nbits-store.ts';
import { type OutputRows, outputRows } from '../output-rows.ts';
import { runPooled, tasksAtOnce } from '../pooled.ts';
import { quantizeColumns, shareFactor } from './gptq-columns.ts';
import { TILE_COLUMNS } from './gptq-tile.ts';
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

/** Outputs of a task: little enough to stop soon after a cancel. */
const TASK_COLUMNS = 2 * TILE_COLUMNS; // `compared` has two
/** All threads' copies of a factor together. */
const MAX_COPIES_BYTES = 512 << 20;

async function quantizeTiles(
  ctx: StepContext,
  workspace: GptqWorkspace,
  request: GptqRequest,
  factor: HessianFactor | undefined,
) {
  const { K, N, blockSize, tensor, hessian, actOrder } = request;
  const { bits, symmetric, scaleType, gridSearch } = request;
  const order = factor && actOrder ? byImportance(hessian, K) : undefined;
  const scheme = { bits, symmetric, scaleType, gridSearch, blockSize, order };
  const tiles = Math.ceil(N / TILE_COLUMNS);
  const compareEvery = Math.max(1, Math.floor((tiles * TILE_COLUMNS) / COMPARED_COLUMNS));
  const pool = factor && poolFor(ctx, factor, N);
  const shared = pool && shareFactor(workspace.machine, factor);
  const place = factor ?? workspace.withoutFactor(K);

  const quantize = async ({ first, count, values, firstTile }: TaskRows) => {
    throwIfCancelled(ctx.signal);
    await ctx.yield();
    const compared = [firstTile, firstTile + 1].map((tile) => tile % compareEvery === 0);
    if (!pool || !shared)
      return { first, ...quantizeColumns(workspace.machine, place, { scheme, values, count, compared }) };
    const own = values.slice();
    const done = await runPooled(pool, 'gptq-columns', { scheme, values: own, count, compared, shared }, [own.buffer]);
    return { first, ...done };
  };

  const groups = Math.ceil(K / blockSize);
  const scales = new Float32Array(N * groups);
  const zeroPoints = new Uint8Array(N * groups);
  const packed: Uint8Array[] = [];
  const losses = { gptq: 0, roundToNearest: 0, energy: 0 };
  for await (const part of inOrder(inTasks(outputRows(ctx, request), K), tasksAtOnce(pool), quantize)) {
    if (!part.finite) throw noFiniteScale(tensor.name);
    throwIfCancelled(ctx.signal);
    packed.push(part.packed);
    scales.set(part.scales, part.first * groups);
    zeroPoints.set(part.zeroPoints, part.first * groups);
    for (const { gptq, roundToNearest, energy } of part.losses) {
      losses.gptq += gptq;
      losses.roundToNearest += roundToNearest;
      losses.energy += energy;
    }
  }
  const store = () => storeNBitsMatrix(ctx, request, { packed, scales, zeroPoints });
  return { losses, store };
}

/** Threads need the factor in shared memory, and each a copy in its own; one weight of few outputs is not worth it. */
function poolFor(ctx: StepContext, factor: HessianFactor, N: number): TaskPool | undefined {
  const pool = ctx.executor?.pool;
  if (!pool?.sharesMemory || N < 2 * TASK_COLUMNS) return undefined;
  return factor.end * (pool.threads + 1) <= MAX_COPIES_BYTES ? pool : undefined;
}

interface TaskRows extends OutputRows {
  /** Counted over the whole weight. */
  readonly firstTile: number;
}

async function* inTasks(parts: AsyncIterable<OutputRows>, K: number): AsyncGenerator<TaskRows> {
  let firstTile = 0;
  for await (const { first, count, values } of parts)
    for (let at = 0; at < count; at += TASK_COLUMNS) {
      const some = Math.min(TASK_COLUMNS, count - at);
      yield { first: first + at, count: some, values: values.subarray(at * K, (at + some) * K), firstTile };
      firstTile += Math.ceil(some / TILE_COLUMNS);
    }
}
