/**
 * GPTQ of some output columns at a time. Columns do not depend on one another, so a tile of 64 goes through all rows
 * while the factor streams by. See hessian-factor.ts for the recurrence and for why row i stands for position
 * size - 1 - i.
 */
import { codeOn, GRID_BYTES, GRID_FLOATS, valueOn } from './grid.ts';
import { chooserBytes, GridChooser, type GridRequest } from './group-grids.ts';
import type { HessianFactor } from './hessian-factor.ts';
import type { TriangleMachine } from './triangle-machine.ts';

const PANELS = 8;
export const TILE_COLUMNS = PANELS * 8;
/** Rows of a triangle that are done one by one; what lies right of it is a matrix product. */
const TRIANGLE = 32;

export interface TileScheme extends GridRequest {
  readonly blockSize: number;
  /** Feature at each position; absent: natural order, and each group's grid follows from the weights as they then are. */
  readonly order?: Int32Array | undefined;
}

/** Losses summed over a tile's columns; each is tr(E H E^T) of its error. */
export interface TileLosses {
  readonly gptq: number;
  readonly roundToNearest: number;
  /** Of the weights themselves as the error: what the output's energy is. */
  readonly energy: number;
}

export class GptqTile {
  readonly #machine: TriangleMachine;
  readonly #factor: HessianFactor;
  readonly #scheme: TileScheme;
  readonly #groups: number;
  /** Row of each feature. */
  readonly #rowOf: Int32Array;
  /** Byte addresses; panels' parts lie one after the other. */
  readonly #w: number;
  readonly #p: number;
  readonly #e: number;
  readonly #grids: number;
  readonly #gridOf: number;
  readonly #maxCode: number;
  readonly #loss: number;
  readonly #chooser: GridChooser;
  #panels = 0;

