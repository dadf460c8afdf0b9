import { describe, expect, it } from 'vitest';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { csvText } from '../../../src/core/report/csv-text.ts';
import type { VariantFacts } from '../../../src/core/study/results.ts';
import { lensKey } from '../../../src/state/analysis-slice.ts';
import {
  calibrationOf,
  clippedShare,
  givenRange,
  readNumber,
  setGivenRange,
  takesRanges,
} from '../../../src/state/calibration.ts';
import { layerChoice, layerSetting, setLayerChoice } from '../../../src/state/layer-choice.ts';
import { createStudioStore } from '../../../src/state/store.ts';

const recipeOf = (...ids: string[]) => recipeSchema.parse({ steps: ids.map((id) => ({ id })) });
const random = { kind: 'random' as const, seed: 1, samples: 16, inputs: [] };

describe('bits of a single layer', () => {
  it('are an override where the step takes some, and replace what was said of the same layer before', () => {
    const start = recipeOf('weight-only-rtn');
    expect(layerSetting(start)?.choices).toEqual(['keep', '8', '4', '3', '2']);
    const eight = setLayerChoice(start, '/a=b/MatMul', '8');
    expect(eight.steps[0]!.params.overrides).toEqual(['/a=b/MatMul=8']);
    expect(layerChoice(eight, '/a=b/MatMul')).toBe('8');
    expect(layerChoice(eight, '/a')).toBeUndefined();
    const kept = setLayerChoice(setLayerChoice(eight, 'other', '4'), '/a=b/MatMul', 'keep');
    expect(kept.steps[0]!.params.overrides).toEqual(['other=4', '/a=b/MatMul=keep']);
    expect(setLayerChoice(kept, '/a=b/MatMul', undefined).steps[0]!.params.overrides).toEqual(['other=4']);
  });

  it('can only be kept where a step merely leaves nodes out, and not at all without a lossy step', () => {
    const dynamic = recipeOf('dynamic-int8');
    expect(layerSetting(dynamic)).toMatchObject({ key: 'exclude', choices: ['keep'] });
    const kept = setLayerChoice(dynamic, 'fc', 'keep');
    expect(kept.steps[0]!.params.exclude).toEqual(['fc']);
    expect(layerChoice(kept, 'fc')).toBe('keep');
    expect(layerSetting(recipeOf('eliminate-identity'))).toBeNull();
  });
});

const facts = (calibration: unknown) =>
  ({ ledger: [{ step: 'static-int8', facts: { calibration, calibrationSamples: 16 } }] }) as unknown as VariantFacts;
const row = {
  tensor: 'x',
  method: 'mse',
  observed: { min: -1, max: 3 },
  chosen: { min: -1, max: 2 },
  zeros: 5,
  histogram: { min: -1, max: 3, counts: [10, 20, 60, 10] },
};

describe('calibrated ranges', () => {
  it('are read from the ledger; rows of another form are left out', () => {
    const record = calibrationOf(facts([row, { tensor: 'y' }, null]));
    expect(record).toMatchObject({ stepId: 'static-int8', samples: 16 });
    expect(record!.tensors).toEqual([row]);
    expect(calibrationOf(null)).toBeNull();
    expect(calibrationOf(facts(undefined))).toBeNull();
  });

  it('tell how much is clipped, a bin that is cut in part', () => {
    expect(clippedShare(row, { min: -1, max: 3 })).toBe(0);
    expect(clippedShare(row, { min: -1, max: 2 })).toBeCloseTo(0.1, 12);
    expect(clippedShare(row, { min: -0.5, max: 2 })).toBeCloseTo(0.15, 12);
    expect(clippedShare(row, { min: 10, max: 11 })).toBe(1);
  });

  it('are set by hand in the recipe, one entry a tensor, and taken back', () => {
    const start = recipeOf('static-int8');
    expect(takesRanges(start, 'static-int8')).toBe(true);
    expect(takesRanges(recipeOf('fp16'), 'static-int8')).toBe(false);
    const once = setGivenRange(start, 'static-int8', 'a=b', { min: -1.5, max: 6.1234567 });
    expect(once.steps[0]!.params.ranges).toEqual(['a=b=-1.5..6.12346']);
    expect(givenRange(once, 'static-int8', 'a=b')).toEqual({ min: -1.5, max: 6.12346 });
    expect(givenRange(once, 'static-int8', 'a')).toBeUndefined();
    const tiny = setGivenRange(once, 'static-int8', 'a=b', { min: -1e-9, max: 2e-9 });
    expect(givenRange(tiny, 'static-int8', 'a=b')).toEqual({ min: -1e-9, max: 2e-9 });
    expect(setGivenRange(tiny, 'static-int8', 'a=b', undefined).steps[0]!.params.ranges).toEqual([]);
  });

  it('are read with a real minus', () => expect(readNumber(-0.5)).toBe('\u22120.5'));
});

describe('what was found out', () => {
  it('goes with the model’s results', () => {
    const store = createStudioStore();
    store.setState({
      lenses: { v1: { key: 'k', result: {} as never } },
      sensitivity: { key: 'k', result: {} as never },
    });
    store.getState().forgetResults();
    expect(store.getState()).toMatchObject({ lenses: {}, sensitivity: null, search: null });
  });

  it('is stale when steps or task change, not when the name or the runtime does', () => {
    const recipe = recipeOf('fp16');
    const key = lensKey(recipe, random);
    expect(lensKey({ ...recipe, name: 'Other' }, random)).toBe(key);
    expect(lensKey({ ...recipe, runtime: { ...recipe.runtime, disablePrepacking: true } }, random)).toBe(key);
    expect(lensKey(recipeOf('dynamic-int8'), random)).not.toBe(key);
    expect(lensKey(recipe, { ...random, seed: 2 })).not.toBe(key);
  });

  it('is announced when it ends', () => {
    const store = createStudioStore();
    store.getState().startJob([], false, 'lens');
    expect(store.getState().job?.kind).toBe('lens');
    store.getState().endJob(null, 'Compared 3 layers.');
    expect(store.getState()).toMatchObject({ job: null, said: 'Compared 3 layers.' });
  });
});

describe('CSV', () => {
  it('quotes what needs it', () =>
    expect(
      csvText(
        ['a', 'b'],
        [
          ['x,y', 1],
          ['say "hi"', 2],
        ],
      ),
    ).toBe('a,b\r\n"x,y",1\r\n"say ""hi""",2\r\n'));
});
