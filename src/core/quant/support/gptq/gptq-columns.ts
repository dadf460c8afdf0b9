/** GPTQ of some output columns of a weight, tile by tile: what another thread can be given, with a factor that all share. */
import { packCodes } from '../nbits-store.ts';
import { GptqTile, TILE_COLUMNS, type TileLosses, type TileScheme } from './gptq-tile.ts';
import type { HessianFactor } from './hessian-factor.ts';
import { createTriangleMachine, type TriangleMachine } from './triangle-machine.ts';

export interface ColumnsRequest {
  readonly scheme: TileScheme;
  /** [count, K]: the weights of each output. */
  readonly values: Float32Array;
  readonly count: number;
  /** For each tile whether GPTQ is compared with round to nearest. Without a factor there is nothing to compare. */
  readonly compared: readonly boolean[];
}

export interface QuantizedColumns {
  /** As storeNBitsMatrix takes them: [count, groups, blob]. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** [count, groups]. */
  readonly scales: Float32Array<ArrayBuffer>;
  readonly zeroPoints: Uint8Array<ArrayBuffer>;
  /** Of the compared tiles, in order. */
  readonly losses: readonly TileLosses[];
  /** False when a weight is not finite, or a range too wide for any scale. */
  readonly finite: boolean;
}

/**
 * @param factor of rows 0 when there is none: everything is rounded to nearest
 * @throws RangeError when there is not enough memory
 */
export function quantizeColumns(
  machine: TriangleMachine,
  factor: HessianFactor,
  { scheme, values, count, compared }: ColumnsRequest,
): QuantizedColumns {
  const { K } = factor;
  const { blockSize } = scheme;
  const groups = Math.ceil(K / blockSize);
  const tile = new GptqTile(machine, factor, scheme);
  const codes = new Uint8Array(count * groups * blockSize);
  const scales = new Float32Array(count * groups);
  const zeroPoints = new Uint8Array(count * groups);
  const losses: TileLosses[] = [];
  let finite = true;
  for (let at = 0; at < count && finite; at += TILE_COLUMNS) {
    const columns = Math.min(TILE_COLUMNS, count - at);
    finite =
      tile.load(values.subarray(at * K, (at + columns) * K), columns) &&
      (factor.damping > 0 ? tile.quantize() : tile.roundToNearest());
    if (!finite) break;
    const from = at * groups;
    tile.read(columns, codes.subarray(from * blockSize), scales.subarray(from), zeroPoints.subarray(from));
    if (factor.damping > 0 && compared[at / TILE_COLUMNS]) losses.push(tile.losses());
  }
  return { packed: packCodes(codes, scheme), scales, zeroPoints, losses, finite };
}

/** The factor of a Hessian where all threads can read it. */
export interface SharedFactor {
  /** Another one for each factor. */
  readonly key: number;
  readonly factor: HessianFactor;
  /** The machine's first `factor.end` bytes. */
  readonly memory: SharedArrayBuffer;
}

let lastKey = 0;

/** @throws RangeError when there is not enough memory */
export function shareFactor(machine: TriangleMachine, factor: HessianFactor): SharedFactor {
  const memory = new SharedArrayBuffer(factor.end);
  new Float32Array(memory).set(machine.floats(0, factor.end / 4));
  lastKey += 1;
  return { key: lastKey, factor, memory };
}

export interface ColumnsTask extends ColumnsRequest {
  readonly shared: SharedFactor;
}

/** Of this thread: kernels address one memory, so the factor is copied into it once. */
let own: { readonly machine: TriangleMachine; key: number } | undefined;

export function columnsTask({ shared, ...request }: ColumnsTask): QuantizedColumns {
  own ??= { machine: createTriangleMachine(), key: 0 };
  const { machine } = own;
  const { key, factor, memory } = shared;
  if (own.key !== key) {
    own.key = 0;
    machine.reserve(factor.end);
    machine.floats(0, factor.end / 4).set(new Float32Array(memory));
    own.key = key;
  }
  return quantizeColumns(machine, factor, request);
}
