import { describe, expect, test } from 'vitest';
import { recipeSchema } from '../../../../src/core/recipe/schema.ts';
import { packedWeightsNotes } from '../../../../src/core/report/packed-weights-note.ts';
import { summarizeLatency } from '../../../../src/core/study/latency.ts';
import type { TargetMeasurement, VariantResult } from '../../../../src/core/study/results.ts';

const timed = (ms: number, heap: number | null = null): TargetMeasurement =>
  ({
    latency: summarizeLatency(
      Array.from({ length: 20 }, (_, i) => ms * (1 + (i % 5) / 100)),
      true,
      'noon',
    ),
    memory: { wasmHeapPeakBytes: heap, gpuBufferPeakBytes: null, processPeakBytes: null },
  }) as TargetMeasurement;

const variant = (weightsAtLoad: 'as-stored' | 'dequantize', packed = true): VariantResult =>
  ({
    recipe: recipeSchema.parse({ runtime: { weightsAtLoad } }),
    facts: packed ? { packedWeights: { storedBytes: 12e6, expandedBytes: 80e6 } } : {},
  }) as VariantResult;

describe('what is said of packed weights', () => {
  test('nothing, where there are none or nothing was measured', () => {
    expect(packedWeightsNotes(variant('as-stored', false), timed(10), timed(1), undefined)).toEqual([]);
    const unmeasured = { ...timed(1), latency: null };
    expect(packedWeightsNotes(variant('as-stored'), unmeasured, timed(1), undefined)).toEqual([]);
    expect(packedWeightsNotes(variant('as-stored'), timed(10), undefined, undefined)).toEqual([]);
    expect(packedWeightsNotes(variant('as-stored'), timed(10), timed(10), undefined)).toEqual([]);
  });

  test('slower than the original: the setting, and its price', () => {
    const [note, ...more] = packedWeightsNotes(variant('as-stored'), timed(90), timed(10), undefined);
    expect(more).toEqual([]);
    expect(note).toMatch(/91\.8 ms against the original's 10\.2 ms.*80\.0 MB .* instead of 12\.0 MB \(predicted\)/);
  });

  test('faster than the original: keep it', () => {
    expect(packedWeightsNotes(variant('as-stored'), timed(5), timed(10), undefined).join()).toMatch(/as stored suits/);
  });

  test('measured both ways: which one suits, from either side', () => {
    const [stored, expanded] = [timed(90, 50e6), timed(10, 120e6)];
    expect(packedWeightsNotes(variant('as-stored'), stored, timed(10), expanded).join()).toMatch(
      /91\.8 ms here, 10\.2 ms expanded when the model loads \(heap 50\.0 MB and 120\.0 MB, measured\); expanded suits/,
    );
    expect(packedWeightsNotes(variant('dequantize'), expanded, timed(10), stored).join()).toMatch(
      /10\.2 ms here, 91\.8 ms as stored .*; expanded suits/,
    );
    expect(packedWeightsNotes(variant('dequantize'), timed(20), timed(10), timed(5)).join()).toMatch(
      /; as stored suits/,
    );
    expect(packedWeightsNotes(variant('as-stored'), timed(10), timed(10), timed(10)).join()).toMatch(/no difference/);
  });
});
