/**
 * SIMD kernels of GPTQ's column loop: rounding the rows of a panel from the last to the first, and what it costs. Panels
 * as in triangle-kernels.ts.
 */
import { block, branchIf, type Code, countUp, type FunctionSource, get, i32, loop, set, v128 } from './assembler.ts';
import { PANEL_ROW_BYTES } from './triangle-kernels.ts';

/** The largest float32 below one half: adding it and taking the floor rounds halves up and nothing else. */
const JUST_BELOW_HALF = 0.49999997;

/** Runs the body while `counter` > 0, taking `step` off first. */
const countDown = (counter: number, step: number, ...body: Code[]): Code =>
  block(
    loop(
      branchIf(i32.isZero(get(counter)), 1),
      set(counter, i32.sub(get(counter), i32.const(step))),
      body,
      branchIf(i32.const(1), 0),
    ),
  );

/** Locals that the three functions below have in common. */
const back = { r: 0, rRowBytes: 1, w: 2, p: 3, e: 4, rows: 5 } as const;

/**
 * For rows from the last to the first: sum = P[i] + the sum over j > i of R[i, j] E[j], then `finish` with the sums in
 * locals `sum0`, `sum1` and the row's byte offset in a panel in `offset`.
 */
function backwards(
  name: string,
  extraParams: number,
  extraVectors: number,
  finish: (locals: {
    sums: readonly [number, number];
    offset: number;
    index: number;
    vectors: readonly number[];
  }) => Code,
): FunctionSource {
  const first = 6 + extraParams;
  const [index, offset, at, left, end] = [first, first + 1, first + 2, first + 3, first + 4];
  const [sum0, sum1, factor] = [first + 5, first + 6, first + 7];
  const vectors = Array.from({ length: extraVectors }, (_, i) => first + 8 + i);
  return {
    name,
    params: Array<'i32'>(6 + extraParams).fill('i32'),
    results: [],
    locals: [...Array<'i32'>(5).fill('i32'), ...Array<'v128'>(3 + extraVectors).fill('v128')],
    body: [
      set(index, get(back.rows)),
      set(offset, i32.mul(get(back.rows), i32.const(PANEL_ROW_BYTES))),
      set(end, i32.add(get(back.e), get(offset))),
      // One past the diagonal of the last row, which has nothing to its right.
      set(left, i32.add(get(back.r), i32.mul(get(back.rows), i32.add(get(back.rRowBytes), i32.const(4))))),
      countDown(
        index,
        1,
        set(offset, i32.sub(get(offset), i32.const(PANEL_ROW_BYTES))),
        set(left, i32.sub(get(left), i32.add(get(back.rRowBytes), i32.const(4)))),
        set(sum0, v128.load(i32.add(get(back.p), get(offset)))),
        set(sum1, v128.load(i32.add(get(back.p), get(offset)), 16)),
        set(at, i32.add(i32.add(get(back.e), get(offset)), i32.const(PANEL_ROW_BYTES))),
        set(back.rows, get(left)),
        block(
          loop(
            branchIf(i32.isZero(i32.lessUnsigned(get(at), get(end))), 1),
            set(factor, v128.loadSplat32(get(back.rows), 4)),
            set(sum0, v128.fAdd(get(sum0), v128.fMul(get(factor), v128.load(get(at))))),
            set(sum1, v128.fAdd(get(sum1), v128.fMul(get(factor), v128.load(get(at), 16)))),
            set(back.rows, i32.add(get(back.rows), i32.const(4))),
            set(at, i32.add(get(at), i32.const(PANEL_ROW_BYTES))),
            branchIf(i32.const(1), 0),
          ),
        ),
        finish({ sums: [sum0, sum1], offset, index, vectors }),
      ),
    ],
  };
}

const at = (base: number, offset: number) => i32.add(get(base), get(offset));

/**
 * predictRows(r, rRowBytes, w, p, e, rows): P becomes the sums of `backwards`, and E = W - P: what the rows would be
 * if none of them were rounded.
 */
function predictRows(): FunctionSource {
  return backwards('predictRows', 0, 0, ({ sums, offset }) =>
    sums.map((sum, half) => [
      v128.store(at(back.p, offset), get(sum), half * 16),
      v128.store(at(back.e, offset), v128.fSub(v128.load(at(back.w, offset), half * 16), get(sum)), half * 16),
    ]),
  );
}

/**
 * quantizeRows(r, rRowBytes, w, p, e, rows, grids, gridOf, maxCode, weights, loss): each row's sums are rounded to codes
 * q = clip(floor(sum * reciprocal + zero + 1/2), 0, maxCode), which replace P; E = W - (q - zero) * scale; and
 * weights[i] * (sum - (q - zero) * scale)^2 is added to the 8 floats at `loss`. `gridOf` holds for each row the byte
 * offset from `grids` of its grid: 8 scales, 8 reciprocals, 8 zero points. `maxCode` is the address of one float.
 */
