/**
 * The range that a block is rounded in, chosen for the least sum of squared errors: large values may be clipped where
 * that makes the steps for all others finer. Candidates are round to nearest with the range scaled by each factor of a
 * grid: both ends, each end alone, or (symmetric) with either sign of the scale, since one side has a code more.
 */
import { get, set, v128 } from '../wasm/assembler.ts';
import {
  forEachEntry,
  longerSide,
  measureSquares,
  searchKernel,
  setNearest,
  takeCandidate,
  takeIfBetter,
  zero,
} from './kernel.ts';
import { Best, codesOf, nearestOf, rangeOf, squares, withScale } from './plain.ts';
import type { BlockSearch, ClipSettings } from './types.ts';

/**
 * @param symmetric must be that of the schemes it is used with: the tables differ
 * @returns pairs of factors of the low and the high end; symmetric: factors of the scale
 */
function candidates({ smallest, steps }: ClipSettings, symmetric: boolean): number[] {
  const factors = Array.from({ length: steps }, (_, i) => 1 - ((i + 1) * (1 - smallest)) / steps);
  return symmetric
    ? [-1, ...factors.flatMap((factor) => [factor, -factor])]
    : factors.flatMap((factor) => [factor, factor, 1, factor, factor, 1]);
}

export function clipSearch(settings: ClipSettings, symmetric: boolean): BlockSearch {
  const table = Float32Array.from(candidates(settings, symmetric));
  return {
    spec: { kind: 'clip', settings, symmetric },
    name: 'clip',
    table,
    extra: 0,
    hasFractionalZeroPoints: false,
    kernel: (choice) =>
      searchKernel('clip', choice, { widest: 'v128' }, (v) => {
        const factor = (index: number) => v128.loadSplat32(get(v.entry), 4 * index);
        const low = v128.fMul(v128.fPseudoMin(get(v.low), zero), factor(0));
        const high = v128.fMul(v128.fPseudoMax(get(v.high), zero), factor(1));
        return [
          set(v.widest, longerSide(get(v.low), get(v.high))),
          measureSquares(v),
          takeCandidate(v),
          forEachEntry(v, symmetric ? 1 : 2, [
            symmetric
              ? setNearest(v, v128.fMul(get(v.widest), factor(0)), zero, choice.scheme)
              : setNearest(v, low, high, choice.scheme),
            measureSquares(v),
            takeIfBetter(v),
          ]),
        ];
      }),
    plain: ({ values, scheme, nearest }) => {
      const { maxCode, half } = codesOf(scheme);
      const { low, high } = rangeOf(values);
      const best = new Best(nearest, squares(values, nearest, maxCode));
      const offer = (parameters: typeof nearest) => best.offer(parameters, squares(values, parameters, maxCode));
      if (symmetric) {
        const widest = Math.abs(high) > Math.abs(low) ? high : low;
        for (const factor of table) offer(withScale(Math.fround(-Math.fround(widest * factor) / half), half, scheme));
      } else
        for (let i = 0; i < table.length; i += 2)
          offer(
            nearestOf(
              Math.fround(Math.min(low, 0) * table[i]!),
              Math.fround(Math.max(high, 0) * table[i + 1]!),
              scheme,
            ),
          );
      return best.parameters;
    },
  };
}
