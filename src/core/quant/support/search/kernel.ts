/**
 * What the kernels of all searches have in common. A kernel walks over the blocks of a panel, four at a time, whose
 * ranges are known, and leaves reciprocals and zero points in their place, as the kernel that makes the codes wants them.
 */
import type { NBitsScheme } from '../nbits-parameters.ts';
import type { PanelShape } from '../panel.ts';
import {
  branchIf,
  type Code,
  countUp,
  type FunctionSource,
  get,
  i32,
  loop,
  set,
  type ValueKind,
  v128,
} from '../wasm/assembler.ts';
import { JUST_BELOW_HALF, LARGEST_FINITE_BITS } from '../wasm/block-kernels.ts';
import type { KernelChoice } from './types.ts';

/** name(source, rowBytes, rows, columnBytes, min, max, scales, table, tableEnd, scratch, maxCode, half, rowCount, extra). */
const parameters = {
  source: 'i32',
  rowBytes: 'i32',
  /** Of a block that are no padding. In `rows` order, the block size. */
  rows: 'i32',
  /** Four bytes for each block. */
  columnBytes: 'i32',
  /** Ranges when called, reciprocals and zero points afterwards. */
  minAt: 'i32',
  maxAt: 'i32',
  scaleAt: 'i32',
  /** Of the search's table; it has at least one entry. */
  table: 'i32',
  tableEnd: 'i32',
  /** Room for SCRATCH_BYTES. */
  scratch: 'i32',
  maxCode: 'f32',
  half: 'f32',
  rowCount: 'f32',
  extra: 'f32',
} as const satisfies Record<string, ValueKind>;

/** The values of four blocks side by side, and as many weights of theirs. */
export const SCRATCH_BYTES = 2 * 256 * 16;
const WEIGHTS_AT = 256 * 16;

/**
 * 1.5 * 2^23: a float32 that is near it is a whole number, so adding it rounds to the nearest one, ties to even. (The
 * codes in the end have ties rounded up, which is as near.)
 */
export const WHOLE = 12582912;

const locals = {
  column: 'i32',
  row: 'i32',
  at: 'i32',
  entry: 'i32',
  scratchEnd: 'i32',
  /** Splats of the parameters. */
  maxCodes: 'v128',
  halves: 'v128',
  counts: 'v128',
  extras: 'v128',
  /** WHOLE, and the largest code above it. */
  whole: 'v128',
  wholeTop: 'v128',
  /** WHOLE and the candidate's zero point. */
  wholeZero: 'v128',
  /** Ranges of the four blocks as they are, and what round to nearest makes of them. */
  low: 'v128',
  high: 'v128',
  /** The candidate. */
  scale: 'v128',
  reciprocal: 'v128',
  zeroPoint: 'v128',
  error: 'v128',
  bestScale: 'v128',
  bestReciprocal: 'v128',
  bestZeroPoint: 'v128',
  bestError: 'v128',
  /** The values at hand and their codes. */
  value: 'v128',
  code: 'v128',
  temporary: 'v128',
  mask: 'v128',
  largest: 'v128',
} as const satisfies Record<string, ValueKind>;

/** Index of each parameter and local by name. */
export type Variables<Own extends string = never> = Readonly<
  Record<keyof typeof parameters | keyof typeof locals | Own, number>
>;

export const zero = v128.splatFloat(0);
const int = (value: number) => v128.splatInt(value);
export const magnitudeBits = (value: Code) => v128.and(value, int(0x7fffffff));

/** Loops over the values of four blocks, one of each at a time, in `value`. */
export function forEachRow(v: Variables, ...body: Code[]): Code {
  return [
    set(v.at, get(v.scratch)),
    loop(
      set(v.value, v128.load(get(v.at))),
      body,
      set(v.at, i32.add(get(v.at), i32.const(16))),
      branchIf(i32.lessUnsigned(get(v.at), get(v.scratchEnd)), 0),
    ),
  ];
}

/** Within forEachRow, a place for one more number beside each value. */
export const storedWeight = (v: Variables) => v128.load(get(v.at), WEIGHTS_AT);
export const storeWeight = (v: Variables, weight: Code) => v128.store(get(v.at), weight, WEIGHTS_AT);

