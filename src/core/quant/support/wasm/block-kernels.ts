/**
 * SIMD kernels of blockwise quantization. A panel is a piece of a weight matrix in one of two orders: `columns`, where
 * a block runs down a column of row-major [K, N] data (MatMul's weight as stored), and `rows`, where it runs along a
 * row (the weight of Gemm with transB). Codes are q = clip(floor(x * reciprocal + zeroPoint + 1/2), 0, maxCode), every
 * operation in float32, which is what onnxruntime's MLAS does; codes are packed low bits first,
 * those of 3 bits in fields of 4.
 */
import { fieldBits, type WeightBits, weightBits } from '../weight-bits.ts';
import { type Code, countUp, type FunctionSource, get, i32, set, v128 } from './assembler.ts';

export const LARGEST_FINITE_BITS = 0x7f7fffff;
/** The largest float32 below one half: adding it and taking the floor rounds halves up and nothing else. */
export const JUST_BELOW_HALF = 0.49999997;
/** 2^23: a float32 in [2^23, 2^24) has its integer value in the low mantissa bits. */
const INTEGER_BIAS = 8388608;

/** Pushes the integer code of the float vector on the stack. */
const codeOf = (value: Code, reciprocal: Code, zeroPoint: Code, bits: WeightBits): Code => {
  const maxCode = 2 ** bits - 1;
  const scaled = v128.fAdd(v128.fMul(value, reciprocal), zeroPoint);
  const clipped = v128.fPseudoMin(v128.fPseudoMax(scaled, v128.splatFloat(0)), v128.splatFloat(maxCode));
  const rounded = v128.fFloor(v128.fAdd(clipped, v128.splatFloat(JUST_BELOW_HALF)));
  return v128.and(v128.fAdd(rounded, v128.splatFloat(INTEGER_BIAS)), v128.splatInt(maxCode));
};

const magnitudeBits = (value: Code) => v128.and(value, v128.splatInt(0x7fffffff));
const anyNotFinite = (largest: Code) => v128.iBitmask(v128.iGreater(largest, v128.splatInt(LARGEST_FINITE_BITS)));

/**
 * rangesOfColumns(source, rowBytes, rows, columnBytes, min, max): minimum and maximum of each column of `rows` rows;
 * columnBytes is a multiple of 16. Returns nonzero when a NaN or infinity is among the values.
 */
function rangesOfColumns(): FunctionSource {
  const [source, rowBytes, rows, columnBytes, minOut, maxOut, column, row, at] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const [value, low, high, largest] = [9, 10, 11, 12];
  return {
    name: 'rangesOfColumns',
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: ['i32'],
    locals: ['i32', 'i32', 'i32', 'v128', 'v128', 'v128', 'v128'],
    body: [
      countUp(
        column,
        get(columnBytes),
        16,
        set(at, i32.add(get(source), get(column))),
        set(low, v128.load(get(at))),
        set(high, get(low)),
        countUp(
          row,
          get(rows),
          1,
          set(value, v128.load(get(at))),
          set(low, v128.fPseudoMin(get(low), get(value))),
          set(high, v128.fPseudoMax(get(high), get(value))),
          set(largest, v128.iMax(get(largest), magnitudeBits(get(value)))),
          set(at, i32.add(get(at), get(rowBytes))),
        ),
        v128.store(i32.add(get(minOut), get(column)), get(low)),
        v128.store(i32.add(get(maxOut), get(column)), get(high)),
      ),
      anyNotFinite(get(largest)),
    ],
  };
}

/**
 * quantizeColumns<bits>(source, rowBytes, wordsPerBlock, columnBytes, reciprocals, zeroPoints, packed, blobBytes):
 * codes of one block row, packed as [column][blob].
 */
