import { beforeEach, describe, expect, it } from 'vitest';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { MAX_VARIANTS, studySchema } from '../../../src/core/study/schema.ts';
import { currentReport } from '../../../src/state/report.ts';
import { selectComparison, selectNeedsRun } from '../../../src/state/rows.ts';
import { createStudioStore, type StudioStore } from '../../../src/state/store.ts';
import { fixtureReport, fixtureStudy } from '../../fixtures/ui/report.ts';

let store: StudioStore;
const state = () => store.getState();
const names = () => state().history!.present.study.variants.map(({ name }) => name);
const ids = () => state().history!.present.ids;

beforeEach(() => {
  store = createStudioStore();
  state().setStudy(
    studySchema.parse({
      model: { kind: 'sample', id: 'x' },
      variants: [{ name: 'Original' }, { name: 'A' }, { name: 'B' }],
      task: { kind: 'random' },
    }),
  );
});

describe('variants', () => {
  it('keeps the baseline first, whatever is asked', () => {
    const [baseline, a] = ids();
    state().moveVariant(a!, 0);
    expect(names()).toEqual(['Original', 'A', 'B']);
    state().moveVariant(baseline!, 2);
    expect(names()).toEqual(['Original', 'A', 'B']);
    state().removeVariant(baseline!);
    expect(names()).toEqual(['Original', 'A', 'B']);
  });

  it('moves, duplicates and deletes, and undoes each', () => {
    const [, a] = ids();
    state().moveVariant(a!, 2);
    expect(names()).toEqual(['Original', 'B', 'A']);
    const copy = state().duplicateVariant(a!);
    expect(names()).toEqual(['Original', 'B', 'A', 'A copy']);
    expect(state().selectedId).toBe(copy);
    state().removeVariant(copy!);
    expect(names()).toEqual(['Original', 'B', 'A']);
    expect(ids()).toContain(state().selectedId);
    state().undo();
    expect(names()).toEqual(['Original', 'B', 'A', 'A copy']);
    state().undo();
    state().undo();
    expect(names()).toEqual(['Original', 'A', 'B']);
    state().redo();
    expect(names()).toEqual(['Original', 'B', 'A']);
  });

  it('takes no more than the study allows', () => {
    while (ids().length < MAX_VARIANTS) expect(state().addVariant(recipeSchema.parse({}))).not.toBeNull();
    expect(state().addVariant(recipeSchema.parse({}))).toBeNull();
    expect(ids()).toHaveLength(MAX_VARIANTS);
  });

  it('does not undo a change of view', () => {
    state().renameVariant(ids()[1]!, 'Renamed');
    state().setView('pareto');
    state().undo();
    expect(names()[1]).toBe('A');
    state().redo();
    expect(names()[1]).toBe('Renamed');
    expect(state().history!.present.study.view).toBe('pareto');
  });
});

describe('results', () => {
  beforeEach(() => {
    const study = fixtureStudy(['wasm']);
    state().setStudy(study);
    state().takeReport(fixtureReport(study), state().history!.present);
  });

  const row = (index: number) => selectComparison(state()).rows[index]!;
  const togglePrepacking = (index: number) =>
    state().editRecipe(ids()[index]!, (recipe) => ({
      ...recipe,
      runtime: { ...recipe.runtime, disablePrepacking: !recipe.runtime.disablePrepacking },
    }));

  it('are stale after an edit, still shown, and fresh again when it is taken back', () => {
    expect(row(2).state).toBe('fresh');
    const measured = row(2).facts;
    togglePrepacking(2);
    expect(row(2).state).toBe('stale');
    expect(row(2).facts).toBe(measured);
    expect(selectNeedsRun(state())).toBe(true);
    togglePrepacking(2);
    expect(row(2).state).toBe('fresh');
    expect(selectNeedsRun(state())).toBe(false);
  });

  it('survive renaming and reordering', () => {
    state().renameVariant(ids()[2]!, 'Another name');
    state().moveVariant(ids()[2]!, 4);
    expect(row(4).name).toBe('Another name');
    expect(row(4).state).toBe('fresh');
    expect(selectNeedsRun(state())).toBe(false);
  });

  it('of a partial run show as running', () => {
    const study = fixtureStudy(['wasm']);
    const full = fixtureReport(study);
    state().forgetResults();
    state().startJob(ids());
    const partial = {
      ...full,
      variants: full.variants.map((variant, index) =>
        index === 0
          ? { ...variant, measurements: variant.measurements.map((entry) => ({ ...entry, evaluation: null })) }
          : { ...variant, facts: null, measurements: [] },
      ),
    };
    state().takeReport(partial, state().history!.present);
    expect(row(0).state).toBe('running');
    expect(row(0).facts).not.toBeNull();
    expect(row(1).state).toBe('running');
    state().takeReport(full, state().history!.present);
    expect(row(0).state).toBe('fresh');
  });

  it('that are finished stay while a run measures anew, also when it is cancelled', () => {
    const full = fixtureReport(fixtureStudy(['wasm']));
    const begun = {
      ...full,
      variants: full.variants.map((variant) => ({
        ...variant,
        measurements: variant.measurements.map((entry) => ({ ...entry, evaluation: null })),
      })),
    };
    state().startJob(ids(), true);
    expect(row(1).state).toBe('running');
    state().takeReport(begun, state().history!.present);
    expect(row(1).cells[0]!.measurement!.evaluation).not.toBeNull();
    state().endJob(null);
    expect(row(1).state).toBe('fresh');
  });

  it('are judged again when the gate moves, without a run', () => {
    // 4-bit is about one point worse than the original.
    expect(row(5).cells[0]!.verdict!.verdict).not.toBe('pass');
    state().setGate({ mode: 'absolute', maxWorse: 0.5, confidence: 0.95 });
    expect(row(5).cells[0]!.verdict!.verdict).toBe('pass');
    expect(row(0).cells[0]!.verdict!.verdict).toBe('baseline');
    expect(currentReport({ ...state(), model: {} as never })!.variants[5]!.measurements[0]!.verdict!.verdict).toBe(
      'pass',
    );
  });

  it('of a target that was added are missing, the others stay', () => {
    state().setTargets([
      { provider: 'wasm', threads: 0 },
      { provider: 'webgpu', threads: 0 },
    ]);
    expect(row(1).cells[0]!.measurement).not.toBeNull();
    expect(row(1).cells[1]!.measurement).toBeNull();
    expect(selectNeedsRun(state())).toBe(true);
  });

  it('give the same comparison object until something changes', () => {
    const first = selectComparison(state());
    store.setState({ panel: 'help' });
    expect(selectComparison(state())).toBe(first);
  });
});
