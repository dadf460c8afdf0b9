/** The grid (scale and zero point) of each group of a panel's 8 columns, by extremes or by least weighted error. */
import { type NBitsScheme, roundToNearestParameters } from '../nbits-parameters.ts';
import { GRID_BYTES, GRID_FLOATS } from './grid.ts';
import type { TriangleMachine } from './triangle-machine.ts';

export type GridSearch = 'min-max' | 'mse';

/** The range is tried at 1, 0.975, ... 0.5 of itself. */
const SHRINK_STEPS = 20;
const LEAST_SHRINK = 0.5;

export interface GridRequest extends NBitsScheme {
  readonly gridSearch: GridSearch;
}

/** Bytes that a GridChooser needs for groups of so many rows. */
export const chooserBytes = (rows: number): number => rows * 36 + GRID_BYTES + 32;

export class GridChooser {
  readonly #machine: TriangleMachine;
  readonly #rows: number;
  readonly #values: number;
  readonly #importance: number;
  readonly #grid: number;
  readonly #errors: number;
  readonly #maxCode: number;

  /**
   * @param address of chooserBytes(rows) in the machine's memory
   * @param maxCode address of the largest code, one float
   */
  constructor(machine: TriangleMachine, address: number, rows: number, maxCode: number) {
    this.#machine = machine;
    this.#rows = rows;
    this.#values = address;
    this.#grid = address + rows * 32;
    this.#errors = this.#grid + GRID_BYTES;
    this.#importance = this.#errors + 32;
    this.#maxCode = maxCode;
  }

  /** Where a group's values go, [rows, 8], and what an error in each row costs; at most as many rows as announced. */
  room(): { readonly values: Float32Array; readonly importance: Float32Array } {
    return {
      values: this.#machine.floats(this.#values, this.#rows * 8),
      importance: this.#machine.floats(this.#importance, this.#rows),
    };
  }

  /**
   * @param rows how many rows of the room are filled
   * @param out GRID_FLOATS long
   * @returns false when a value is not finite, or the range is too wide for any scale
   */
  choose(request: GridRequest, rows: number, out: Float32Array): boolean {
    const { min, max } = extremes(this.#machine.floats(this.#values, rows * 8));
    const whole = roundToNearestParameters(min, max, request);
    writeGrid(out, whole);
    let finite = whole.finite;
    for (let lane = 0; lane < 8; lane += 1) finite &&= Number.isFinite(min[lane]! + max[lane]!);
    if (!finite || request.gridSearch === 'min-max') return finite;
    const candidate = this.#machine.floats(this.#grid, GRID_FLOATS);
    const errors = this.#machine.floats(this.#errors, 8);
    const measure = () => {
      const { kernels } = this.#machine;
      kernels.gridErrors(this.#values, this.#importance, rows, this.#grid, this.#maxCode, this.#errors);
    };
    candidate.set(out);
    measure();
    const least = errors.slice();
    for (let step = 1; step <= SHRINK_STEPS; step += 1) {
      const factor = 1 - ((1 - LEAST_SHRINK) * step) / SHRINK_STEPS;
      const shrink = (value: number) => value * factor;
      writeGrid(candidate, roundToNearestParameters(min.map(shrink), max.map(shrink), request));
      measure();
      for (let lane = 0; lane < 8; lane += 1) {
        if (!(errors[lane]! < least[lane]!)) continue;
        least[lane] = errors[lane]!;
        for (const part of [0, 8, 16]) out[part + lane] = candidate[part + lane]!;
      }
    }
    return true;
  }
}

function extremes(values: Float32Array): { min: Float32Array; max: Float32Array } {
  const min = values.slice(0, 8);
  const max = values.slice(0, 8);
  for (let at = 8; at < values.length; at += 8)
    for (let lane = 0; lane < 8; lane += 1) {
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