function quantizeColumns(bits: WeightBits): FunctionSource {
  const [source, rowBytes, words, columnBytes, reciprocals, zeroPoints, packed, blobBytes] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [column, word, at, out, lane] = [8, 9, 10, 11, 12];
  const [reciprocal, zeroPoint, codes] = [13, 14, 15];
  const field = fieldBits(bits);
  const rowsPerWord = Array.from({ length: 32 / field }, (_, index) => index);
  return {
    name: `quantizeColumns${bits}`,
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: ['i32', 'i32', 'i32', 'i32', 'i32', 'v128', 'v128', 'v128'],
    body: countUp(
      column,
      get(columnBytes),
      16,
      set(reciprocal, v128.load(i32.add(get(reciprocals), get(column)))),
      set(zeroPoint, v128.load(i32.add(get(zeroPoints), get(column)))),
      set(at, i32.add(get(source), get(column))),
      set(out, get(packed)),
      countUp(
        word,
        get(words),
        1,
        rowsPerWord.map((index) => {
          const code = codeOf(v128.load(get(at)), get(reciprocal), get(zeroPoint), bits);
          const shifted = v128.iShiftLeft(code, i32.const(index * field));
          return [
            set(codes, index === 0 ? code : v128.or(get(codes), shifted)),
            set(at, i32.add(get(at), get(rowBytes))),
          ];
        }),
        v128.store32Lane(get(out), get(codes), 0),
        set(lane, i32.add(get(out), get(blobBytes))),
        v128.store32Lane(get(lane), get(codes), 1),
        set(lane, i32.add(get(lane), get(blobBytes))),
        v128.store32Lane(get(lane), get(codes), 2),
        set(lane, i32.add(get(lane), get(blobBytes))),
        v128.store32Lane(get(lane), get(codes), 3),
        set(out, i32.add(get(out), i32.const(4))),
      ),
      set(packed, i32.add(get(packed), i32.mul(get(blobBytes), i32.const(4)))),
    ),
  };
}

/** rangesOfRows(source, blocks, blockBytes, min, max): of consecutive blocks. Returns as rangesOfColumns. */
function rangesOfRows(): FunctionSource {
  const [source, blocks, blockBytes, minOut, maxOut, index, offset] = [0, 1, 2, 3, 4, 5, 6];
  const [value, low, high, largest] = [7, 8, 9, 10];
  const halves = (vector: Code) => v128.shuffle32(vector, vector, [2, 3, 0, 1]);
  const neighbours = (vector: Code) => v128.shuffle32(vector, vector, [1, 0, 3, 2]);
  return {
    name: 'rangesOfRows',
    params: ['i32', 'i32', 'i32', 'i32', 'i32'],
    results: ['i32'],
    locals: ['i32', 'i32', 'v128', 'v128', 'v128', 'v128'],
    body: [
      countUp(
        index,
        get(blocks),
        1,
        set(low, v128.load(get(source))),
        set(high, get(low)),
        countUp(
          offset,
          get(blockBytes),
          16,
          set(value, v128.load(i32.add(get(source), get(offset)))),
          set(low, v128.fPseudoMin(get(low), get(value))),
          set(high, v128.fPseudoMax(get(high), get(value))),
          set(largest, v128.iMax(get(largest), magnitudeBits(get(value)))),
        ),
        set(low, v128.fPseudoMin(get(low), halves(get(low)))),
        set(high, v128.fPseudoMax(get(high), halves(get(high)))),
        v128.store32Lane(get(minOut), v128.fPseudoMin(get(low), neighbours(get(low))), 0),
        v128.store32Lane(get(maxOut), v128.fPseudoMax(get(high), neighbours(get(high))), 0),
        set(source, i32.add(get(source), get(blockBytes))),
        set(minOut, i32.add(get(minOut), i32.const(4))),
        set(maxOut, i32.add(get(maxOut), i32.const(4))),
      ),
      anyNotFinite(get(largest)),
    ],
  };
}

/** quantizeRows<bits>(source, blocks, wordsPerBlock, reciprocals, zeroPoints, packed): consecutive blocks, blobs likewise. */
function quantizeRows(bits: WeightBits): FunctionSource {
  const [source, blocks, words, reciprocals, zeroPoints, packed, index, word] = [0, 1, 2, 3, 4, 5, 6, 7];
  const [reciprocal, zeroPoint, codes] = [8, 9, 10];
  const field = fieldBits(bits);
  const vectors = Array.from({ length: 8 / field }, (_, vector) => vector);
  return {
    name: `quantizeRows${bits}`,
    params: ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: ['i32', 'i32', 'v128', 'v128', 'v128'],
    body: countUp(
      index,
      get(blocks),
      1,
      set(reciprocal, v128.loadSplat32(get(reciprocals))),
      set(zeroPoint, v128.loadSplat32(get(zeroPoints))),
      countUp(
        word,
        get(words),
        1,
        vectors.map((vector) => {
          const code = codeOf(v128.load(get(source), vector * 16), get(reciprocal), get(zeroPoint), bits);
          return set(
            codes,
            vector === 0 ? code : v128.or(get(codes), v128.iShiftLeft(code, i32.const(vector * field * 4))),
          );
        }),
        set(codes, v128.iMul(get(codes), v128.ints([0, 1, 2, 3].map((lane) => 2 ** (lane * field))))),
        set(codes, v128.or(get(codes), v128.shuffle32(get(codes), get(codes), [2, 3, 0, 1]))),
        v128.store32Lane(get(packed), v128.or(get(codes), v128.shuffle32(get(codes), get(codes), [1, 0, 3, 2])), 0),
        set(source, i32.add(get(source), i32.const(vectors.length * 16))),
        set(packed, i32.add(get(packed), i32.const(4))),
      ),
      set(reciprocals, i32.add(get(reciprocals), i32.const(4))),
      set(zeroPoints, i32.add(get(zeroPoints), i32.const(4))),
    ),
  };
}