function quantizeRows(): FunctionSource {
  const [grids, gridOf, maxCode, weights, loss] = [6, 7, 8, 9, 10];
  return backwards('quantizeRows', 5, 4, ({ sums, offset, index, vectors }) => {
    const [code, zero, value, difference] = vectors as [number, number, number, number];
    // `left` is no longer needed in this row, but the next row's; the grid's address goes through back.rows.
    const grid = back.rows;
    const rowOffset = i32.mul(get(index), i32.const(4));
    return [
      set(grid, i32.add(get(grids), i32.load(i32.add(get(gridOf), rowOffset)))),
      sums.map((sum, half) => {
        const lane = half * 16;
        const scaled = v128.fAdd(v128.fMul(get(sum), v128.load(get(grid), 32 + lane)), get(zero));
        const clipped = v128.fPseudoMin(v128.fPseudoMax(scaled, v128.splatFloat(0)), v128.loadSplat32(get(maxCode)));
        return [
          set(zero, v128.load(get(grid), 64 + lane)),
          set(code, v128.fFloor(v128.fAdd(clipped, v128.splatFloat(JUST_BELOW_HALF)))),
          set(value, v128.fMul(v128.fSub(get(code), get(zero)), v128.load(get(grid), lane))),
          v128.store(at(back.p, offset), get(code), lane),
          v128.store(at(back.e, offset), v128.fSub(v128.load(at(back.w, offset), lane), get(value)), lane),
          set(difference, v128.fSub(get(sum), get(value))),
          v128.store(
            get(loss),
            v128.fAdd(
              v128.load(get(loss), lane),
              v128.fMul(
                v128.fMul(get(difference), get(difference)),
                v128.loadSplat32(i32.add(get(weights), rowOffset)),
              ),
            ),
            lane,
          ),
        ];
      }),
    ];
  });
}

/** addLoss(r, rRowBytes, w, p, e, rows, weights, loss): weights[i] * sum^2 is added to the 8 floats at `loss`. */
function addLoss(): FunctionSource {
  const [weights, loss] = [6, 7];
  return backwards('addLoss', 2, 0, ({ sums, index }) =>
    sums.map((sum, half) =>
      v128.store(
        get(loss),
        v128.fAdd(
          v128.load(get(loss), half * 16),
          v128.fMul(
            v128.fMul(get(sum), get(sum)),
            v128.loadSplat32(i32.add(get(weights), i32.mul(get(index), i32.const(4)))),
          ),
        ),
        half * 16,
      ),
    ),
  );
}

/**
 * gridErrors(values, importance, rows, grid, maxCode, errors): what rounding the rows [rows, 8] to a grid costs in each
 * column, the sum of importance[i] * error^2. Grid and maxCode as in quantizeRows.
 */
function gridErrors(): FunctionSource {
  const [values, importance, rows, grid, maxCode, errors, row] = [0, 1, 2, 3, 4, 5, 6];
  const [weight, largest, value, code] = [7, 8, 9, 10];
  const half = (lane: 0 | 1) => {
    const [scale, reciprocal, zero, sum] = [0, 1, 2, 3].map((part) => 11 + 4 * lane + part) as [
      number,
      number,
      number,
      number,
    ];
    const load = (part: number) => v128.load(get(grid), part * PANEL_ROW_BYTES + lane * 16);
    const scaled = v128.fAdd(v128.fMul(get(value), get(reciprocal)), get(zero));
    const clipped = v128.fPseudoMin(v128.fPseudoMax(scaled, v128.splatFloat(0)), get(largest));
    return {
      begin: [set(scale, load(0)), set(reciprocal, load(1)), set(zero, load(2))],
      add: [
        set(value, v128.load(get(values), lane * 16)),
        set(code, v128.fFloor(v128.fAdd(clipped, v128.splatFloat(JUST_BELOW_HALF)))),
        set(value, v128.fSub(get(value), v128.fMul(v128.fSub(get(code), get(zero)), get(scale)))),
        set(sum, v128.fAdd(get(sum), v128.fMul(v128.fMul(get(value), get(value)), get(weight)))),
      ],
      end: v128.store(get(errors), get(sum), lane * 16),
    };
  };
  const halves = [half(0), half(1)];
  return {
    name: 'gridErrors',
    params: Array<'i32'>(6).fill('i32'),
    results: [],
    locals: ['i32', ...Array<'v128'>(12).fill('v128')],
    body: [
      set(largest, v128.loadSplat32(get(maxCode))),
      halves.map(({ begin }) => begin),
      countUp(
        row,
        get(rows),
        1,
        set(weight, v128.loadSplat32(get(importance))),
        halves.map(({ add }) => add),
        set(importance, i32.add(get(importance), i32.const(4))),
        set(values, i32.add(get(values), i32.const(PANEL_ROW_BYTES))),
      ),
      halves.map(({ end }) => end),
    ],
  };
}

export const roundingKernelFunctions: readonly FunctionSource[] = [
  predictRows(),
  quantizeRows(),
  addLoss(),
  gridErrors(),
];
