/**
 * The factor of a Hessian that error feedback needs. With H = X^T X (K x K, damped) and positions 0..K-1 in the order in
 * which they are quantized, H = (I + L) D (I + L)^T with L strictly upper triangular and D diagonal. GPTQ's update with
 * U, the upper Cholesky factor of H^-1 (Frantar et al. 2023, section 3.3), is the same as
 *
 *   c_k = w_k + sum over j < k of (w_j - q_j) L[j, k],  q_k = round(c_k)
 *
 * (LDLQ; Chee et al. 2023, "QuIP", theorem 6): U^-1 = (I + L) sqrt(D). So no inverse is formed: a third of the work, and
 * a factor of H itself loses less to rounding than one of its inverse. The loss tr((W - Q) H (W - Q)^T) is exactly the
 * sum over k of D_k (c_k - q_k)^2.
 *
 * Stored in reverse, so that it is an ordinary Cholesky factorization R^T R = H' with contiguous rows: row i belongs to
 * position size - 1 - i, and positions K..size-1 are padding that has to do with nothing.
 */
import { throwIfCancelled } from '../../../base/cancel.ts';
import type { JobContext } from '../../../base/progress.ts';
import type { TriangleMachine } from './triangle-machine.ts';

/** Rows of R are made this many at a time. */
const BLOCK = 64;
/** Sizes are padded to a multiple of this: every block size is one. */
const PADDING = 16;
/** Floats after each row, so that rows do not fall on the same cache sets. */
const ROW_GAP = 16;
/** Above this many the K x K floats, twice in memory, are more than a browser tab can be asked for. */
export const MAX_FACTOR_SIZE = 16384;

export interface FactorRequest {
  /** [K, K], symmetric; left as it is. */
  readonly hessian: Float32Array;
  readonly K: number;
  /** Feature at each position; the natural order when absent. */
  readonly order?: Int32Array | undefined;
  /** Of the mean of the diagonal, added to the diagonal. */
  readonly damping: number;
}

/** Where the factor lies in the machine's memory (byte addresses). */
export interface HessianFactor {
  readonly K: number;
  /** K rounded up. */
  readonly size: number;
  /** R without its diagonal: row i has L[j, position of i] for the rows to its right. */
  readonly rows: number;
  readonly rowBytes: number;
  /** D, by row: `size` floats; 0 for padding. */
  readonly weights: number;
  /** First free byte behind it. */
  readonly end: number;
  /** The damping that worked. */
  readonly damping: number;
}

/** What is added when a factorization fails, as a factor on the damping, until it passes 1. */
const DAMPING_STEP = 10 ** 0.5;

/**
 * Tries with more and more damping until the matrix is positive definite in float32.
 * @returns undefined when it is not even with the mean of the diagonal added to it, or when the Hessian is zero
 * @throws StudioError job/cancelled; RangeError when there is not enough memory
 */
export async function factorHessian(
  job: JobContext,
  machine: TriangleMachine,
  request: FactorRequest,
): Promise<HessianFactor | undefined> {
  const mean = meanDiagonal(request);
  if (!(mean > 0)) return undefined;
  const place = layOut(machine, request.K);
  // Without damping a rank-deficient matrix would pass or fail by rounding alone.
  for (let damping = Math.max(request.damping, 1e-6); damping <= 1; damping *= DAMPING_STEP) {
    fill(machine, place, { ...request, damping }, mean);
    if (await decompose(job, machine, place, damping * mean)) {
      normalize(machine, place);
      return { ...place, damping };
    }
  }
  return undefined;
}

type Place = Omit<HessianFactor, 'damping'> & { readonly packed: number; readonly triangle: number };

function layOut(machine: TriangleMachine, K: number): Place {
  const size = Math.ceil(K / PADDING) * PADDING;
  const rowBytes = 4 * (size + ROW_GAP);
  const weights = size * rowBytes;
  const end = weights + 4 * size;
  // Scratch of the factorization lies behind the end, where the user of the factor has its own later.
  const triangle = end;
  const packed = triangle + 4 * (BLOCK * BLOCK + BLOCK);
  machine.reserve(packed + 4 * BLOCK * size);
  return { K, size, rows: 0, rowBytes, weights, end, packed, triangle };
}

function meanDiagonal({ hessian, K }: FactorRequest): number {
  let sum = 0;
  for (let i = 0; i < K; i += 1) sum += hessian[i * K + i]!;
  return sum / K;
}

