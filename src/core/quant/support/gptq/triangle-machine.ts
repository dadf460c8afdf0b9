/**
 * Runs the kernels of wasm/triangle-kernels.ts and wasm/rounding-kernels.ts over one memory, or the same functions in
 * plain TypeScript where there is no WebAssembly: the plain form is also what tests compare with. Addresses are in bytes.
 */
import { assemble } from '../wasm/assembler.ts';
import { roundingKernelFunctions } from '../wasm/rounding-kernels.ts';
import { triangleKernelFunctions } from '../wasm/triangle-kernels.ts';
import { codeOn, GRID_FLOATS, valueOn } from './grid.ts';

/** See wasm/triangle-kernels.ts and wasm/rounding-kernels.ts for what each does. */
export interface TriangleKernels {
  multiplyAdd(a: number, aRowBytes: number, b: number, c: number, rows: number, depthBytes: number): void;
  subtractGram(a: number, b: number, panels: number, c: number, cRowBytes: number, depth: number): void;
  solvePanels(t: number, tRowBytes: number, inverses: number, panel: number, panels: number, rows: number): void;
  predictRows(r: number, rRowBytes: number, w: number, p: number, e: number, rows: number): void;
  quantizeRows(
    r: number,
    rRowBytes: number,
    w: number,
    p: number,
    e: number,
    rows: number,
    grids: number,
    gridOf: number,
    maxCode: number,
    weights: number,
    loss: number,
  ): void;
  addLoss(
    r: number,
    rRowBytes: number,
    w: number,
    p: number,
    e: number,
    rows: number,
    weights: number,
    loss: number,
  ): void;
  gridErrors(values: number, importance: number, rows: number, grid: number, maxCode: number, errors: number): void;
}

export interface TriangleMachine {
  readonly kernels: TriangleKernels;
  /**
   * Makes the memory at least this large; views of it are void afterwards.
   * @throws RangeError when there is no more
   */
  reserve(bytes: number): void;
  floats(address: number, count: number): Float32Array<ArrayBuffer>;
  ints(address: number, count: number): Int32Array<ArrayBuffer>;
}

const PAGE_BYTES = 1 << 16;
/** 32-bit addresses. */
export const MAX_MACHINE_BYTES = 2 ** 32 - PAGE_BYTES;

let compiled: WebAssembly.Module | undefined;

class WasmMachine implements TriangleMachine {
  readonly kernels: TriangleKernels;
  readonly #memory = new WebAssembly.Memory({ initial: 1 });

