/**
 * k-quant search in the manner of llama.cpp's make_qkx2_quants: squared errors weighted by sigma + |x|, sigma the root
 * mean square of the block; for each of some steps around the one that fits the range, codes, then the scale and minimum
 * that fit those codes best by weighted least squares. Here the minimum must be a whole number of steps below 0, since
 * MatMulNBits' zero points are codes, so that whole number is chosen inside the search (the better of the two neighbours
 * of the exact one, each with its own best scale) and not rounded at the end.
 */

import type { NBitsScheme } from '../nbits-parameters.ts';
import { type Code, get, set, v128 } from '../wasm/assembler.ts';
import {
  clipped,
  forEachEntry,
  forEachRow,
  measureSquares,
  nearestCode,
  searchKernel,
  setScale,
  takeCandidate,
  takeIfBetter,
  type Variables,
  zero,
} from './kernel.ts';
import { Best, clip, codesOf, nearestCode as plainCode, rangeOf, squares, withScale } from './plain.ts';
import type { BlockParameters, BlockSearch, PlainBlock } from './types.ts';

const f = Math.fround;

/** llama.cpp's call for 4 bits (rmin, rdelta, nstep): steps around the largest code. */
const offsets = Array.from({ length: 21 }, (_, i) => -1 + 0.1 * i);

export function kQuantSearch(scheme: NBitsScheme): BlockSearch {
  const { maxCode, half } = codesOf(scheme);
  // Symmetric: factors of the reciprocal of the round-to-nearest scale; else of the reciprocal of the range.
  const table = Float32Array.from(offsets, (offset) => (scheme.symmetric ? (half + offset) / half : maxCode + offset));
  return {
    name: 'kQuant',
    table,
    extra: 0,
    hasFractionalZeroPoints: false,
    kernel: () => searchKernel('kQuant', scheme, ownVariables, (v) => kernelBody(v, scheme)),
    plain: (block) => plainSearch(block, table),
  };
}

const ownVariables = {
  sigma: 'v128',
  absolute: 'v128',
  weight: 'v128',
  squares: 'v128',
  /** Weighted sums over the block: 1, x, code, code^2, code * x. */
  w: 'v128',
  wx: 'v128',
  wc: 'v128',
  wcc: 'v128',
  wcx: 'v128',
  /** Code of x = 0 (not rounded), and 1 / step, of the codes to fit. */
  origin: 'v128',
  inverse: 'v128',
  range: 'v128',
  /** The other whole number, and numerator and denominator of the scale that goes with each. */
  other: 'v128',
  numerator: 'v128',
  denominator: 'v128',
  otherNumerator: 'v128',
  otherDenominator: 'v128',
} as const;

type V = Variables<keyof typeof ownVariables>;

const { fAdd, fSub, fMul, fDiv } = v128;

function kernelBody(v: V, scheme: NBitsScheme): Code {
  const weight = fAdd(get(v.sigma), v128.fAbs(get(v.value)));
  const add = (sum: number, value: Code) => set(sum, fAdd(get(sum), value));
  return [
    [v.squares, v.absolute, v.wx, v.w].map((sum) => set(sum, zero)),
    forEachRow(
      v,
      add(v.squares, fMul(get(v.value), get(v.value))),
      add(v.absolute, v128.fAbs(get(v.value))),
      add(v.w, get(v.value)),
      add(v.wx, fMul(v128.fAbs(get(v.value)), get(v.value))),
    ),
    set(v.sigma, v128.fSqrt(fDiv(get(v.squares), get(v.counts)))),
    set(v.wx, fAdd(fMul(get(v.sigma), get(v.w)), get(v.wx))),
    set(v.w, fAdd(fMul(get(v.sigma), get(v.counts)), get(v.absolute))),
    set(v.range, fSub(v128.fPseudoMax(get(v.high), zero), v128.fPseudoMin(get(v.low), zero))),
    scheme.symmetric ? set(v.range, get(v.reciprocal)) : [],
    measureSquares(v, weight),
    takeCandidate(v),
    forEachEntry(v, 1, [
      scheme.symmetric
        ? [set(v.inverse, fMul(get(v.range), v128.loadSplat32(get(v.entry)))), set(v.origin, get(v.halves))]
        : [
            set(v.inverse, fDiv(v128.loadSplat32(get(v.entry)), get(v.range))),
            set(v.origin, v128.fNegate(fMul(v128.fPseudoMin(get(v.low), zero), get(v.inverse)))),
          ],
      [v.wc, v.wcc, v.wcx].map((sum) => set(sum, zero)),
      forEachRow(
        v,
        set(v.code, nearestCode(v, fAdd(fMul(get(v.value), get(v.inverse)), get(v.origin)))),
        set(v.weight, fMul(weight, get(v.code))),
        add(v.wc, get(v.weight)),
        add(v.wcc, fMul(get(v.weight), get(v.code))),
        add(v.wcx, fMul(get(v.weight), get(v.value))),
      ),
      scheme.symmetric ? fitScale(v, v.halves, v.numerator, v.denominator) : fitScaleAndZeroPoint(v),
      scheme.symmetric ? set(v.zeroPoint, get(v.halves)) : [],
      setScale(v, fDiv(get(v.numerator), get(v.denominator)), scheme),
      measureSquares(v, weight),
      takeIfBetter(v),
    ]),
  ];
}

