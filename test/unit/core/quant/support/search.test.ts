import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPanelQuantizer } from '../../../../../src/core/quant/support/block-panel.ts';
import type { NBitsScheme } from '../../../../../src/core/quant/support/nbits-parameters.ts';
import { codeAt } from '../../../../../src/core/quant/support/pack-nbits.ts';
import type { PanelQuantizer, PanelShape } from '../../../../../src/core/quant/support/panel.ts';
import { PlainPanelQuantizer } from '../../../../../src/core/quant/support/plain-panel.ts';
import { clipSearch } from '../../../../../src/core/quant/support/search/clip.ts';
import { hqqSearch } from '../../../../../src/core/quant/support/search/hqq.ts';
import { kQuantSearch } from '../../../../../src/core/quant/support/search/kquant.ts';
import { plainPower } from '../../../../../src/core/quant/support/search/powers.ts';
import type { BlockSearch } from '../../../../../src/core/quant/support/search/types.ts';
import { fieldBits, weightBits } from '../../../../../src/core/quant/support/weight-bits.ts';

const LEAST_ELEMENT = 1e-6;

const hqqSettings = { p: 0.7, beta: 10, kappa: 1.01, iterations: 20 };

const searches: Readonly<Record<string, (scheme: NBitsScheme) => BlockSearch>> = {
  clip: (scheme) => clipSearch({ smallest: 0.5, steps: 20 }, scheme.symmetric),
  'k-quant': kQuantSearch,
  hqq: () => hqqSearch(hqqSettings, false),
  'hqq, fractional zero points': () => hqqSearch(hqqSettings, true),
};

const lessThanAbsolute = (x: readonly number[], y: readonly number[]) =>
  x.reduce((sum, value, i) => sum + Math.abs(value - y[i]!) ** 0.7, 0);

/** What each method minimizes, by the definition and in float64. */
const objectives: Readonly<Record<string, (x: readonly number[], y: readonly number[]) => number>> = {
  clip: (x, y) => x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0),
  'k-quant': (x, y) => {
    const sigma = Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / x.length);
    return x.reduce((sum, value, i) => sum + (sigma + Math.abs(value)) * (value - y[i]!) ** 2, 0);
  },
  hqq: lessThanAbsolute,
  'hqq, fractional zero points': lessThanAbsolute,
};

function run(
  quantizer: PanelQuantizer,
  values: Float32Array,
  shape: PanelShape,
  scheme: NBitsScheme,
  search?: BlockSearch,
) {
  quantizer.load(values, shape);
  const panel = search ? quantizer.search(search, scheme) : quantizer.roundToNearest(scheme);
  return {
    packed: panel.packed.slice(),
    scales: panel.scales.map((scale) => scale + 0),
    zeroPoints: panel.zeroPoints.map((zeroPoint) => zeroPoint + 0),
    finite: panel.finite,
  };
}

/** The values of one column, and what its codes stand for. */
function column(
  values: Float32Array,
  shape: PanelShape,
  panel: ReturnType<typeof run>,
  c: number,
  scheme: NBitsScheme,
) {
  const x = Array.from({ length: shape.rows }, (_, i) => values[i * shape.columns + c]!);
  const y = x.map(
    (_, i) =>
      (codeAt(panel.packed, c * shape.blockSize + i, fieldBits(scheme.bits)) - panel.zeroPoints[c]!) * panel.scales[c]!,
  );
  return { x, y };
}

const element = fc.float({ noNaN: true, min: -4, max: 4 });

const cases = fc.record({
  blockSize: fc.constantFrom(16, 32, 64, 256),
  rows: fc.integer({ min: 1, max: 256 }),
  columns: fc.integer({ min: 1, max: 9 }),
  bits: fc.constantFrom(...weightBits),
  symmetric: fc.boolean(),
  scaleType: fc.constantFrom('float32', 'float16') as fc.Arbitrary<'float32' | 'float16'>,
  /** Powers of ten to scale with, one for each column. */
  sizes: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 4 }),
  shift: fc.constantFrom(0, 0, 1, -3),
  pool: fc.array(fc.oneof(fc.constant(0), element), { minLength: 1, maxLength: 60 }),
});

/** With elements that float32 still has digits for when they are scaled down and the square of an error is taken. */
const usualCases = cases.map(({ pool, ...rest }) => ({
  ...rest,
  pool: pool.map((value) => (Math.abs(value) < LEAST_ELEMENT ? 0 : value)),
}));

function panelOf({
  rows,
  columns,
  blockSize,
  sizes,
  shift,
  pool,
  scaleType,
  ...rest
}: typeof cases extends fc.Arbitrary<infer T> ? T : never) {
  const length = Math.min(rows, blockSize);
  const values = Float32Array.from({ length: length * columns }, (_, i) => {
    const exponent = sizes[(i % columns) % sizes.length]!;
    return (pool[(i * 7) % pool.length]! + shift) * 10 ** (scaleType === 'float16' ? exponent / 3 : exponent);
  });
  return {
    values,
    shape: { order: 'columns', rows: length, columns, blockSize } as const,
    scheme: { ...rest, scaleType },
  };
}

