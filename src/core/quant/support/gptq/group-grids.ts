/** The grid (scale and zero point) of each group of a panel's 8 columns, by extremes or by least weighted error. */
import { type NBitsScheme, roundToNearestParameters } from '../nbits-parameters.ts';

export type GridSearch = 'min-max' | 'mse';

/** Floats of one grid of a panel: 8 scales, 8 reciprocals, 8 zero points. */
export const GRID_FLOATS = 24;
export const GRID_BYTES = 4 * GRID_FLOATS;

/** The range is tried at 1, 0.975, ... 0.5 of itself. */
const SHRINK_STEPS = 20;
const LEAST_SHRINK = 0.5;

export interface GridRequest extends NBitsScheme {
  readonly gridSearch: GridSearch;
}

/** One panel's part of one group: rows of 8 values, and what an error in each row costs. */
export interface GroupValues {
  /** [rows, 8]. */
  readonly values: Float32Array;
  /** By row; 0 for padding. */
  readonly importance: Float32Array;
}

/**
 * @param out GRID_FLOATS long
 * @returns false when a value is not finite, or the range is too wide for any scale
 */
export function chooseGrid(request: GridRequest, { values, importance }: GroupValues, out: Float32Array): boolean {
  const { min, max } = extremes(values, 8);
  const whole = roundToNearestParameters(min, max, request);
  writeGrid(out, whole);
  let finite = whole.finite;
  for (let lane = 0; lane < 8; lane += 1) finite &&= Number.isFinite(min[lane]! + max[lane]!);
  if (!finite || request.gridSearch === 'min-max') return finite;
  const maxCode = 2 ** request.bits - 1;
  const least = gridErrors(out, values, importance, maxCode);
  const candidate = new Float32Array(GRID_FLOATS);
  for (let step = 1; step <= SHRINK_STEPS; step += 1) {
    const factor = 1 - ((1 - LEAST_SHRINK) * step) / SHRINK_STEPS;
    const shrink = (value: number) => value * factor;
    writeGrid(candidate, roundToNearestParameters(min.map(shrink), max.map(shrink), request));
    const errors = gridErrors(candidate, values, importance, maxCode);
    for (let lane = 0; lane < 8; lane += 1) {
      if (!(errors[lane]! < least[lane]!)) continue;
      least[lane] = errors[lane]!;
      for (const part of [0, 8, 16]) out[part + lane] = candidate[part + lane]!;
    }
  }
  return true;
}

function extremes(values: Float32Array, lanes: number): { min: Float32Array; max: Float32Array } {
  const min = values.slice(0, lanes);
  const max = values.slice(0, lanes);
  for (let at = lanes; at < values.length; at += lanes)
    for (let lane = 0; lane < lanes; lane += 1) {
      const value = values[at + lane]!;
      // Written so that NaN gets through.
      if (!(value >= min[lane]!)) min[lane] = value;
      if (!(value <= max[lane]!)) max[lane] = value;
    }
  return { min, max };
}

function writeGrid(out: Float32Array, grid: ReturnType<typeof roundToNearestParameters>): void {
  out.set(grid.scales, 0);
  out.set(grid.reciprocals, 8);
  out.set(grid.zeroPoints, 16);
}

/** The code of one value on a grid, as the kernels compute it. */
export function codeOn(grid: Float32Array, lane: number, value: number, maxCode: number): number {
  const scaled = Math.fround(Math.fround(value * grid[8 + lane]!) + grid[16 + lane]!);
  return Math.floor(Math.fround(Math.min(Math.max(scaled, 0), maxCode) + 0.49999997));
}

export function valueOn(grid: Float32Array, lane: number, code: number): number {
  return Math.fround((code - grid[16 + lane]!) * grid[lane]!);
}

function gridErrors(grid: Float32Array, values: Float32Array, importance: Float32Array, maxCode: number): Float64Array {
  const errors = new Float64Array(8);
  for (let row = 0; row < importance.length; row += 1)
    for (let lane = 0; lane < 8; lane += 1) {
      const value = values[row * 8 + lane]!;
      const difference = value - valueOn(grid, lane, codeOn(grid, lane, value, maxCode));
      errors[lane]! += importance[row]! * difference * difference;
    }
  return errors;
}
