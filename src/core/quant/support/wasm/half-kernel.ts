/**
 * float32 to float16 with onnxruntime's clamping (transformers/float16.py, 1.30): finite values beyond +-65504 become
 * +-65504, nonzero ones closer to zero than 5.96e-8 become +-2^-24; zeros, infinities and NaN stay what they are.
 */
import { type Code, countUp, type FunctionSource, get, i32, set, v128 } from './assembler.ts';

/** Bits of float32 values. */
const LARGEST_HALF = 0x477fe000; // 65504
const SMALLEST_NORMAL_HALF = 0x38800000; // 2^-14
const INFINITY_BITS = 0x7f800000;
/** 5.96e-8 as float32: what is below counts as clamped. */
export const SMALLEST_HALF_BITS = new Int32Array(new Float32Array([5.96e-8]).buffer)[0]!;

/** halvesOf(source, bytes, target, counts): bytes is a multiple of 32; adds to the two int32x4 counters at `counts`. */
export function halfKernel(): FunctionSource {
  const [source, bytes, target, counts, offset] = [0, 1, 2, 3, 4];
  const [bits, magnitude, small, normal, result, first, high, low, mask] = [5, 6, 7, 8, 9, 10, 11, 12, 13];
  const int = v128.splatInt;
  /** One vector of four results, as 32-bit lanes with the 16 bits of the half. */
  const convert = (at: Code): Code => [
    set(bits, v128.load(at)),
    set(magnitude, v128.and(get(bits), int(0x7fffffff))),
    // Too large, and finite.
    set(
      mask,
      v128.and(v128.iGreater(get(magnitude), int(LARGEST_HALF)), v128.iLess(get(magnitude), int(INFINITY_BITS))),
    ),
    set(high, v128.iSub(get(high), get(mask))),
    set(magnitude, v128.select(int(LARGEST_HALF), get(magnitude), get(mask))),
    // Too small, and not zero.
    set(mask, v128.and(v128.iLess(get(magnitude), int(SMALLEST_HALF_BITS)), v128.iGreater(get(magnitude), int(0)))),
    set(low, v128.iSub(get(low), get(mask))),
    set(magnitude, v128.select(int(SMALLEST_HALF_BITS), get(magnitude), get(mask))),
    // Below 2^-14 results count units of 2^-24: adding 0.5, whose last place that is, lets the hardware round.
    set(small, v128.iSub(v128.fAdd(get(magnitude), v128.splatFloat(0.5)), int(0x3f000000))),
    set(normal, v128.iSub(get(magnitude), int(0x38000000))),
    set(
      normal,
      v128.iShiftRight(
        v128.iAdd(v128.iAdd(get(normal), int(0xfff)), v128.and(v128.iShiftRight(get(normal), i32.const(13)), int(1))),
        i32.const(13),
      ),
    ),
    set(result, v128.select(get(small), get(normal), v128.iLess(get(magnitude), int(SMALLEST_NORMAL_HALF)))),
    set(result, v128.select(int(0x7c00), get(result), v128.iEqual(get(magnitude), int(INFINITY_BITS)))),
    set(result, v128.select(int(0x7e00), get(result), v128.iGreater(get(magnitude), int(INFINITY_BITS)))),
    v128.or(get(result), v128.and(v128.iShiftRight(get(bits), i32.const(16)), int(0x8000))),
  ];
  return {
    name: 'halvesOf',
    params: ['i32', 'i32', 'i32', 'i32'],
    results: [],
    locals: ['i32', 'v128', 'v128', 'v128', 'v128', 'v128', 'v128', 'v128', 'v128', 'v128'],
    body: [
      countUp(
        offset,
        get(bytes),
        32,
        set(first, convert(i32.add(get(source), get(offset)))),
        v128.store(
          get(target),
          v128.narrow16(get(first), convert(i32.add(get(source), i32.add(get(offset), i32.const(16))))),
        ),
        set(target, i32.add(get(target), i32.const(16))),
      ),
      v128.store(get(counts), get(high)),
      v128.store(get(counts), get(low), 16),
    ],
  };
}