/** Copies the next four blocks to where all passes over them find them in the first-level cache. */
function fillScratch(v: Variables, order: PanelShape['order']): Code {
  if (order === 'columns')
    return [
      set(v.at, i32.add(get(v.source), get(v.column))),
      countUp(
        v.row,
        i32.sub(get(v.scratchEnd), get(v.scratch)),
        16,
        v128.store(i32.add(get(v.scratch), get(v.row)), v128.load(get(v.at))),
        set(v.at, i32.add(get(v.at), get(v.rowBytes))),
      ),
    ];
  const blockBytes = i32.mul(get(v.rows), i32.const(4));
  const [a, b, c, d] = [v.value, v.code, v.temporary, v.mask];
  const [ab, cd] = [v.scale, v.reciprocal];
  /** Two rows of the result from the same half of each of the four vectors. */
  const halves = (lanes: readonly number[], offset: number) => [
    set(ab, v128.shuffle32(get(a), get(b), lanes)),
    set(cd, v128.shuffle32(get(c), get(d), lanes)),
    v128.store(
      i32.add(get(v.scratch), i32.mul(get(v.row), i32.const(4))),
      v128.shuffle32(get(ab), get(cd), [0, 1, 4, 5]),
      offset,
    ),
    v128.store(
      i32.add(get(v.scratch), i32.mul(get(v.row), i32.const(4))),
      v128.shuffle32(get(ab), get(cd), [2, 3, 6, 7]),
      offset + 16,
    ),
  ];
  return countUp(
    v.row,
    blockBytes,
    16,
    // Four blocks of `rows` floats for every 16 bytes of `column`.
    set(v.at, i32.add(i32.add(get(v.source), get(v.row)), i32.mul(get(v.column), get(v.rows)))),
    [a, b, c, d].map((local, index) => [
      index === 0 ? [] : set(v.at, i32.add(get(v.at), blockBytes)),
      set(local, v128.load(get(v.at))),
    ]),
    halves([0, 4, 1, 5], 0),
    halves([2, 6, 3, 7], 32),
  );
}

/** Loops over the entries of the table, each of `floats` floats at `entry`. */
export function forEachEntry(v: Variables, floats: number, body: Code): Code {
  return [
    set(v.entry, get(v.table)),
    loop(
      body,
      set(v.entry, i32.add(get(v.entry), i32.const(4 * floats))),
      branchIf(i32.lessUnsigned(get(v.entry), get(v.tableEnd)), 0),
    ),
  ];
}

/** min(max(x, 0), largest code). */
export const clipped = (v: Variables, x: Code) => v128.fPseudoMin(v128.fPseudoMax(x, zero), get(v.maxCodes));

/** WHOLE + clip(round(x)), of a sum of which one term is WHOLE. */
export const clippedWhole = (v: Variables, sum: Code) =>
  v128.fPseudoMin(v128.fPseudoMax(sum, get(v.whole)), get(v.wholeTop));

/** Sets `scale` and `reciprocal`; a scale whose reciprocal overflows means a block of zeros. */
export function setScale(v: Variables, scale: Code, { scaleType }: NBitsScheme): Code {
  const usable = v128.iGreater(int(LARGEST_FINITE_BITS + 1), magnitudeBits(get(v.reciprocal)));
  const isZero = v128.iEqual(magnitudeBits(get(v.scale)), int(0));
  return [
    set(v.scale, scale),
    scaleType === 'float16' ? set(v.scale, roundedToHalf(v, v.scale)) : [],
    set(v.reciprocal, v128.fDiv(v128.splatFloat(1), get(v.scale))),
    set(v.mask, usable),
    set(v.reciprocal, v128.and(get(v.reciprocal), get(v.mask))),
    set(v.scale, v128.and(get(v.scale), v128.or(get(v.mask), isZero))),
  ];
}

/** The float16 nearest to a local, ties to even; infinite from 65520 on. Uses `temporary` and `mask`. */
export function roundedToHalf(v: Variables, local: number): Code {
  const bits = get(v.temporary);
  const odd = v128.and(v128.iShiftRight(bits, i32.const(13)), int(1));
  const normal = v128.and(v128.iAdd(v128.iAdd(bits, int(0xfff)), odd), int(~0x1fff));
  // Below 2^-14 a float16 counts units of 2^-24, and so does a float32 between 1/2 and 1.
  const subnormal = v128.fSub(v128.fAdd(bits, v128.splatFloat(0.5)), v128.splatFloat(0.5));
  return [
    set(v.temporary, magnitudeBits(get(local))),
    set(v.mask, v128.select(subnormal, normal, v128.iLess(bits, int(0x38800000)))),
    set(v.mask, v128.select(int(0x7f800000), get(v.mask), v128.iGreater(get(v.mask), int(0x477fe000)))),
    v128.or(get(v.mask), v128.and(get(local), int(-0x80000000))),
  ];
}

/** The value of largest magnitude, with its sign. */
export const longerSide = (low: Code, high: Code) =>
  v128.select(high, low, v128.fGreater(v128.fAbs(high), v128.fAbs(low)));

/**
 * Sets `scale`, `reciprocal` and `zeroPoint` as round to nearest has them for a range (of nbits-parameters.ts).
 * @param low for a symmetric scheme, the value of largest magnitude; else 0 or below
 * @param high 0 or above
 */
export function setNearest(v: Variables, low: Code, high: Code, scheme: NBitsScheme): Code {
  if (scheme.symmetric)
    return [setScale(v, v128.fDiv(v128.fNegate(low), get(v.halves)), scheme), set(v.zeroPoint, get(v.halves))];
  // 0 / 0 in a block of zeros is a NaN, which the mask takes away.
  const exact = v128.and(v128.fNegate(v128.fDiv(low, get(v.scale))), v128.fNotEqual(get(v.scale), zero));
  return [
    set(v.scale, v128.fDiv(v128.fSub(high, low), get(v.maxCodes))),
    set(v.zeroPoint, clipped(v, v128.fFloor(v128.fAdd(exact, v128.splatFloat(JUST_BELOW_HALF))))),
    setScale(v, get(v.scale), scheme),
  ];
}

