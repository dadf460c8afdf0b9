import { describe, expect, it } from 'vitest';
import { type AccuracyPoint, accuracyScale, gateLimit, niceTicks } from '../../../src/ui/charts/chart-data.ts';
import { wrapName } from '../../../src/ui/charts/chart-parts.tsx';
import { crowdedSides } from '../../../src/ui/charts/ParetoChart.tsx';
import { accuracySummary, paretoSummary } from '../../../src/ui/charts/summaries.ts';

const definition = {
  id: 'cer',
  title: 'Character error rate',
  short: 'CER',
  direction: 'lower-is-better',
  format: 'percent',
  decimals: 1,
} as const;
const point = (letter: string, value: number, verdict: AccuracyPoint['verdict'] = 'pass'): AccuracyPoint => ({
  id: letter,
  letter,
  name: letter === 'O' ? 'Original' : `Variant ${letter}`,
  stale: false,
  value,
  low: value - 0.002,
  high: value + 0.002,
  hasInterval: true,
  n: 64,
  verdict,
});

describe('accuracyScale', () => {
  it('does not let one ruined variant squeeze the others', () => {
    const points = [point('O', 0.006), point('A', 0.0075), point('B', 0.998, 'fail')];
    const near = accuracyScale(points, 0.016, false);
    expect(near.clipped).toBe(true);
    expect(near.domain[1]).toBeLessThan(0.03);
    const full = accuracyScale(points, 0.016, true);
    expect(full.clipped).toBe(false);
    expect(full.domain[1]).toBeGreaterThan(0.998);
  });

  it('always holds the gate line, and never suggests less than nothing', () => {
    const { domain } = accuracyScale([point('O', 0.006), point('A', 0.0062)], 0.016, false);
    expect(domain[0]).toBeLessThan(0.004);
    expect(domain[0]).toBeGreaterThanOrEqual(0);
    expect(domain[1]).toBeGreaterThan(0.016);
  });
});

describe('gateLimit', () => {
  it('lies on the worse side, whichever that is', () => {
    const gate = { mode: 'relative', maxWorse: 0.02, confidence: 0.95 } as const;
    expect(gateLimit(0.5, gate, definition)).toBeCloseTo(0.51, 12);
    expect(gateLimit(0.5, gate, { ...definition, direction: 'higher-is-better' })).toBeCloseTo(0.49, 12);
    expect(gateLimit(0.5, { ...gate, mode: 'absolute' }, definition)).toBeCloseTo(0.52, 12);
    expect(gateLimit(undefined, gate, definition)).toBeNull();
  });
});

describe('axis helpers', () => {
  it('puts ticks on round values inside the domain', () => {
    expect(niceTicks([0, 0.0262])).toEqual([0, 0.01, 0.02]);
    expect(niceTicks([0.3, 9.7], 5)).toEqual([2, 4, 6, 8]);
    expect(niceTicks([5, 5])).toEqual([5]);
    expect(niceTicks([0.912, 0.968], 3)).toEqual([0.92, 0.94, 0.96]);
    for (const domain of [
      [0.9, 0.99],
      [0.93, 1.01],
      [1.1, 1.9],
      [17, 23],
    ] as const)
      expect(niceTicks(domain, 3).length).toBeGreaterThan(1);
  });

  it('gives crowded Pareto points their letter alone, on sides of their own', () => {
    const at = (id: string, x: number, y: number) => ({
      id,
      letter: id,
      name: id,
      stale: false,
      x,
      y,
      at: y,
      dominated: false,
    });
    const points = [at('O', 38_700, 1), at('A', 39_700, 1), at('B', 13_000, 1), at('C', 12_400, 0.9)];
    expect([...crowdedSides(points, [0.9, 1], false)]).toEqual([
      ['O', 'above'],
      ['A', 'right'],
    ]);
    // An axis that goes far beyond the points leaves their names little height.
    expect([...crowdedSides(points, [0, 2], false).keys()]).toEqual(['O', 'A', 'B', 'C']);
    expect(crowdedSides([at('O', 1, 1)], [0, 2], false).size).toBe(0);
    const three = [at('A', 1, 0.91), at('B', 1, 0.92), at('C', 1.1, 0.93), at('O', 9, 0.9)];
    expect(Object.fromEntries(crowdedSides(three, [0, 1], false))).toEqual({ A: 'below', B: 'right', C: 'above' });
    expect(Object.fromEntries(crowdedSides(three, [0, 1], true))).toEqual({ A: 'above', B: 'right', C: 'below' });
  });

  it('wraps names at a space into two lines at most', () => {
    expect(wrapName('FP16', 14)).toEqual(['FP16']);
    expect(wrapName('INT8 dynamic, per channel', 14)).toEqual(['INT8 dynamic,', 'per channel']);
    expect(wrapName('Averyveryverylongname', 14)).toEqual(['Averyveryvery…']);
  });
});

describe('summaries', () => {
  it('say who passes and who does not, by letter', () => {
    const points = [
      point('O', 0.006, 'baseline'),
      point('A', 0.007),
      point('B', 0.9, 'fail'),
      point('C', 0.01, 'inconclusive'),
    ];
    expect(accuracySummary(points, definition).replaceAll('\u202f', ' ')).toBe(
      'Original: 0.6 %. A within the gate; B beyond it; C with too few samples to say.',
    );
  });

  it('name the frontier', () => {
    const at = (letter: string, dominated: boolean) => ({ ...point(letter, 1), x: 1, y: 1, at: 1, dominated });
    expect(paretoSummary([at('O', false), at('A', false), at('B', true)], 'size')).toBe(
      'No variant is both smaller and more accurate than Original, A. 1 other is beaten: another is at least as good on both.',
    );
  });
});
