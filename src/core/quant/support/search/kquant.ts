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
  clippedWhole,
  forEachEntry,
  forEachRow,
  measureSquares,
  searchKernel,
  setScale,
  storedWeight,
  storeWeight,
  takeCandidate,
  takeIfBetter,
  type Variables,
  zero,
} from './kernel.ts';
import { Best, clip, codesOf, nearestCode, rangeOf, squares, withScale } from './plain.ts';
import type { BlockParameters, BlockSearch, PlainBlock } from './types.ts';

const f = Math.fround;

/** llama.cpp's call for 4 bits (rmin, rdelta, nstep): steps around the largest code. */
const offsets = Array.from({ length: 21 }, (_, i) => -1 + 0.1 * i);

export function kQuantSearch(scheme: NBitsScheme): BlockSearch {
  const { maxCode, half } = codesOf(scheme);
  // Symmetric: factors of the reciprocal of the round-to-nearest scale; else of the reciprocal of the range.
  const table = Float32Array.from(offsets, (offset) => (scheme.symmetric ? (half + offset) / half : maxCode + offset));
  return {
    spec: { kind: 'kquant', scheme },
    name: 'kQuant',
    table,
    extra: 0,
    hasFractionalZeroPoints: false,
    kernel: (choice) => searchKernel('kQuant', choice, ownVariables, (v) => kernelBody(v, choice.scheme)),
    plain: (block) => plainSearch(block, table),
  };
}

const ownVariables = {
  sigma: 'v128',
  weighted: 'v128',
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
  /** The best fit so far. */
  gain: 'v128',
  fittedScale: 'v128',
  fittedZero: 'v128',
  /** The other whole number, and numerator and denominator of the scale that goes with each. */
  other: 'v128',
  numerator: 'v128',
  denominator: 'v128',
  otherNumerator: 'v128',
  otherDenominator: 'v128',
} as const;

type V = Variables<keyof typeof ownVariables>;

const { fAdd, fSub, fMul, fDiv } = v128;

const add = (sum: number, value: Code) => set(sum, fAdd(get(sum), value));

function kernelBody(v: V, scheme: NBitsScheme): Code {
  return [
    set(v.sigma, zero),
    forEachRow(v, add(v.sigma, fMul(get(v.value), get(v.value)))),
    set(v.sigma, v128.fSqrt(fDiv(get(v.sigma), get(v.counts)))),
    [v.w, v.wx].map((sum) => set(sum, zero)),
    forEachRow(
      v,
      set(v.weighted, fAdd(get(v.sigma), v128.fAbs(get(v.value)))),
      storeWeight(v, get(v.weighted)),
      add(v.w, get(v.weighted)),
      add(v.wx, fMul(get(v.weighted), get(v.value))),
    ),
    measureSquares(v, true),
    takeCandidate(v),
    // The step to start from: of round to nearest, or the range.
    scheme.symmetric
      ? set(v.range, get(v.reciprocal))
      : set(v.range, fSub(v128.fPseudoMax(get(v.high), zero), v128.fPseudoMin(get(v.low), zero))),
    set(v.gain, zero),
    set(v.fittedScale, get(v.scale)),
    set(v.fittedZero, get(v.zeroPoint)),
    forEachEntry(v, 1, [
      scheme.symmetric
        ? [set(v.inverse, fMul(get(v.range), v128.loadSplat32(get(v.entry)))), set(v.origin, get(v.halves))]
        : [
            set(v.inverse, fDiv(v128.loadSplat32(get(v.entry)), get(v.range))),
            set(v.origin, v128.fNegate(fMul(v128.fPseudoMin(get(v.low), zero), get(v.inverse)))),
          ],
      fitCodes(v, scheme),
      // The error of these codes is sum w x^2 less the gain.
      set(v.otherNumerator, gainOf(v.numerator, v.denominator)),
      set(v.mask, v128.fGreater(get(v.otherNumerator), get(v.gain))),
      set(v.gain, v128.select(get(v.otherNumerator), get(v.gain), get(v.mask))),
      set(v.fittedZero, v128.select(get(v.zeroPoint), get(v.fittedZero), get(v.mask))),
      set(v.fittedScale, v128.select(fDiv(get(v.numerator), get(v.denominator)), get(v.fittedScale), get(v.mask))),
    ]),
    set(v.zeroPoint, get(v.fittedZero)),
    setScale(v, get(v.fittedScale), scheme),
    measureSquares(v, true),
    takeIfBetter(v),
    // Once more from where that led: the codes are others now.
    set(v.inverse, get(v.bestReciprocal)),
    set(v.origin, get(v.bestZeroPoint)),
    fitCodes(v, scheme),
    setScale(v, fDiv(get(v.numerator), get(v.denominator)), scheme),
    measureSquares(v, true),
    takeIfBetter(v),
  ];
}