/**
 * symmetricParameters<bits> and asymmetricParameters<bits>(bytes, minToReciprocal, maxToZeroPoint, scales): the formulas
 * of nbits-parameters.ts for float32 scales, four blocks at a time; reciprocals and zero points take the place of the
 * ranges. Returns nonzero when a scale is not finite.
 */
function roundToNearestParameters(bits: WeightBits, symmetric: boolean): FunctionSource {
  const [bytes, minAt, maxAt, scales, offset] = [0, 1, 2, 3, 4];
  const [low, high, scale, reciprocal, usable, largest] = [5, 6, 7, 8, 9, 10];
  const zero = v128.splatFloat(0);
  const half = 2 ** (bits - 1);
  const maxCode = 2 ** bits - 1;
  const longerSide = v128.select(get(high), get(low), v128.fGreater(v128.fAbs(get(high)), v128.fAbs(get(low))));
  const widened = [
    set(low, v128.fPseudoMin(get(low), zero)),
    set(high, v128.fPseudoMax(get(high), zero)),
    set(scale, v128.fDiv(v128.fSub(get(high), get(low)), v128.splatFloat(maxCode))),
  ];
  // 0 / 0 in a block of zeros is a NaN, which the mask takes away.
  const exact = v128.and(v128.fNegate(v128.fDiv(get(low), get(scale))), v128.fNotEqual(get(scale), zero));
  const rounded = v128.fFloor(v128.fAdd(exact, v128.splatFloat(JUST_BELOW_HALF)));
  const zeroPoint = symmetric
    ? v128.splatFloat(half)
    : v128.fPseudoMin(v128.fPseudoMax(rounded, zero), v128.splatFloat(maxCode));
  return {
    name: `${symmetric ? 'symmetric' : 'asymmetric'}Parameters${bits}`,
    params: ['i32', 'i32', 'i32', 'i32'],
    results: ['i32'],
    locals: ['i32', 'v128', 'v128', 'v128', 'v128', 'v128', 'v128'],
    body: [
      countUp(
        offset,
        get(bytes),
        16,
        set(low, v128.load(i32.add(get(minAt), get(offset)))),
        set(high, v128.load(i32.add(get(maxAt), get(offset)))),
        symmetric ? set(scale, v128.fDiv(v128.fNegate(longerSide), v128.splatFloat(half))) : widened,
        set(reciprocal, v128.fDiv(v128.splatFloat(1), get(scale))),
        // Neither 1 / 0 nor the overflowing reciprocal of a subnormal scale is of use: such a block is all zeros.
        set(usable, v128.iGreater(v128.splatInt(LARGEST_FINITE_BITS + 1), magnitudeBits(get(reciprocal)))),
        v128.store(i32.add(get(maxAt), get(offset)), zeroPoint),
        v128.store(i32.add(get(minAt), get(offset)), v128.and(get(reciprocal), get(usable))),
        set(largest, v128.iMax(get(largest), magnitudeBits(get(scale)))),
        v128.store(
          i32.add(get(scales), get(offset)),
          v128.and(get(scale), v128.or(get(usable), zeroScale(get(scale)))),
        ),
      ),
      anyNotFinite(get(largest)),
    ],
  };
}

/** Mask of the lanes that are +0 or -0: their scale is kept as it is, sign included. */
const zeroScale = (scale: Code) => v128.iEqual(magnitudeBits(scale), v128.splatInt(0));

export const blockKernelFunctions: readonly FunctionSource[] = [
  rangesOfColumns(),
  rangesOfRows(),
  ...weightBits.map(quantizeColumns),
  ...weightBits.map(quantizeRows),
  ...weightBits.map((bits) => roundToNearestParameters(bits, true)),
  ...weightBits.map((bits) => roundToNearestParameters(bits, false)),
];
