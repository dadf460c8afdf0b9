import { describe, expect, it } from 'vitest';
import { presets } from '../../../src/core/recipe/presets.ts';
import { stepRegistry } from '../../../src/core/recipe/registry.ts';
import { recipeSchema } from '../../../src/core/recipe/schema.ts';
import { presetGroups, weightBits } from '../../../src/state/preset-groups.ts';
import { changedParams, chooseStep, entryProblems, setParam, stepChoices } from '../../../src/state/recipe-edit.ts';

const weights = () => stepChoices('quantization').find((choice) => choice.kind === 'one-of')!;
const step = (id: string) => stepRegistry.get(id)!;
const start = recipeSchema.parse({ steps: [{ id: 'fp16' }] });
const idsOf = ({ steps }: typeof start) => steps.map(({ id }) => id);

describe('rows of the form', () => {
  it('show steps that exclude each other as one, and every step once', () => {
    const shown = stepChoices('quantization').flatMap((choice) =>
      choice.kind === 'one-of' ? choice.steps.map(({ id }) => id) : [choice.step.id],
    );
    const all = [...stepRegistry.values()].filter(({ section }) => section === 'quantization').map(({ id }) => id);
    expect(shown.toSorted()).toEqual(all.toSorted());
    const group = weights();
    expect(group.kind === 'one-of' && group.steps.length).toBeGreaterThan(3);
    expect(group.kind === 'one-of' && group.steps.every(({ exclusiveGroup }) => exclusiveGroup === group.group)).toBe(
      true,
    );
  });
});

describe('choosing one of a group', () => {
  it('replaces the one before, leaves the rest, and none takes it away', () => {
    const rtn = chooseStep(start, 'weights', 'weight-only-rtn');
    expect(idsOf(rtn)).toEqual(['weight-only-rtn', 'fp16']);
    const dynamic = chooseStep(rtn, 'weights', 'dynamic-int8');
    expect(idsOf(dynamic)).toEqual(['dynamic-int8', 'fp16']);
    expect(idsOf(chooseStep(dynamic, 'weights', null))).toEqual(['fp16']);
  });

  it('takes along what the user has changed and both have, and only that', () => {
    const rtn = setParam(chooseStep(start, 'weights', 'weight-only-rtn'), 'weight-only-rtn', 'exclude', ['*/head/*']);
    const wide = setParam(rtn, 'weight-only-rtn', 'blockSize', 128);
    const bnb = chooseStep(wide, 'weights', 'weight-only-bnb4').steps[0]!.params;
    expect(bnb).toMatchObject({ exclude: ['*/head/*'], blockSize: 128 });
    const dynamic = chooseStep(wide, 'weights', 'dynamic-int8').steps[0]!.params;
    expect(dynamic).toMatchObject({ exclude: ['*/head/*'] });
    expect(dynamic).not.toHaveProperty('blockSize');
    // A default is not a wish: the next step's own default holds.
    const plain = chooseStep(start, 'weights', 'weight-only-rtn');
    const moved = chooseStep(plain, 'weights', 'weight-only-bnb4').steps[0]!.params;
    expect(moved.blockSize).toBe((step('weight-only-bnb4').params.parse({}) as { blockSize: number }).blockSize);
  });
});

describe('parameters', () => {
  it('tells which differ from the defaults', () => {
    const rtn = step('weight-only-rtn');
    expect(changedParams(rtn, rtn.params.parse({}))).toEqual([]);
    expect(changedParams(rtn, rtn.params.parse({ symmetric: true, include: ['a'] }))).toEqual(['symmetric', 'include']);
  });

  it('says which entry of a list is wrong', () => {
    const problems = entryProblems(step('weight-only-rtn'), 'include', ['fine', 'x'.repeat(201), 'fine too']);
    expect([...problems.byIndex.keys()]).toEqual([1]);
    expect(problems.whole).toBeNull();
    const many = entryProblems(
      step('weight-only-rtn'),
      'include',
      Array.from({ length: 101 }, (_, i) => `n${i}`),
    );
    expect(many.byIndex.size).toBe(0);
    expect(many.whole).toMatch(/100/);
  });
});

describe('groups of presets', () => {
  it('hold every preset once, by how much they shrink', () => {
    const groups = presetGroups();
    const grouped = groups.flatMap((group) => group.presets.map(({ id }) => id));
    expect(grouped.toSorted()).toEqual(presets.map(({ id }) => id).toSorted());
    const bits = (id: string) => weightBits(presets.find((preset) => preset.id === id)!.recipe);
    expect(bits('simplify')).toBe(32);
    expect(bits('fp16')).toBe(16);
    expect(bits('int8-static')).toBe(8);
    expect(bits('int4-rtn')).toBe(4);
  });
});
