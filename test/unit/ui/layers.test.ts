import { describe, expect, it } from 'vitest';
import type { LensLayer, LensResult, SensitivityResult } from '../../../src/core/precision/results.ts';
import { sortRows } from '../../../src/ui/components/SortableTable.tsx';
import { decibelDomain, formatDb, lensCsv, lensSummary } from '../../../src/ui/layers/lens-data.ts';
import { mixtureCurve, rankedLayers, sensitivitySummary } from '../../../src/ui/layers/sensitivity-data.ts';
import { type SearchRow, searchDomain, searchDots, searchSummary } from '../../../src/ui/search/search-data.ts';

const layer = (name: string, order: number, local: number, accumulated: number): LensLayer => ({
  name,
  opType: 'MatMul',
  order,
  output: `${name}_out`,
  parameters: 10,
  weightBytes: 40,
  changed: local < 200,
  local: { sqnrDb: local, cosine: 1, maxAbs: 0.1 },
  accumulated: { sqnrDb: accumulated, cosine: 1, maxAbs: 0.1 },
});
const lens: LensResult = {
  format: 'whittle-lens',
  version: 1,
  layers: [layer('a', 0, 200, 200), layer('b', 1, 31, 31), layer('c', 2, 17.26, 16)],
  unmatched: { count: 0, names: [] },
  outputs: [{ name: 'y', sqnrDb: 16, cosine: 1, maxAbs: 0.1 }],
  samples: 8,
  origin: 'generated',
};

describe('the error lens', () => {
  it('names the weakest of the layers that differ, and what reaches the output', () => {
    expect(lensSummary(lens)).toBe(
      'Most error comes from c (MatMul): 17.3\u202fdB by itself, the lowest of 2 layers that differ. At the output it adds up to 16.0\u202fdB.',
    );
    expect(lensSummary({ ...lens, layers: lens.layers.slice(0, 1) })).toMatch(/^No layer differs/);
  });

  it('scales its axis by what is not equal', () => {
    expect(decibelDomain(lens.layers)).toEqual([10, 40]);
    expect(decibelDomain(lens.layers.slice(0, 1))).toEqual([0, 60]);
    expect([formatDb(200), formatDb(-200), formatDb(-3)]).toEqual(['equal', 'not finite', '\u22123.0\u202fdB']);
  });

  it('is a file with a line a layer', () => expect(lensCsv(lens).trim().split('\r\n')).toHaveLength(4));
});

const sensitive = (name: string, bytes: number, losses: Record<'8' | '4', number>) => ({
  name,
  opType: 'MatMul',
  order: 0,
  output: `${name}_out`,
  parameters: bytes / 4,
  weightBytes: bytes,
  weightKey: name,
  inputKey: name,
  points: [
    { candidate: 'keep' as const, bytes, localSqnrDb: 200, loss: 0, agreement: null },
    { candidate: '8' as const, bytes: bytes / 4, localSqnrDb: 45, loss: losses['8'], agreement: null },
    { candidate: '4' as const, bytes: bytes / 8, localSqnrDb: 20, loss: losses['4'], agreement: null },
  ],
});
const sensitivity: SensitivityResult = {
  format: 'whittle-sensitivity',
  version: 1,
  key: 'k',
  candidates: ['keep', '8', '4'],
  blockSize: 32,
  lossKind: 'kl',
  layers: [sensitive('small', 8000, { '8': 0.001, '4': 0.5 }), sensitive('large', 80_000, { '8': 0.0001, '4': 0.01 })],
  layersInAll: 2,
  samples: 8,
  origin: 'generated',
  modelBytes: 90_000,
};

describe('sensitivities', () => {
  it('rank layers by a candidate, most loss first', () => {
    expect(rankedLayers(sensitivity, '4').map(({ name }) => name)).toEqual(['small', 'large']);
    expect(sensitivitySummary(sensitivity, '4')).toContain('small loses most (0.500). It alone has half');
  });

  it('make mixtures between the smallest and the original: a size is never exceeded, and sensitive layers get more', () => {
    const curve = mixtureCurve(sensitivity)!;
    expect(curve.smallestBytes).toBe(2000 + 11_000);
    expect(curve.largestBytes).toBe(90_000);
    const tight = curve.within(14_500);
    expect(tight.bytes).toBeLessThanOrEqual(14_500);
    const step = tight.recipe('weight-only-rtn').steps.at(-1)!;
    expect(step.id).toBe('weight-only-rtn');
    // One layer in 4 bits, the sensitive one in 8: whichever of the two is the step's own number of bits.
    const bitsOf = (name: string) =>
      (step.params.overrides as string[]).find((entry) => entry.startsWith(`${name}=`))?.split('=')[1] ??
      String(step.params.bits);
    expect([bitsOf('small'), bitsOf('large')]).toEqual(['8', '4']);
    for (const bytes of [20_000, 50_000, 90_000]) expect(curve.within(bytes).bytes).toBeLessThanOrEqual(bytes);
  });
});

describe('a search', () => {
  const row = (name: string, status: SearchRow['point']['status'], bytes: number, value: number | null) =>
    ({
      index: 0,
      name,
      point: { id: name, status },
      bytes,
      medianMs: null,
      value,
      interval: null,
      role: null,
    }) as unknown as SearchRow;
  const rows = [
    row('Original', 'original', 100, 0.9),
    row('A', 'passed', 50, 0.9),
    row('B', 'passed', 30, 0.89),
    row('C', 'failed', 20, 0.1),
    row('D', 'skipped', 60, null),
  ];

  it('says what is best so far', () =>
    expect(searchSummary(rows, 'size', ({ bytes }) => `${bytes} B`)).toBe(
      '3 judged, 2 within the gate. Smallest within it: B, 30 B.',
    ));

  it('draws what has figures, marks the frontier, and keeps ruins from squeezing the axis', () => {
    const dots = searchDots(rows, 'size', { direction: 'higher-is-better' });
    expect(dots.map(({ row: { name }, onFrontier }) => [name, onFrontier])).toEqual([
      ['Original', false],
      ['A', true],
      ['B', true],
      ['C', true],
    ]);
    const [low] = searchDomain(dots, 0.9, 0.88);
    expect(low).toBeGreaterThan(0.8);
  });
});

describe('sorting', () => {
  it('is stable, numeric where numbers are, and leaves the input alone', () => {
    const rows = [
      { n: 'l10', v: 1 },
      { n: 'l2', v: 1 },
      { n: 'l1', v: 0 },
    ];
    const columns = [
      { key: 'n', title: 'n', value: ({ n }: (typeof rows)[number]) => n, draw: () => null },
      { key: 'v', title: 'v', value: ({ v }: (typeof rows)[number]) => v, draw: () => null },
    ];
    const names = (key: string, direction: 'ascending' | 'descending') =>
      sortRows(rows, columns, { key, direction }).map(({ n }) => n);
    expect(names('n', 'ascending')).toEqual(['l1', 'l2', 'l10']);
    expect(names('v', 'descending')).toEqual(['l10', 'l2', 'l1']);
    expect(rows[0]!.n).toBe('l10');
  });
});