/** The candidate becomes the best there is, whatever its error. */
export const takeCandidate = (v: Variables): Code => [
  set(v.bestScale, get(v.scale)),
  set(v.bestReciprocal, get(v.reciprocal)),
  set(v.bestZeroPoint, get(v.zeroPoint)),
  set(v.bestError, get(v.error)),
];

/** Lane by lane, where its error is smaller. */
export const takeIfBetter = (v: Variables): Code => [
  set(v.mask, v128.fLess(get(v.error), get(v.bestError))),
  set(v.bestScale, v128.select(get(v.scale), get(v.bestScale), get(v.mask))),
  set(v.bestReciprocal, v128.select(get(v.reciprocal), get(v.bestReciprocal), get(v.mask))),
  set(v.bestZeroPoint, v128.select(get(v.zeroPoint), get(v.bestZeroPoint), get(v.mask))),
  set(v.bestError, v128.select(get(v.error), get(v.bestError), get(v.mask))),
];

/** Sets `temporary` to the candidate's error at `value` and `code` to code - zero point; whole zero points only. */
export const setError = (v: Variables): Code => [
  set(
    v.code,
    v128.fSub(
      clippedWhole(v, v128.fAdd(v128.fMul(get(v.value), get(v.reciprocal)), get(v.wholeZero))),
      get(v.wholeZero),
    ),
  ),
  set(v.temporary, v128.fSub(v128.fMul(get(v.code), get(v.scale)), get(v.value))),
];

/** Before setError, whenever the zero point has changed. */
export const setWholeZero = (v: Variables): Code => set(v.wholeZero, v128.fAdd(get(v.zeroPoint), get(v.whole)));

/** Sets `error` to the candidate's sum of squared errors, each times its stored weight where so told. */
export function measureSquares(v: Variables, isWeighted = false): Code {
  const square = v128.fMul(get(v.temporary), get(v.temporary));
  return [
    set(v.error, zero),
    setWholeZero(v),
    forEachRow(
      v,
      setError(v),
      set(v.error, v128.fAdd(get(v.error), isWeighted ? v128.fMul(square, storedWeight(v)) : square)),
    ),
  ];
}

/**
 * The frame around a search: `body` is run for four blocks at a time, after their round-to-nearest parameters were made
 * the best ones (with an infinite error) and the candidate, and must improve on the best ones. `low` and `high` are the
 * range as it is. The kernel answers nonzero when a round-to-nearest scale is not finite.
 */
export function searchKernel<Own extends string = never>(
  name: string,
  { scheme, order }: KernelChoice,
  own: Readonly<Record<Own, ValueKind>>,
  body: (v: Variables<Own>) => Code,
): FunctionSource {
  const allLocals = { ...locals, ...own };
  const names = [...Object.keys(parameters), ...Object.keys(allLocals)];
  const v = Object.fromEntries(names.map((variable, index) => [variable, index])) as unknown as Variables<Own>;
  const [low, high] = scheme.symmetric
    ? [longerSide(get(v.low), get(v.high)), zero]
    : [v128.fPseudoMin(get(v.low), zero), v128.fPseudoMax(get(v.high), zero)];
  return {
    name,
    params: Object.values(parameters),
    results: ['i32'],
    locals: Object.values(allLocals),
    body: [
      set(v.maxCodes, v128.splat(get(v.maxCode))),
      set(v.halves, v128.splat(get(v.half))),
      set(v.counts, v128.splat(get(v.rowCount))),
      set(v.extras, v128.splat(get(v.extra))),
      set(v.whole, v128.splatFloat(WHOLE)),
      set(v.wholeTop, v128.fAdd(get(v.whole), get(v.maxCodes))),
      set(v.scratchEnd, i32.add(get(v.scratch), i32.mul(get(v.rows), i32.const(16)))),
      countUp(
        v.column,
        get(v.columnBytes),
        16,
        fillScratch(v, order),
        set(v.low, v128.load(i32.add(get(v.minAt), get(v.column)))),
        set(v.high, v128.load(i32.add(get(v.maxAt), get(v.column)))),
        setNearest(v, low, high, scheme),
        set(v.largest, v128.iMax(get(v.largest), magnitudeBits(get(v.scale)))),
        set(v.error, v128.splatFloat(Number.POSITIVE_INFINITY)),
        takeCandidate(v),
        body(v),
        v128.store(i32.add(get(v.minAt), get(v.column)), get(v.bestReciprocal)),
        v128.store(i32.add(get(v.maxAt), get(v.column)), get(v.bestZeroPoint)),
        v128.store(i32.add(get(v.scaleAt), get(v.column)), get(v.bestScale)),
      ),
      v128.iBitmask(v128.iGreater(get(v.largest), int(LARGEST_FINITE_BITS))),
    ],
  };
}
