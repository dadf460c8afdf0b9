/** A grid of a panel: scale, reciprocal and zero point of each of its 8 columns, in this order. */

/** 8 scales, 8 reciprocals, 8 zero points. */
export const GRID_FLOATS = 24;
export const GRID_BYTES = 4 * GRID_FLOATS;

/** The code of one value on a grid, as the kernels compute it. */
export function codeOn(grid: Float32Array, lane: number, value: number, maxCode: number): number {
  const scaled = Math.fround(Math.fround(value * grid[8 + lane]!) + grid[16 + lane]!);
  return Math.floor(Math.fround(Math.min(Math.max(scaled, 0), maxCode) + 0.49999997));
}

export function valueOn(grid: Float32Array, lane: number, code: number): number {
  return Math.fround((code - grid[16 + lane]!) * grid[lane]!);
}