/** Sets the zero point, and numerator and denominator of the scale, that suit the codes of `inverse` and `origin` best. */
function fitCodes(v: V, scheme: NBitsScheme): Code {
  const code = fAdd(fAdd(fMul(get(v.value), get(v.inverse)), get(v.origin)), get(v.whole));
  return [
    [v.wc, v.wcc, v.wcx].map((sum) => set(sum, zero)),
    forEachRow(
      v,
      set(v.code, fSub(clippedWhole(v, code), get(v.whole))),
      set(v.weighted, fMul(storedWeight(v), get(v.code))),
      add(v.wc, get(v.weighted)),
      add(v.wcc, fMul(get(v.weighted), get(v.code))),
      add(v.wcx, fMul(get(v.weighted), get(v.value))),
    ),
    scheme.symmetric
      ? [set(v.zeroPoint, get(v.halves)), fitScale(v, v.halves, v.numerator, v.denominator)]
      : fitScaleAndZeroPoint(v),
  ];
}

const gainOf = (numerator: number, denominator: number) => fDiv(fMul(get(numerator), get(numerator)), get(denominator));

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
  return [
    set(v.temporary, v128.fFloor(v128.fNegate(fDiv(minimum, scale)))),
    set(v.zeroPoint, clipped(v, get(v.temporary))),
    set(v.other, clipped(v, fAdd(get(v.temporary), v128.splatFloat(1)))),
    fitScale(v, v.zeroPoint, v.numerator, v.denominator),
    fitScale(v, v.other, v.otherNumerator, v.otherDenominator),
    set(v.mask, v128.fGreater(gainOf(v.otherNumerator, v.otherDenominator), gainOf(v.numerator, v.denominator))),
    set(v.zeroPoint, v128.select(get(v.other), get(v.zeroPoint), get(v.mask))),
    set(v.numerator, v128.select(get(v.otherNumerator), get(v.numerator), get(v.mask))),
    set(v.denominator, v128.select(get(v.otherDenominator), get(v.denominator), get(v.mask))),
  ];
}

function plainSearch({ values, scheme, nearest }: PlainBlock, table: Float32Array): BlockParameters {
  const { maxCode, half } = codesOf(scheme);
  const { low, high } = rangeOf(values);
  let sigma = 0;
  for (const x of values) sigma = f(sigma + f(x * x));
  sigma = f(Math.sqrt(f(sigma / values.length)));
  let [w, wx] = [0, 0];
  for (const x of values) {
    const weight = f(sigma + Math.abs(x));
    w = f(w + weight);
    wx = f(wx + f(weight * x));
  }
  const fitTo = (inverse: number, origin: number): Fit => {
    let [wc, wcc, wcx] = [0, 0, 0];
    for (const x of values) {
      const code = nearestCode(f(f(x * inverse) + origin), maxCode);
      const weighted = f(f(sigma + Math.abs(x)) * code);
      wc = f(wc + weighted);
      wcc = f(wcc + f(weighted * code));
      wcx = f(wcx + f(weighted * x));
    }
    const scaleFor = (zeroPoint: number): Fit => {
      const numerator = f(wcx - f(zeroPoint * wx));
      const denominator = f(f(wcc - f(f(zeroPoint + zeroPoint) * wc)) + f(f(zeroPoint * zeroPoint) * w));
      return { zeroPoint, scale: f(numerator / denominator), gain: f(f(numerator * numerator) / denominator) };
    };
    if (scheme.symmetric) return scaleFor(half);
    const scale = f(f(w * wcx) - f(wx * wc));
    const minimum = f(f(wcc * wx) - f(wc * wcx));
    const whole = Math.floor(f(-f(minimum / scale)));
    const [below, above] = [scaleFor(clip(whole, maxCode)), scaleFor(clip(f(whole + 1), maxCode))];
    return above.gain > below.gain ? above : below;
  };
  const best = new Best(nearest, squares(values, nearest, maxCode, sigma));
  const offer = ({ scale, zeroPoint }: Fit) => {
    const candidate = withScale(scale, zeroPoint, scheme);
    best.offer(candidate, squares(values, candidate, maxCode, sigma));
  };
  let fitted: Fit = { ...nearest, gain: 0 };
  const range = f(Math.max(high, 0) - Math.min(low, 0));
  for (const entry of table) {
    const inverse = scheme.symmetric ? f(nearest.reciprocal * entry) : f(entry / range);
    const found = fitTo(inverse, scheme.symmetric ? half : f(-f(Math.min(low, 0) * inverse)));
    if (found.gain > fitted.gain) fitted = found;
  }
  offer(fitted);
  offer(fitTo(best.parameters.reciprocal, best.parameters.zeroPoint));
  return best.parameters;
}

interface Fit {
  readonly zeroPoint: number;
  readonly scale: number;
  /** By how much it lowers the error of the codes it was fitted to. */
  readonly gain: number;
}