/** scale = sum w (c - z) x / sum w (c - z)^2, from the sums. */
function fitScale(v: V, zeroPoint: number, numerator: number, denominator: number): Code {
  const z = get(zeroPoint);
  const twice = fMul(fAdd(z, z), get(v.wc));
  return [
    set(numerator, fSub(get(v.wcx), fMul(z, get(v.wx)))),
    set(denominator, fAdd(fSub(get(v.wcc), twice), fMul(fMul(z, z), get(v.w)))),
  ];
}

function fitScaleAndZeroPoint(v: V): Code {
  // Least squares in two unknowns; their common determinant cancels in -min / scale. A minimum above 0 becomes 0.
  const scale = fSub(fMul(get(v.w), get(v.wcx)), fMul(get(v.wx), get(v.wc)));
  const minimum = fSub(fMul(get(v.wcc), get(v.wx)), fMul(get(v.wc), get(v.wcx)));
  const gain = (numerator: number, denominator: number) => fDiv(fMul(get(numerator), get(numerator)), get(denominator));
  return [
    set(v.temporary, v128.fFloor(v128.fNegate(fDiv(minimum, scale)))),
    set(v.zeroPoint, clipped(v, get(v.temporary))),
    set(v.other, clipped(v, fAdd(get(v.temporary), v128.splatFloat(1)))),
    fitScale(v, v.zeroPoint, v.numerator, v.denominator),
    fitScale(v, v.other, v.otherNumerator, v.otherDenominator),
    set(v.mask, v128.fGreater(gain(v.otherNumerator, v.otherDenominator), gain(v.numerator, v.denominator))),
    set(v.zeroPoint, v128.select(get(v.other), get(v.zeroPoint), get(v.mask))),
    set(v.numerator, v128.select(get(v.otherNumerator), get(v.numerator), get(v.mask))),
    set(v.denominator, v128.select(get(v.otherDenominator), get(v.denominator), get(v.mask))),
  ];
}

function plainSearch({ values, scheme, nearest }: PlainBlock, table: Float32Array): BlockParameters {
  const { maxCode, half } = codesOf(scheme);
  const { low, high } = rangeOf(values);
  const sums = { square: 0, absolute: 0, value: 0, signed: 0 };
  for (const x of values) {
    sums.square = f(sums.square + f(x * x));
    sums.absolute = f(sums.absolute + Math.abs(x));
    sums.value = f(sums.value + x);
    sums.signed = f(sums.signed + f(Math.abs(x) * x));
  }
  const sigma = f(Math.sqrt(f(sums.square / values.length)));
  const wx = f(f(sigma * sums.value) + sums.signed);
  const w = f(f(sigma * values.length) + sums.absolute);
  const best = new Best(nearest, squares(values, nearest, maxCode, sigma));
  const range = f(Math.max(high, 0) - Math.min(low, 0));
  for (const entry of table) {
    const inverse = scheme.symmetric ? f(nearest.reciprocal * entry) : f(entry / range);
    const origin = scheme.symmetric ? half : f(-f(Math.min(low, 0) * inverse));
    let [wc, wcc, wcx] = [0, 0, 0];
    for (const x of values) {
      const code = plainCode(f(f(x * inverse) + origin), maxCode);
      const weighted = f(f(sigma + Math.abs(x)) * code);
      wc = f(wc + weighted);
      wcc = f(wcc + f(weighted * code));
      wcx = f(wcx + f(weighted * x));
    }
    const scaleFor = (z: number) => {
      const numerator = f(wcx - f(z * wx));
      const denominator = f(f(wcc - f(f(z + z) * wc)) + f(f(z * z) * w));
      return { z, numerator, denominator, gain: f(f(numerator * numerator) / denominator) };
    };
    let chosen = scaleFor(half);
    if (!scheme.symmetric) {
      const determinantTimesScale = f(f(w * wcx) - f(wx * wc));
      const determinantTimesMinimum = f(f(wcc * wx) - f(wc * wcx));
      const whole = Math.floor(f(-f(determinantTimesMinimum / determinantTimesScale)));
      chosen = scaleFor(clip(whole, maxCode));
      const other = scaleFor(clip(f(whole + 1), maxCode));
      if (other.gain > chosen.gain) chosen = other;
    }
    const candidate = withScale(f(chosen.numerator / chosen.denominator), chosen.z, scheme);
    best.offer(candidate, squares(values, candidate, maxCode, sigma));
  }
  return best.parameters;
}
