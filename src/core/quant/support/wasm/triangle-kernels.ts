/**
 * SIMD kernels of dense float32 linear algebra with triangular matrices: what Cholesky factorization and, with
 * rounding-kernels.ts, GPTQ's column loop are made of. Right-hand sides come in panels of 8 columns: row after row of 8
 * float32 (32 bytes), two vectors. Left-hand sides are row-major with a row length in bytes. All addresses are byte
 * addresses, 16-byte aligned for panels. Loops over an inner index are unrolled by 4.
 */
import { block, branchIf, countUp, type FunctionSource, get, i32, loop, set, v128 } from './assembler.ts';

/** Of one row of a panel. */
export const PANEL_ROW_BYTES = 32;

const four = [0, 1, 2, 3] as const;

/**
 * multiplyAdd(a, aRowBytes, b, c, rows, depthBytes): C += A B, with A [rows, depth], B [depth, 8] and C [rows, 8] panels.
 * `rows` is a multiple of 4, depthBytes (4 x depth) a positive multiple of 16.
 */
function multiplyAdd(): FunctionSource {
  const [a, aRowBytes, b, c, rows, depthBytes] = [0, 1, 2, 3, 4, 5];
  const [row, k, at] = [6, 7, 8];
  const rowOf = [9, 10, 11, 12];
  const [b0, b1, factor] = [13, 14, 15];
  const sums = four.map((r) => [16 + 2 * r, 17 + 2 * r] as const);
  return {
    name: 'multiplyAdd',
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: [...Array<'i32'>(7).fill('i32'), ...Array<'v128'>(11).fill('v128')],
    body: countUp(
      row,
      get(rows),
      4,
      set(rowOf[0]!, get(a)),
      [1, 2, 3].map((r) => set(rowOf[r]!, i32.add(get(rowOf[r - 1]!), get(aRowBytes)))),
      set(a, i32.add(get(rowOf[3]!), get(aRowBytes))),
      four.map((r) => [
        set(sums[r]![0], v128.load(get(c), r * PANEL_ROW_BYTES)),
        set(sums[r]![1], v128.load(get(c), r * PANEL_ROW_BYTES + 16)),
      ]),
      set(at, get(b)),
      countUp(
        k,
        get(depthBytes),
        16,
        four.map((step) => [
          set(b0, v128.load(get(at), step * PANEL_ROW_BYTES)),
          set(b1, v128.load(get(at), step * PANEL_ROW_BYTES + 16)),
          four.map((r) => [
            set(factor, v128.loadSplat32(get(rowOf[r]!), step * 4)),
            set(sums[r]![0], v128.fAdd(get(sums[r]![0]), v128.fMul(get(factor), get(b0)))),
            set(sums[r]![1], v128.fAdd(get(sums[r]![1]), v128.fMul(get(factor), get(b1)))),
          ]),
        ]),
        four.map((r) => set(rowOf[r]!, i32.add(get(rowOf[r]!), i32.const(16)))),
        set(at, i32.add(get(at), i32.const(4 * PANEL_ROW_BYTES))),
      ),
      four.map((r) => [
        v128.store(get(c), get(sums[r]![0]), r * PANEL_ROW_BYTES),
        v128.store(get(c), get(sums[r]![1]), r * PANEL_ROW_BYTES + 16),
      ]),
      set(c, i32.add(get(c), i32.const(4 * PANEL_ROW_BYTES))),
    ),
  };
}

/**
 * subtractGram(a, b, panels, c, cRowBytes, depth): four rows of C -= A^T B for `panels` panels side by side. `a` is the
 * address of four neighbouring columns in a panel [depth, 8]; B's panels [depth, 8] lie one after the other; C is
 * row-major. depth is a positive multiple of 4.
 */
