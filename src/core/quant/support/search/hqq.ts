/**
 * Half-quadratic quantization (Badri and Shaji 2023): minimizes the sum of |error|^p, p < 1, which forgives a few large
 * errors and so suits heavy tails. Alternates between W_e, the part of the error to be forgiven, by shrinkage
 * sign(e) max(|e| - |e|^(p-1) / beta, 0), and a closed-form step for the parameters with W - W_e in place of W; beta
 * grows by kappa. Errors are taken in steps (of one code), so that beta means the same at any scale of the weights: in
 * units of typical weights the shrinkage would forgive everything.
 *
 * Fractional zero points: the paper's step, z = mean(q - (W - W_e) / s) with s fixed to the range without 0. Integer
 * zero points: rounding leaves that step without effect, so z is rounded and then s takes the least-squares step of the
 * same problem, s = sum (q - z)(W - W_e) / sum (q - z)^2. The best iterate is kept (implementations of the paper return
 * the last one), with round to nearest among them.
 */
import type { NBitsScheme } from '../nbits-parameters.ts';
import { block, branchIf, type Code, get, i32, set, v128 } from '../wasm/assembler.ts';
import { JUST_BELOW_HALF } from '../wasm/block-kernels.ts';
import {
  clipped,
  clippedWhole,
  forEachEntry,
  forEachRow,
  roundedToHalf,
  searchKernel,
  setError,
  setScale,
  setWholeZero,
  takeIfBetter,
  type Variables,
  zero,
} from './kernel.ts';
import { Best, clip, codesOf, nearestCode, rangeOf, roundToHalf, stepsOf, withScale } from './plain.ts';
import { plainPower, power, powerVariables } from './powers.ts';
import type { BlockParameters, BlockSearch, HqqSettings, PlainBlock } from './types.ts';

const f = Math.fround;

export function hqqSearch(settings: HqqSettings, isFractional: boolean): BlockSearch {
  const { p, beta, kappa, iterations } = settings;
  const table = Float32Array.from({ length: iterations }, (_, i) => 1 / (beta * kappa ** i));
  const name = isFractional ? 'hqqFractional' : 'hqq';
  return {
    spec: { kind: 'hqq', settings, isFractional },
    name,
    table,
    extra: p - 1,
    hasFractionalZeroPoints: isFractional,
    kernel: (choice) => searchKernel(name, choice, ownVariables, (v) => kernelBody(v, choice.scheme, isFractional)),
    plain: (given) => plainSearch(given, table, f(p - 1), isFractional),
  };
}

const ownVariables = {
  ...powerVariables,
  /** |error|, and |error|^(p-1). */
  distance: 'v128',
  leverage: 'v128',
  /** |error|^(p-1) is forgiven times this much: steps^(2-p) / beta. */
  forgiven: 'v128',
  /** (W - W_e) / scale. */
  target: 'v128',
  /** Sums over the block, of steps (code less zero point) and targets. */
  steps: 'v128',
  stepSquares: 'v128',
  targets: 'v128',
  products: 'v128',
  shift: 'v128',
  previous: 'v128',
} as const;

type V = Variables<keyof typeof ownVariables>;

const { fAdd, fSub, fMul, fDiv } = v128;
const infinite = v128.splatFloat(Number.POSITIVE_INFINITY);

/**
 * Looks at the candidate: sets `error` to sum |e|^p and adds up what the next step needs.
 * @param inverseBeta undefined when no step follows
 */
function measure(v: V, isFractional: boolean, inverseBeta: Code | undefined): Code {
  const add = (sum: number, value: Code) => set(sum, fAdd(get(sum), value));
  const leverage = power(v, get(v.distance), get(v.extras));
  const kept = v128.fPseudoMax(fSub(get(v.distance), fMul(get(v.leverage), get(v.forgiven))), zero);
  const sign = v128.and(get(v.temporary), v128.splatInt(-0x80000000));
  // A zero point that is no whole number must not be added together with WHOLE.
  const code = fAdd(fAdd(fMul(get(v.value), get(v.reciprocal)), get(v.zeroPoint)), get(v.whole));
  return [
    [v.error, v.steps, v.stepSquares, v.targets, v.products].map((sum) => set(sum, zero)),
    isFractional ? [] : setWholeZero(v),
    inverseBeta
      ? [
          set(v.distance, v128.fAbs(get(v.scale))),
          leverage.prepare,
          set(v.forgiven, fMul(fDiv(get(v.distance), leverage.value), inverseBeta)),
        ]
      : [],
    forEachRow(
      v,
      isFractional
        ? [
            set(v.code, fSub(fSub(clippedWhole(v, code), get(v.whole)), get(v.zeroPoint))),
            set(v.temporary, fSub(fMul(get(v.code), get(v.scale)), get(v.value))),
          ]
        : setError(v),
      set(v.distance, v128.fAbs(get(v.temporary))),
      leverage.prepare,
      set(v.leverage, leverage.value),
      add(v.error, fMul(get(v.distance), get(v.leverage))),
      inverseBeta
        ? [
            set(v.target, fMul(fAdd(get(v.value), v128.or(kept, sign)), get(v.reciprocal))),
            add(v.steps, get(v.code)),
            add(v.targets, get(v.target)),
            isFractional
              ? []
              : [add(v.stepSquares, fMul(get(v.code), get(v.code))), add(v.products, fMul(get(v.code), get(v.target)))],
          ]
        : [],
    ),
  ];
}

