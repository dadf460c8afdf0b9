/**
 * GPTQ as its paper states it (Frantar et al. 2023, algorithm 1), in float64 and one column at a time: the inverse
 * Hessian, its upper Cholesky factor, and every error passed on to all columns to the right at once.
 */
import {
  type NBitsScheme,
  roundToNearestParameters,
} from '../../../../../../src/core/quant/support/nbits-parameters.ts';

export interface OracleRequest extends NBitsScheme {
  /** [N, K]. */
  readonly weight: Float32Array;
  /** [K, K]. */
  readonly hessian: ArrayLike<number>;
  readonly K: number;
  readonly N: number;
  readonly blockSize: number;
  readonly damping: number;
  readonly actOrder: boolean;
}

export interface OracleResult {
  /** [N, K] */
  readonly codes: number[];
  /** Dequantized, [N, K]. */
  readonly values: Float64Array;
}

/** Upper Cholesky factor U of H^-1 = U^T U. */
export function inverseFactor(hessian: Float64Array, K: number): Float64Array {
  const inverse = invert(hessian, K);
  const lower = new Float64Array(K * K);
  for (let i = 0; i < K; i += 1)
    for (let j = 0; j <= i; j += 1) {
      let sum = inverse[i * K + j]!;
      for (let k = 0; k < j; k += 1) sum -= lower[i * K + k]! * lower[j * K + k]!;
      lower[i * K + j] = i === j ? Math.sqrt(sum) : sum / lower[j * K + j]!;
    }
  const upper = new Float64Array(K * K);
  for (let i = 0; i < K; i += 1) for (let j = 0; j <= i; j += 1) upper[j * K + i] = lower[i * K + j]!;
  return upper;
}

/** Gauss-Jordan with pivots. */
function invert(matrix: Float64Array, K: number): Float64Array {
  const a = matrix.slice();
  const inverse = new Float64Array(K * K);
  for (let i = 0; i < K; i += 1) inverse[i * K + i] = 1;
  for (let column = 0; column < K; column += 1) {
    let pivot = column;
    for (let row = column; row < K; row += 1)
      if (Math.abs(a[row * K + column]!) > Math.abs(a[pivot * K + column]!)) pivot = row;
    for (const m of [a, inverse])
      for (let k = 0; k < K; k += 1) [m[column * K + k], m[pivot * K + k]] = [m[pivot * K + k]!, m[column * K + k]!];
    const factor = 1 / a[column * K + column]!;
    for (const m of [a, inverse]) for (let k = 0; k < K; k += 1) m[column * K + k]! *= factor;
    for (let row = 0; row < K; row += 1) {
      const share = a[row * K + column]!;
      if (row === column || share === 0) continue;
      for (const m of [a, inverse]) for (let k = 0; k < K; k += 1) m[row * K + k]! -= share * m[column * K + k]!;
    }
  }
  return inverse;
}

export function damped(hessian: ArrayLike<number>, K: number, damping: number): Float64Array {
  const out = Float64Array.from(hessian);
  let mean = 0;
  for (let i = 0; i < K; i += 1) mean += out[i * K + i]! / K;
  for (let i = 0; i < K; i += 1) out[i * K + i]! += damping * mean + (out[i * K + i] === 0 ? mean : 0);
  return out;
}

export function gptqOracle(request: OracleRequest): OracleResult {
  const { weight, hessian, K, N, blockSize, damping, actOrder, bits } = request;
  const order = Array.from({ length: K }, (_, k) => k);
  if (actOrder) order.sort((a, b) => hessian[b * K + b]! - hessian[a * K + a]! || a - b);
  const full = damped(hessian, K, damping);
  const permuted = new Float64Array(K * K);
  for (let i = 0; i < K; i += 1) for (let j = 0; j < K; j += 1) permuted[i * K + j] = full[order[i]! * K + order[j]!]!;
  const U = inverseFactor(permuted, K);
  const maxCode = 2 ** bits - 1;
  const codes = new Array<number>(N * K);
  const values = new Float64Array(N * K);
  for (let n = 0; n < N; n += 1) {
    const w = Float64Array.from(order, (k) => weight[n * K + k]!);
    const gridOf = (from: ArrayLike<number>) =>
      roundToNearestParameters(
        Float32Array.of(Math.min(...Array.from(from))),
        Float32Array.of(Math.max(...Array.from(from))),
        request,
      );
    const fixed = Array.from({ length: Math.ceil(K / blockSize) }, (_, g) =>
      gridOf(weight.subarray(n * K + g * blockSize, n * K + Math.min(K, (g + 1) * blockSize))),
    );
    let grid = fixed[0]!;
    for (let i = 0; i < K; i += 1) {
      if (actOrder) grid = fixed[Math.floor(order[i]! / blockSize)]!;
      else if (i % blockSize === 0) grid = gridOf(w.subarray(i, Math.min(K, i + blockSize)));
      const zero = grid.zeroPoints[0]!;
      const code = Math.floor(Math.min(Math.max(w[i]! * grid.reciprocals[0]! + zero, 0), maxCode) + 0.5);
      const value = (code - zero) * grid.scales[0]!;
      codes[n * K + order[i]!] = code;
      values[n * K + order[i]!] = value;
      const error = (w[i]! - value) / U[i * K + i]!;
      for (let j = i; j < K; j += 1) w[j]! -= error * U[i * K + j]!;
    }
  }
  return { codes, values };
}

/** tr(E H E^T) for E = weight - values. */
export function outputError(
  weight: Float32Array,
  values: ArrayLike<number>,
  hessian: ArrayLike<number>,
  K: number,
): number {
  let loss = 0;
  for (let n = 0; n < weight.length / K; n += 1)
    for (let i = 0; i < K; i += 1) {
      const left = weight[n * K + i]! - values[n * K + i]!;
      for (let j = 0; j < K; j += 1) loss += left * hessian[i * K + j]! * (weight[n * K + j]! - values[n * K + j]!);
    }
  return loss;
}