/** H in reverse order with damping; features that were zero in every sample get a 1, which leaves them to rounding. */
function fill(
  machine: TriangleMachine,
  place: Place,
  { hessian, K, order, damping }: FactorRequest,
  mean: number,
): void {
  const { size, rowBytes } = place;
  const feature = (row: number) => {
    const position = size - 1 - row;
    if (position >= K) return -1;
    return order ? order[position]! : position;
  };
  const featureOf = Int32Array.from({ length: size }, (_, row) => feature(row));
  const offset = size - K;
  for (let row = 0; row < size; row += 1) {
    const target = machine.floats(place.rows + row * rowBytes, size);
    const from = featureOf[row]!;
    if (from < 0) {
      target.fill(0);
      target[row] = mean;
      continue;
    }
    target.fill(0, 0, offset);
    const source = hessian.subarray(from * K, from * K + K);
    for (let column = offset; column < size; column += 1) target[column] = source[featureOf[column]!]!;
    const diagonal = target[row]!;
    target[row] = (diagonal > 0 ? diagonal : mean) + damping * mean;
  }
}

/**
 * Right-looking blocked Cholesky: a block of rows is factored, and what it explains is subtracted from all below.
 * @param added what damping added: a pivot that is smaller by far is rounding error
 */
async function decompose(job: JobContext, machine: TriangleMachine, place: Place, added: number): Promise<boolean> {
  const { size, rows, rowBytes, packed, triangle } = place;
  const inverses = triangle + 4 * BLOCK * BLOCK;
  for (let at = 0; at < size; at += BLOCK) {
    throwIfCancelled(job.signal);
    await job.yield();
    const count = Math.min(BLOCK, size - at);
    if (!factorDiagonal(machine, place, at, count, added / 4)) return false;
    const rest = size - at - count;
    if (rest === 0) continue;
    const { kernels } = machine;
    pack(machine, place, at, count, 'in');
    kernels.solvePanels(triangle, 4 * BLOCK, inverses, packed, rest / 8, count);
    pack(machine, place, at, count, 'out');
    for (let row = 0; row < rest; row += 4) {
      const panel = row >> 3;
      const from = packed + panel * count * 32;
      const target = rows + (at + count + row) * rowBytes + (at + count + panel * 8) * 4;
      kernels.subtractGram(from + (row & 7) * 4, from, rest / 8 - panel, target, rowBytes, count);
    }
  }
  return true;
}

/** The block on the diagonal in float64, its transpose and the reciprocals of its diagonal for the rows' solution. */
function factorDiagonal(
  machine: TriangleMachine,
  { rows, rowBytes, triangle }: Place,
  at: number,
  count: number,
  leastPivot: number,
): boolean {
  const block = new Float64Array(count * count);
  for (let i = 0; i < count; i += 1) block.set(machine.floats(rows + (at + i) * rowBytes + at * 4, count), i * count);
  for (let i = 0; i < count; i += 1) {
    let pivot = block[i * count + i]!;
    for (let k = 0; k < i; k += 1) pivot -= block[k * count + i]! ** 2;
    if (!(pivot > leastPivot)) return false;
    const root = Math.sqrt(pivot);
    block[i * count + i] = root;
    for (let j = i + 1; j < count; j += 1) {
      let sum = block[i * count + j]!;
      for (let k = 0; k < i; k += 1) sum -= block[k * count + i]! * block[k * count + j]!;
      block[i * count + j] = sum / root;
    }
  }
  const lower = machine.floats(triangle, BLOCK * BLOCK + BLOCK);
  for (let i = 0; i < count; i += 1) {
    machine.floats(rows + (at + i) * rowBytes + at * 4, count).set(block.subarray(i * count, (i + 1) * count));
    for (let j = 0; j < i; j += 1) lower[i * BLOCK + j] = block[j * count + i]!;
    lower[BLOCK * BLOCK + i] = 1 / block[i * count + i]!;
  }
  return true;
}

/** The block's rows right of the diagonal block to panels of 8 columns, or back. */
function pack(machine: TriangleMachine, place: Place, at: number, count: number, way: 'in' | 'out'): void {
  const { size, rows, rowBytes, packed } = place;
  const rest = size - at - count;
  const panels = machine.floats(packed, rest * count);
  for (let i = 0; i < count; i += 1) {
    const row = machine.floats(rows + (at + i) * rowBytes + (at + count) * 4, rest);
    for (let column = 0; column < rest; column += 8) {
      const base = column * count + i * 8;
      if (way === 'in') for (let lane = 0; lane < 8; lane += 1) panels[base + lane] = row[column + lane]!;
      else for (let lane = 0; lane < 8; lane += 1) row[column + lane] = panels[base + lane]!;
    }
  }
}

/** From R to D and L: each row divided by its diagonal element. */
function normalize(machine: TriangleMachine, { K, size, rows, rowBytes, weights }: Place): void {
  const importance = machine.floats(weights, size);
  for (let row = 0; row < size; row += 1) {
    const values = machine.floats(rows + row * rowBytes, size);
    const diagonal = values[row]!;
    importance[row] = row < size - K ? 0 : diagonal * diagonal;
    const reciprocal = 1 / diagonal;
    for (let column = row + 1; column < size; column += 1) values[column]! *= reciprocal;
  }
}