  constructor() {
    compiled ??= new WebAssembly.Module(assemble([...triangleKernelFunctions, ...roundingKernelFunctions]));
    const instance = new WebAssembly.Instance(compiled, { host: { memory: this.#memory } });
    this.kernels = instance.exports as unknown as TriangleKernels;
  }

  reserve(bytes: number): void {
    const missing = bytes - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
  }

  floats(address: number, count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, address, count);
  }

  ints(address: number, count: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#memory.buffer, address, count);
  }
}

export class PlainMachine implements TriangleMachine {
  readonly kernels: TriangleKernels = new PlainKernels(this);
  #buffer = new ArrayBuffer(0);

  reserve(bytes: number): void {
    if (bytes <= this.#buffer.byteLength) return;
    const larger = new Uint8Array(bytes);
    larger.set(new Uint8Array(this.#buffer));
    this.#buffer = larger.buffer;
  }

  floats(address: number, count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#buffer, address, count);
  }

  ints(address: number, count: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#buffer, address, count);
  }
}

export function createTriangleMachine(): TriangleMachine {
  try {
    return new WasmMachine();
  } catch {
    return new PlainMachine();
  }
}

/** Sums in float64, stored as float32: the reference, up to rounding. */
class PlainKernels implements TriangleKernels {
  readonly #machine: TriangleMachine;

  constructor(machine: TriangleMachine) {
    this.#machine = machine;
  }

  multiplyAdd(a: number, aRowBytes: number, b: number, c: number, rows: number, depthBytes: number): void {
    const depth = depthBytes / 4;
    const right = this.#machine.floats(b, depth * 8);
    const out = this.#machine.floats(c, rows * 8);
    for (let row = 0; row < rows; row += 1) {
      const left = this.#machine.floats(a + row * aRowBytes, depth);
      for (let column = 0; column < 8; column += 1) {
        let sum = out[row * 8 + column]!;
        for (let k = 0; k < depth; k += 1) sum += left[k]! * right[k * 8 + column]!;
        out[row * 8 + column] = sum;
      }
    }
  }

  subtractGram(a: number, b: number, panels: number, c: number, cRowBytes: number, depth: number): void {
    const left = this.#machine.floats(a, (depth - 1) * 8 + 4);
    for (let row = 0; row < 4; row += 1) {
      const out = this.#machine.floats(c + row * cRowBytes, panels * 8);
      for (let column = 0; column < panels * 8; column += 1) {
        const right = this.#machine.floats(b + (column >> 3) * depth * 32, depth * 8);
        let sum = out[column]!;
        for (let k = 0; k < depth; k += 1) sum -= left[k * 8 + row]! * right[k * 8 + (column & 7)]!;
        out[column] = sum;
      }
    }
  }

  solvePanels(t: number, tRowBytes: number, inverses: number, panel: number, panels: number, rows: number): void {
    const inverse = this.#machine.floats(inverses, rows);
    for (let p = 0; p < panels; p += 1) {
      const values = this.#machine.floats(panel + p * rows * 32, rows * 8);
      for (let i = 0; i < rows; i += 1) {
        const left = this.#machine.floats(t + i * tRowBytes, rows);
        for (let column = 0; column < 8; column += 1) {
          let sum = values[i * 8 + column]!;
          for (let j = 0; j < i; j += 1) sum -= left[j]! * values[j * 8 + column]!;
          values[i * 8 + column] = sum * inverse[i]!;
        }
      }
    }
  }

  predictRows(r: number, rRowBytes: number, w: number, p: number, e: number, rows: number): void {
    const weight = this.#machine.floats(w, rows * 8);
    const error = this.#machine.floats(e, rows * 8);
    this.#backwards(r, rRowBytes, p, e, rows, (_, at, sum, sums) => {
      sums[at] = sum;
      error[at] = weight[at]! - sum;
    });
  }

  quantizeRows(
    r: number,
    rRowBytes: number,
    w: number,
    p: number,
    e: number,
    rows: number,
    grids: number,
    gridOf: number,
    maxCode: number,
    weights: number,
    loss: number,
  ): void {
    const weight = this.#machine.floats(w, rows * 8);
    const error = this.#machine.floats(e, rows * 8);
    const offsets = this.#machine.ints(gridOf, rows);
    const importance = this.#machine.floats(weights, rows);
    const losses = this.#machine.floats(loss, 8);
    const largest = this.#machine.floats(maxCode, 1)[0]!;
    this.#backwards(r, rRowBytes, p, e, rows, (i, at, sum, sums) => {
      const grid = this.#machine.floats(grids + offsets[i]!, GRID_FLOATS);
      const column = at & 7;
      const code = codeOn(grid, column, sum, largest);
      const value = valueOn(grid, column, code);
      sums[at] = code;
      error[at] = weight[at]! - value;
      losses[column]! += importance[i]! * (sum - value) ** 2;
    });
  }

  addLoss(
    r: number,
    rRowBytes: number,
    _w: number,
    p: number,
    e: number,
    rows: number,
    weights: number,
    loss: number,
  ): void {
    const importance = this.#machine.floats(weights, rows);
    const losses = this.#machine.floats(loss, 8);
    this.#backwards(r, rRowBytes, p, e, rows, (i, at, sum) => {
      losses[at & 7]! += importance[i]! * sum ** 2;
    });
  }

  gridErrors(values: number, importance: number, rows: number, grid: number, maxCode: number, errors: number): void {
    const numbers = this.#machine.floats(values, rows * 8);
    const weights = this.#machine.floats(importance, rows);
    const parameters = this.#machine.floats(grid, GRID_FLOATS);
    const largest = this.#machine.floats(maxCode, 1)[0]!;
    const sums = this.#machine.floats(errors, 8).fill(0);
    for (let at = 0; at < numbers.length; at += 1) {
      const lane = at & 7;
      const value = numbers[at]!;
      const difference = value - valueOn(parameters, lane, codeOn(parameters, lane, value, largest));
      sums[lane]! += weights[at >> 3]! * difference ** 2;
    }
  }

  #backwards(
    r: number,
    rRowBytes: number,
    p: number,
    e: number,
    rows: number,
    finish: (row: number, at: number, sum: number, sums: Float32Array) => void,
  ): void {
    const sums = this.#machine.floats(p, rows * 8);
    const error = this.#machine.floats(e, rows * 8);
    for (let i = rows - 1; i >= 0; i -= 1) {
      const left = this.#machine.floats(r + i * rRowBytes, rows);
      for (let column = 0; column < 8; column += 1) {
        let sum = sums[i * 8 + column]!;
        for (let j = i + 1; j < rows; j += 1) sum += left[j]! * error[j * 8 + column]!;
        finish(i, i * 8 + column, Math.fround(sum), sums);
      }
    }
  }
}