function kernelBody(v: V, scheme: NBitsScheme, isFractional: boolean): Code {
  return [
    isFractional ? [measure(v, true, undefined), takeIfBetter(v), startFractional(v, scheme)] : [],
    set(v.previous, infinite),
    block(
      forEachEntry(v, 1, [
        measure(v, isFractional, v128.loadSplat32(get(v.entry))),
        // A lane that does not improve on its previous iterate is done, whatever its neighbours do.
        set(v.mask, v128.fLess(get(v.error), get(v.previous))),
        set(v.previous, v128.select(get(v.error), v128.splatFloat(Number.NEGATIVE_INFINITY), get(v.mask))),
        set(v.error, v128.select(get(v.error), infinite, get(v.mask))),
        branchIf(i32.isZero(v128.anyTrue(get(v.mask))), 1),
        takeIfBetter(v),
        isFractional ? stepFractional(v, scheme) : stepInteger(v, scheme),
      ]),
    ),
  ];
}

/** The paper's start: the range as it is, the code 0 at its low end. */
function startFractional(v: V, scheme: NBitsScheme): Code {
  return [
    setScale(v, fDiv(fSub(get(v.high), get(v.low)), get(v.maxCodes)), scheme),
    set(v.zeroPoint, v128.fNegate(fMul(get(v.low), get(v.reciprocal)))),
    roundZeroPoint(v, scheme),
  ];
}

/** z = mean(code - target). */
const meanZeroPoint = (v: V) => fAdd(get(v.zeroPoint), fDiv(fSub(get(v.steps), get(v.targets)), get(v.counts)));

function stepFractional(v: V, scheme: NBitsScheme): Code {
  return [set(v.zeroPoint, meanZeroPoint(v)), roundZeroPoint(v, scheme)];
}

function roundZeroPoint(v: V, { scaleType }: NBitsScheme): Code {
  return scaleType === 'float16' ? set(v.zeroPoint, roundedToHalf(v, v.zeroPoint)) : [];
}

function stepInteger(v: V, scheme: NBitsScheme): Code {
  // With another zero point every step is longer by `shift`.
  const d = get(v.shift);
  const numerator = fAdd(get(v.products), fMul(d, get(v.targets)));
  const denominator = fAdd(fAdd(get(v.stepSquares), fMul(fAdd(d, d), get(v.steps))), fMul(fMul(d, d), get(v.counts)));
  const rounded = v128.fFloor(fAdd(meanZeroPoint(v), v128.splatFloat(JUST_BELOW_HALF)));
  return [
    set(v.shift, get(v.zeroPoint)),
    set(v.zeroPoint, scheme.symmetric ? get(v.halves) : clipped(v, rounded)),
    set(v.shift, fSub(get(v.shift), get(v.zeroPoint))),
    setScale(v, fMul(get(v.scale), fDiv(numerator, denominator)), scheme),
  ];
}

function plainSearch(
  { values, scheme, nearest }: PlainBlock,
  table: Float32Array,
  exponent: number,
  isFractional: boolean,
): BlockParameters {
  const { maxCode, half } = codesOf(scheme);
  const asZeroPoint = (z: number) => (scheme.scaleType === 'float16' ? roundToHalf(z) : z);
  const sums = { steps: 0, stepSquares: 0, targets: 0, products: 0 };
  const measured = ({ scale, reciprocal, zeroPoint }: BlockParameters, inverseBeta: number): number => {
    let error = 0;
    Object.assign(sums, { steps: 0, stepSquares: 0, targets: 0, products: 0 });
    const size = Math.abs(scale);
    const forgiven = f(f(size / plainPower(size, exponent)) * inverseBeta);
    for (const value of values) {
      const step = isFractional
        ? f(nearestCode(f(f(value * reciprocal) + zeroPoint), maxCode) - zeroPoint)
        : stepsOf(value, reciprocal, zeroPoint, maxCode);
      const signed = f(f(step * scale) - value);
      const distance = Math.abs(signed);
      const leverage = plainPower(distance, exponent);
      error = f(error + f(distance * leverage));
      const kept = Math.max(f(distance - f(leverage * forgiven)), 0);
      const target = f(f(value + (signed < 0 ? -kept : kept)) * reciprocal);
      sums.steps = f(sums.steps + step);
      sums.stepSquares = f(sums.stepSquares + f(step * step));
      sums.targets = f(sums.targets + target);
      sums.products = f(sums.products + f(step * target));
    }
    return error;
  };
  const best = new Best(nearest, Number.POSITIVE_INFINITY);
  let at = nearest;
  if (isFractional) {
    best.offer(nearest, measured(nearest, 0));
    const { low, high } = rangeOf(values);
    const start = withScale(f(f(high - low) / maxCode), 0, scheme);
    at = { ...start, zeroPoint: asZeroPoint(f(-f(low * start.reciprocal))) };
  }
  let previous = Number.POSITIVE_INFINITY;
  for (const inverseBeta of table) {
    const error = measured(at, inverseBeta);
    best.offer(at, error);
    if (!(error < previous)) break;
    previous = error;
    const mean = f(at.zeroPoint + f(f(sums.steps - sums.targets) / values.length));
    if (isFractional) at = { ...at, zeroPoint: asZeroPoint(mean) };
    else {
      const z = scheme.symmetric ? half : clip(Math.floor(mean + 0.5), maxCode);
      const shift = f(at.zeroPoint - z);
      const numerator = f(sums.products + f(shift * sums.targets));
      const squared = f(f(shift * shift) * values.length);
      const denominator = f(f(sums.stepSquares + f(f(shift + shift) * sums.steps)) + squared);
      at = withScale(f(at.scale * f(numerator / denominator)), z, scheme);
    }
  }
  return best.parameters;
}
