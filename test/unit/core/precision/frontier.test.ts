import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type LayerGroup,
  type LayerOption,
  pointWithinBytes,
  pointWithinLoss,
  precisionFrontier,
} from '../../../../src/core/precision/frontier.ts';

const candidates = ['keep', '2', '4', '8'] as const;

const instance = fc.array(
  fc
    .array(fc.record({ bytes: fc.integer({ min: 0, max: 40 }), loss: fc.integer({ min: 0, max: 30 }) }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((options) => options.map((option, i): LayerOption => ({ candidate: candidates[i]!, ...option }))),
  { minLength: 1, maxLength: 5 },
);
const groupsOf = (lists: LayerOption[][]): LayerGroup[] =>
  lists.map((options, i) => ({ layers: [`layer ${i}`], options }));

function everyCombination(lists: LayerOption[][]): { bytes: number; loss: number }[] {
  return lists.reduce(
    (sums, options) =>
      sums.flatMap((sum) => options.map((o) => ({ bytes: sum.bytes + o.bytes, loss: sum.loss + o.loss }))),
    [{ bytes: 0, loss: 0 }],
  );
}

/** Takes the step with the most bytes saved for its loss, again and again, from everything at its least loss. */
function greedy(lists: LayerOption[][], maxBytes: number): number {
  const at = lists.map((options) => [...options].sort((a, b) => a.loss - b.loss || a.bytes - b.bytes)[0]!);
  const total = (key: 'bytes' | 'loss') => at.reduce((sum, option) => sum + option[key], 0);
  while (total('bytes') > maxBytes) {
    let best: { i: number; option: LayerOption; ratio: number } | undefined;
    for (const [i, options] of lists.entries())
      for (const option of options) {
        const saved = at[i]!.bytes - option.bytes;
        const ratio = (option.loss - at[i]!.loss) / saved;
        if (saved > 0 && (!best || ratio < best.ratio)) best = { i, option, ratio };
      }
    if (!best) return Number.POSITIVE_INFINITY;
    at[best.i] = best.option;
  }
  return total('loss');
}

describe('the frontier of bytes and loss', () => {
  it('is what trying every combination finds', () => {
    fc.assert(
      fc.property(instance, (lists) => {
        const { points, choices } = precisionFrontier(groupsOf(lists));
        const all = everyCombination(lists);
        const best = all.filter(
          (a) => !all.some((b) => b.bytes <= a.bytes && b.loss <= a.loss && (b.bytes < a.bytes || b.loss < a.loss)),
        );
        const distinct = [...new Set(best.map(({ bytes, loss }) => `${bytes} ${loss}`))];
        expect(points.map(({ bytes, loss }) => `${bytes} ${loss}`).sort()).toEqual(distinct.sort());
        for (const [index, point] of points.entries()) {
          const chosen = choices(index);
          for (const [i, option] of chosen.entries()) expect(lists[i]).toContain(option);
          expect(chosen.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(point.bytes);
          expect(chosen.reduce((sum, { loss }) => sum + loss, 0)).toBe(point.loss);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('answers both questions, never worse than a greedy search', () => {
    fc.assert(
      fc.property(
        instance,
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 0, max: 150 }),
        (lists, bytes, loss) => {
          const frontier = precisionFrontier(groupsOf(lists));
          const all = everyCombination(lists);
          const withinBytes = all.filter((sum) => sum.bytes <= bytes).map((sum) => sum.loss);
          const found = frontier.points[pointWithinBytes(frontier, bytes)];
          expect(found?.loss ?? Number.POSITIVE_INFINITY).toBe(Math.min(Number.POSITIVE_INFINITY, ...withinBytes));
          expect(found?.loss ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(greedy(lists, bytes));
          const withinLoss = all.filter((sum) => sum.loss <= loss).map((sum) => sum.bytes);
          const smallest = frontier.points[pointWithinLoss(frontier, loss)];
          expect(smallest?.bytes ?? Number.POSITIVE_INFINITY).toBe(Math.min(Number.POSITIVE_INFINITY, ...withinLoss));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('beats the greedy search where that falls into its trap', () => {
    // The best ratio first (16 for 3) leaves too little, and then the other has to go all the same.
    const lists: LayerOption[][] = [
      [
        { candidate: 'keep', bytes: 16, loss: 0 },
        { candidate: '2', bytes: 0, loss: 3 },
      ],
      [
        { candidate: 'keep', bytes: 20, loss: 0 },
        { candidate: '2', bytes: 0, loss: 4 },
      ],
    ];
    const frontier = precisionFrontier(groupsOf(lists));
    expect(greedy(lists, 16)).toBe(7);
    expect(frontier.points[pointWithinBytes(frontier, 16)]).toEqual({ bytes: 16, loss: 4 });
  });

  it('stays within its limit of states on a deep network of odd sizes, close to the exact answer', () => {
    const lists = Array.from({ length: 60 }, (_, i): LayerOption[] =>
      candidates.map((candidate, c) => ({
        candidate,
        bytes: [4000, 300, 560, 1060][c]! * (1 + ((i * 7919) % 97) / 31),
        loss: [0, 1, 0.01, 0.0001][c]! * (0.2 + ((i * 104729) % 89) / 13),
      })),
    );
    const started = performance.now();
    const exact = precisionFrontier(groupsOf(lists), 200_000);
    const coarse = precisionFrontier(groupsOf(lists), 2000);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(coarse.points.length).toBeLessThanOrEqual(2001);
    for (const maxLoss of [0.05, 0.5, 5, 20]) {
      const [a, b] = [exact, coarse].map((frontier) => frontier.points[pointWithinLoss(frontier, maxLoss)]!.bytes);
      expect(b! / a!).toBeLessThan(1.01);
    }
  }, 60_000);
});