  /** @throws RangeError when there is not enough memory */
  constructor(machine: TriangleMachine, factor: HessianFactor, scheme: TileScheme) {
    this.#machine = machine;
    this.#factor = factor;
    this.#scheme = scheme;
    const { size, K } = factor;
    const { blockSize, order, bits } = scheme;
    this.#groups = Math.ceil(K / blockSize);
    const tileBytes = PANELS * size * 32;
    this.#w = Math.ceil(factor.end / 16) * 16;
    this.#p = this.#w + tileBytes;
    this.#e = this.#p + tileBytes;
    this.#grids = this.#e + tileBytes;
    this.#gridOf = this.#grids + PANELS * this.#groups * GRID_BYTES;
    this.#loss = this.#gridOf + 4 * size;
    this.#maxCode = this.#loss + PANELS * 32;
    const chooser = this.#maxCode + 16;
    machine.reserve(chooser + chooserBytes(blockSize));
    this.#chooser = new GridChooser(machine, chooser, blockSize, this.#maxCode);
    machine.floats(this.#maxCode, 1)[0] = 2 ** bits - 1;
    this.#rowOf = new Int32Array(K);
    const gridOf = machine.ints(this.#gridOf, size).fill((this.#groups - 1) * GRID_BYTES);
    for (let position = 0; position < K; position += 1) {
      const feature = order ? order[position]! : position;
      const row = size - 1 - position;
      this.#rowOf[feature] = row;
      gridOf[row] = Math.floor(feature / blockSize) * GRID_BYTES;
    }
  }

  /**
   * @param values [count, K], row after row the weights of up to 64 outputs
   * @returns false when a weight is not finite
   */
  load(values: Float32Array, count: number): boolean {
    const { size, K } = this.#factor;
    this.#panels = Math.ceil(count / 8);
    const weights = this.#machine.floats(this.#w, this.#panels * size * 8).fill(0);
    let poison = 0; // x * 0 is NaN exactly for NaN and the infinities.
    for (let column = 0; column < count; column += 1) {
      const base = (column >> 3) * size * 8 + (column & 7);
      for (let k = 0, from = column * K; k < K; k += 1, from += 1) {
        const value = values[from]!;
        poison += value * 0;
        weights[base + this.#rowOf[k]! * 8] = value;
      }
    }
    return poison === 0;
  }

  /** @returns false when a range is too wide for any scale */
  quantize(): boolean {
    const { size } = this.#factor;
    const { blockSize, order } = this.#scheme;
    const count = this.#panels * size * 8;
    const all = this.#machine.floats(this.#w, count);
    this.#machine.floats(this.#p, count).set(all);
    this.#machine.floats(this.#loss, this.#panels * 8).fill(0);
    if (order && !this.#gridsOfWeights(this.#scheme)) return false;
    const step = order ? TRIANGLE : blockSize;
    for (let end = size; end > 0; end -= step) {
      const start = Math.max(0, end - step);
      for (let panel = 0; panel < this.#panels; panel += 1) {
        this.#feedBack(panel, start, end, size);
        if (!order && !this.#gridOfPrediction(panel, start, end)) return false;
        this.#forTriangles(start, end, (from, to) => {
          this.#feedBack(panel, from, to, end);
          this.#quantizeRows(panel, from, to);
        });
      }
    }
    return true;
  }

  /** Rounds to nearest instead, on grids of the weights as they are. */
  roundToNearest(): boolean {
    if (!this.#gridsOfWeights({ ...this.#scheme, gridSearch: 'min-max' })) return false;
    this.#forEachWeight((code, at, codes) => {
      codes[at] = code;
    });
    return true;
  }

  /** Compares, after `quantize`; the codes and grids of `quantize` are lost. */
  losses(): TileLosses {
    const gptq = this.#lossSum();
    const energy = this.#lossOf((errors) => errors.set(this.#machine.floats(this.#w, errors.length)));
    this.#gridsOfWeights({ ...this.#scheme, gridSearch: 'min-max' });
    const weights = this.#machine.floats(this.#w, this.#panels * this.#factor.size * 8);
    const roundToNearest = this.#lossOf((errors) => {
      errors.fill(0);
      this.#forEachWeight((_, at, __, value) => {
        errors[at] = weights[at]! - value;
      });
    });
    return { gptq, roundToNearest, energy };
  }

  /**
   * Writes the codes of the first `count` columns, one a byte, in whole blocks: [count, groups * blockSize]. Padding
   * gets the zero point.
   * @param scales and zeroPoints: [count, groups]
   */
  read(count: number, codes: Uint8Array, scales: Float32Array, zeroPoints: Uint8Array): void {
    const { size, K } = this.#factor;
    const groups = this.#groups;
    const { blockSize } = this.#scheme;
    const all = this.#machine.floats(this.#p, this.#panels * size * 8);
    for (let column = 0; column < count; column += 1) {
      const lane = column & 7;
      const base = (column >> 3) * size * 8 + lane;
      const start = column * groups * blockSize;
      for (let k = 0; k < K; k += 1) codes[start + k] = all[base + this.#rowOf[k]! * 8]!;
      for (let group = 0; group < groups; group += 1) {
        const grid = this.#gridAt(column >> 3, group);
        scales[column * groups + group] = grid[lane]!;
        zeroPoints[column * groups + group] = grid[16 + lane]!;
      }
      codes.fill(zeroPoints[column * groups + groups - 1]!, start + K, start + groups * blockSize);
    }
  }

  #gridAt(panel: number, group: number): Float32Array {
    return this.#machine.floats(this.#grids + (panel * this.#groups + group) * GRID_BYTES, GRID_FLOATS);
  }

  /** P of rows start..end += L times the errors of rows `from`..`done`, where `from` is `end` at first. */
  #feedBack(panel: number, start: number, end: number, done: number): void {
    const { rows, rowBytes, size } = this.#factor;
    if (done === end) return;
    const at = panel * size * 32;
    this.#machine.kernels.multiplyAdd(
      rows + start * rowBytes + end * 4,
      rowBytes,
      this.#e + at + end * 32,
      this.#p + at + start * 32,
      end - start,
      (done - end) * 4,
    );
  }

  #quantizeRows(panel: number, start: number, end: number): void {
    const { rows, rowBytes, size, weights } = this.#factor;
    const at = panel * size * 32 + start * 32;
    this.#machine.kernels.quantizeRows(
      rows + start * rowBytes + start * 4,
      rowBytes,
      this.#w + at,
      this.#p + at,
      this.#e + at,
      end - start,
      this.#grids + panel * this.#groups * GRID_BYTES,
      this.#gridOf + start * 4,
      this.#maxCode,
      weights + start * 4,
      this.#loss + panel * 32,
    );
  }

  /** From the last rows to the first. */
  #forTriangles(start: number, end: number, visit: (from: number, to: number) => void): void {
    for (let to = end; to > start; to -= TRIANGLE) visit(Math.max(start, to - TRIANGLE), to);
  }

  /**
   * The grid of the group in rows start..end, from the values that the rows would take if none of them were rounded:
   * GPTQ's weights at the moment when it comes to the group.
   */
  #gridOfPrediction(panel: number, start: number, end: number): boolean {
    const { rows, rowBytes, size, K } = this.#factor;
    const at = panel * size * 32;
    const sums = this.#machine.floats(this.#p + at + start * 32, (end - start) * 8);
    const before = sums.slice();
    this.#forTriangles(start, end, (from, to) => {
      this.#feedBack(panel, from, to, end);
      this.#machine.kernels.predictRows(
        rows + from * rowBytes + from * 4,
        rowBytes,
        this.#w + at + from * 32,
        this.#p + at + from * 32,
        this.#e + at + from * 32,
        to - from,
      );
    });
    // Padding lies in the first rows of all.
    const padding = Math.max(0, size - K - start);
    const rowsInGroup = end - start - padding;
    const { values, importance } = this.#chooser.room();
    values.set(sums.subarray(padding * 8));
    importance.set(this.#machine.floats(this.#factor.weights + (start + padding) * 4, rowsInGroup));
    sums.set(before);
    const group = Math.floor((size - end) / this.#scheme.blockSize);
    return this.#chooser.choose(this.#scheme, rowsInGroup, this.#gridAt(panel, group));
  }

  /** Grids of all groups from the weights as they were, each feature as important as what its own inputs make it. */
  #gridsOfWeights(request: GridRequest): boolean {
    const { size, K, weights } = this.#factor;
    const { blockSize } = this.#scheme;
    const importances = this.#machine.floats(weights, size);
    const { values, importance } = this.#chooser.room();
    for (let panel = 0; panel < this.#panels; panel += 1) {
      const all = this.#machine.floats(this.#w + panel * size * 32, size * 8);
      for (let group = 0; group < this.#groups; group += 1) {
        const first = group * blockSize;
        const count = Math.min(blockSize, K - first);
        for (let k = 0; k < count; k += 1) {
          const row = this.#rowOf[first + k]!;
          importance[k] = importances[row]!;
          for (let lane = 0; lane < 8; lane += 1) values[k * 8 + lane] = all[row * 8 + lane]!;
        }
        if (!this.#chooser.choose(request, count, this.#gridAt(panel, group))) return false;
      }
    }
    return true;
  }

  #forEachWeight(visit: (code: number, at: number, codes: Float32Array, value: number) => void): void {
    const { size, K } = this.#factor;
    const { blockSize, bits } = this.#scheme;
    const maxCode = 2 ** bits - 1;
    const weights = this.#machine.floats(this.#w, this.#panels * size * 8);
    const codes = this.#machine.floats(this.#p, this.#panels * size * 8);
    for (let panel = 0; panel < this.#panels; panel += 1)
      for (let k = 0; k < K; k += 1) {
        const grid = this.#gridAt(panel, Math.floor(k / blockSize));
        const base = (panel * size + this.#rowOf[k]!) * 8;
        for (let lane = 0; lane < 8; lane += 1) {
          const code = codeOn(grid, lane, weights[base + lane]!, maxCode);
          visit(code, base + lane, codes, valueOn(grid, lane, code));
        }
      }
  }

  /** tr(E H E^T) for the errors that `fill` writes. */
  #lossOf(fill: (errors: Float32Array) => void): number {
    const { size, rows, rowBytes, weights } = this.#factor;
    const count = this.#panels * size * 8;
    const errors = this.#machine.floats(this.#e, count);
    fill(errors);
    this.#machine.floats(this.#p, count).set(errors);
    this.#machine.floats(this.#loss, this.#panels * 8).fill(0);
    for (let panel = 0; panel < this.#panels; panel += 1)
      this.#forTriangles(0, size, (from, to) => {
        this.#feedBack(panel, from, to, size);
        const at = panel * size * 32 + from * 32;
        this.#machine.kernels.addLoss(
          rows + from * rowBytes + from * 4,
          rowBytes,
          this.#w + at,
          this.#p + at,
          this.#e + at,
          to - from,
          weights + from * 4,
          this.#loss + panel * 32,
        );
      });
    return this.#lossSum();
  }

  #lossSum(): number {
    let sum = 0;
    for (const loss of this.#machine.floats(this.#loss, this.#panels * 8)) sum += loss;
    return sum;
  }
}