function subtractGram(): FunctionSource {
  const [a, b, panels, c, cRowBytes, depth] = [0, 1, 2, 3, 4, 5];
  const [panel, k, at] = [6, 7, 8];
  const rowOf = [9, 10, 11, 12];
  const [b0, b1, factor] = [13, 14, 15];
  const sums = four.map((r) => [16 + 2 * r, 17 + 2 * r] as const);
  return {
    name: 'subtractGram',
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: [...Array<'i32'>(7).fill('i32'), ...Array<'v128'>(11).fill('v128')],
    body: [
      set(rowOf[0]!, get(c)),
      [1, 2, 3].map((r) => set(rowOf[r]!, i32.add(get(rowOf[r - 1]!), get(cRowBytes)))),
      countUp(
        panel,
        get(panels),
        1,
        four.map((r) => [set(sums[r]![0], v128.load(get(rowOf[r]!))), set(sums[r]![1], v128.load(get(rowOf[r]!), 16))]),
        set(at, get(a)),
        countUp(
          k,
          get(depth),
          4,
          four.map((step) => [
            set(b0, v128.load(get(b), step * PANEL_ROW_BYTES)),
            set(b1, v128.load(get(b), step * PANEL_ROW_BYTES + 16)),
            four.map((r) => [
              set(factor, v128.loadSplat32(get(at), step * PANEL_ROW_BYTES + r * 4)),
              set(sums[r]![0], v128.fSub(get(sums[r]![0]), v128.fMul(get(factor), get(b0)))),
              set(sums[r]![1], v128.fSub(get(sums[r]![1]), v128.fMul(get(factor), get(b1)))),
            ]),
          ]),
          set(at, i32.add(get(at), i32.const(4 * PANEL_ROW_BYTES))),
          set(b, i32.add(get(b), i32.const(4 * PANEL_ROW_BYTES))),
        ),
        four.map((r) => [
          v128.store(get(rowOf[r]!), get(sums[r]![0])),
          v128.store(get(rowOf[r]!), get(sums[r]![1]), 16),
          set(rowOf[r]!, i32.add(get(rowOf[r]!), i32.const(PANEL_ROW_BYTES))),
        ]),
      ),
    ],
  };
}

/**
 * solvePanels(t, tRowBytes, inverses, panel, panels, rows): X = T^-1 P in place, T lower triangular [rows, rows] with
 * the reciprocals of its diagonal in `inverses`; `panels` panels [rows, 8] one after the other.
 */
function solvePanels(): FunctionSource {
  const [t, tRowBytes, inverses, panel, panels, rows] = [0, 1, 2, 3, 4, 5];
  const [index, i, j, left, coefficient, row, inverse] = [6, 7, 8, 9, 10, 11, 12];
  const [sum0, sum1, factor] = [13, 14, 15];
  return {
    name: 'solvePanels',
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: [...Array<'i32'>(7).fill('i32'), 'v128', 'v128', 'v128'],
    body: countUp(
      index,
      get(panels),
      1,
      set(row, get(panel)),
      set(inverse, get(inverses)),
      set(left, get(t)),
      countUp(
        i,
        get(rows),
        1,
        set(sum0, v128.load(get(row))),
        set(sum1, v128.load(get(row), 16)),
        set(coefficient, get(left)),
        set(j, get(panel)),
        block(
          loop(
            branchIf(i32.isZero(i32.lessUnsigned(get(j), get(row))), 1),
            set(factor, v128.loadSplat32(get(coefficient))),
            set(sum0, v128.fSub(get(sum0), v128.fMul(get(factor), v128.load(get(j))))),
            set(sum1, v128.fSub(get(sum1), v128.fMul(get(factor), v128.load(get(j), 16)))),
            set(coefficient, i32.add(get(coefficient), i32.const(4))),
            set(j, i32.add(get(j), i32.const(PANEL_ROW_BYTES))),
            branchIf(i32.const(1), 0),
          ),
        ),
        set(factor, v128.loadSplat32(get(inverse))),
        v128.store(get(row), v128.fMul(get(sum0), get(factor))),
        v128.store(get(row), v128.fMul(get(sum1), get(factor)), 16),
        set(inverse, i32.add(get(inverse), i32.const(4))),
        set(left, i32.add(get(left), get(tRowBytes))),
        set(row, i32.add(get(row), i32.const(PANEL_ROW_BYTES))),
      ),
      set(panel, get(row)),
    ),
  };
}

export const triangleKernelFunctions: readonly FunctionSource[] = [multiplyAdd(), subtractGram(), solvePanels()];