describe('SIMD kernels against plain TypeScript', () => {
  for (const [name, make] of Object.entries(searches))
    it(`agree on every bit: ${name}`, () => {
      const simd = createPanelQuantizer();
      const plain = new PlainPanelQuantizer();
      expect(simd).not.toBeInstanceOf(PlainPanelQuantizer);
      fc.assert(
        fc.property(cases, (given) => {
          const { values, shape, scheme } = panelOf(given);
          const search = make(scheme);
          expect(run(simd, values, shape, scheme, search)).toEqual(run(plain, values, shape, scheme, search));
        }),
        { numRuns: 150 },
      );
    });
});

describe('blocks along rows', () => {
  for (const [name, make] of Object.entries(searches))
    it(`get what blocks down columns get: ${name}`, () => {
      const simd = createPanelQuantizer();
      const plain = new PlainPanelQuantizer();
      fc.assert(
        fc.property(cases, (given) => {
          const { values, shape, scheme } = panelOf({ ...given, rows: given.blockSize });
          const turned = Float32Array.from(values, (_, i) => {
            const [block, at] = [Math.floor(i / shape.blockSize), i % shape.blockSize];
            return values[at * shape.columns + block]!;
          });
          // Two blocks a row where their number allows.
          const perRow = shape.columns % 2 === 0 ? 2 : 1;
          const along = { order: 'rows', rows: shape.columns / perRow, columns: perRow * shape.blockSize } as const;
          const search = make(scheme);
          const down = run(simd, values, shape, scheme, search);
          expect(run(simd, turned, { ...along, blockSize: shape.blockSize }, scheme, search)).toEqual(down);
          expect(run(plain, turned, { ...along, blockSize: shape.blockSize }, scheme, search)).toEqual(down);
        }),
        { numRuns: 60 },
      );
    });
});

describe('against round to nearest, each in what it minimizes', () => {
  for (const [name, make] of Object.entries(searches))
    it(`never loses: ${name}`, () => {
      const quantizer = createPanelQuantizer();
      fc.assert(
        fc.property(usualCases, (given) => {
          const { values, shape, scheme } = panelOf(given);
          const nearest = run(quantizer, values, shape, scheme);
          const found = run(quantizer, values, shape, scheme, make(scheme));
          expect(found.finite).toBe(true);
          for (let c = 0; c < shape.columns; c += 1) {
            const before = column(values, shape, nearest, c, scheme);
            const after = column(values, shape, found, c, scheme);
            const scale = objectives[name]!(
              before.x,
              before.x.map(() => 0),
            );
            const [was, is] = [before, after].map(({ x, y }) => objectives[name]!(x, y));
            // float32 sums against float64 ones; below its least normal number float32 has no digits left to compare.
            const least = objectives[name]!(
              before.x.map(() => 2 ** -126),
              before.x.map(() => 0),
            );
            expect(is).toBeLessThanOrEqual(was! * 1.0001 + scale * 1e-5 + least);
          }
        }),
        { numRuns: 150 },
      );
    });

  it('wins by a margin on normal weights', () => {
    const [rows, columns, blockSize] = [32, 256, 32];
    let state = 12345;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state + 0.5) / 2 ** 32;
    };
    const values = Float32Array.from(
      { length: rows * columns },
      () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
    const shape = { order: 'columns', rows, columns, blockSize } as const;
    const quantizer = createPanelQuantizer();
    const total = (name: string, scheme: NBitsScheme, search?: BlockSearch) => {
      const panel = run(quantizer, values, shape, scheme, search);
      return Array.from({ length: columns }, (_, c) => column(values, shape, panel, c, scheme)).reduce(
        (sum, { x, y }) => sum + objectives[name]!(x, y),
        0,
      );
    };
    const ratio = (name: string, bits: 2 | 3 | 4 | 8, symmetric = false) => {
      const scheme = { bits, symmetric, scaleType: 'float32' } as const;
      return total(name, scheme, searches[name]!(scheme)) / total(name, scheme);
    };
    // Independent float64 implementations on 4000 such blocks gave 0.67, 0.86 and 0.93 for clipping at 2, 3 and 4 bits
    // asymmetric, 0.73, 0.88 and 0.89 for k-quant, 0.82, 0.92 and 0.94 for HQQ, 0.89 for fractional zero points at 4.
    expect(ratio('clip', 2)).toBeLessThan(0.72);
    expect(ratio('clip', 3)).toBeLessThan(0.9);
    expect(ratio('clip', 4)).toBeLessThan(0.96);
    expect(ratio('k-quant', 2)).toBeLessThan(0.77);
    expect(ratio('k-quant', 3)).toBeLessThan(0.92);
    expect(ratio('k-quant', 4)).toBeLessThan(0.93);
    expect(ratio('hqq', 2)).toBeLessThan(0.86);
    expect(ratio('hqq', 3)).toBeLessThan(0.95);
    expect(ratio('hqq', 4)).toBeLessThan(0.97);
    expect(ratio('hqq, fractional zero points', 4)).toBeLessThan(0.93);
    for (const name of Object.keys(searches)) expect(ratio(name, 4, true), name).toBeLessThan(0.99);
  });
});

describe('powers', () => {
  it('are good to 1e-5', () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, min: Math.fround(1e-29), max: Math.fround(1e30) }),
        fc.double({ min: -0.7, max: -0.01, noNaN: true }),
        (base, exponent) => {
          expect(plainPower(base, Math.fround(exponent)) / base ** Math.fround(exponent)).toBeCloseTo(1, 4.3);
        },
      ),
    );
    expect(plainPower(0, -0.3)).toBeCloseTo(1e9, -6);
  });
});
