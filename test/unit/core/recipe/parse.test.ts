import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { formFields } from '../../../../src/core/recipe/form.ts';
import { canonicalRecipe, parseRecipe, resolveSteps, variantKey } from '../../../../src/core/recipe/parse.ts';
import { presets } from '../../../../src/core/recipe/presets.ts';
import { stepRegistry } from '../../../../src/core/recipe/registry.ts';
import { RECIPE_VERSION } from '../../../../src/core/recipe/schema.ts';

const codeOf = (json: unknown) => {
  const parsed = parseRecipe(json);
  return parsed.ok ? 'ok' : `${parsed.error.code} ${parsed.error.data.path ?? parsed.error.data.step ?? ''}`;
};

describe('the registry', () => {
  test.each([...stepRegistry.values()])('$id: every parameter can be drawn, and the defaults are valid', (step) => {
    expect(() => formFields(step.params)).not.toThrow();
    expect(step.params.safeParse({}).success).toBe(true);
    for (const provider of ['wasm', 'webgpu', 'webnn', 'cpu'] as const) {
      const { level, reason } = step.runsOn(step.params.parse({}))[provider];
      if (level !== 'full') expect(reason, `${step.id} on ${provider} needs a reason`).toBeTruthy();
    }
  });
  test('orders lie in the range of their section', () => {
    const ranges = { cleanup: [100, 199], fusion: [200, 299], quantization: [300, 399] };
    for (const step of stepRegistry.values()) {
      expect(step.order, step.id).toBeGreaterThanOrEqual(ranges[step.section][0]!);
      expect(step.order, step.id).toBeLessThanOrEqual(ranges[step.section][1]!);
    }
  });
});

test.each(presets.map((preset) => [preset.id, preset] as const))('preset %s is valid', (_id, preset) => {
  const resolved = resolveSteps(preset.recipe.steps);
  expect(resolved.ok ? 'ok' : resolved.error.message).toBe('ok');
});

describe('parseRecipe', () => {
  test('fills in defaults and puts steps into canonical order', () => {
    const parsed = parseRecipe({ name: 'x', steps: [{ id: 'fuse-gelu' }, { id: 'lift-constants' }] });
    expect(parsed.ok && parsed.value.steps.map(({ id }) => id)).toEqual(['lift-constants', 'fuse-gelu']);
    expect(parsed.ok && parsed.value.runtime.graphOptimizationLevel).toBe('all');
  });
  test('says what is wrong and where', () => {
    expect(codeOf('text')).toBe('recipe/invalid the top level');
    expect(codeOf({ format: 'olive' })).toBe('recipe/invalid format');
    expect(codeOf({ version: 'new' })).toBe('recipe/invalid version');
    expect(codeOf({ steps: {} })).toBe('recipe/invalid steps');
    expect(codeOf({ steps: [{ id: 'no-such-step' }] })).toBe('recipe/unknown-step no-such-step');
    expect(codeOf({ steps: [{ id: 'lift-constants', params: { bits: 4 } }] })).toBe(
      'recipe/invalid steps.0.params.bits',
    );
    expect(codeOf({ steps: [{ id: 'lift-constants' }, { id: 'lift-constants' }] })).toBe('recipe/invalid steps.1');
    expect(codeOf({ runtime: { graphOptimizationLevel: 'max' } })).toBe(
      'recipe/invalid runtime.graphOptimizationLevel',
    );
  });
  test('refuses the future politely', () => {
    expect(codeOf({ version: RECIPE_VERSION + 1 })).toBe('recipe/from-the-future ');
  });
  test('prototype keys are parameters like any other: refused', () => {
    expect(codeOf(JSON.parse('{"steps":[{"id":"lift-constants","params":{"__proto__":{"x":1}}}]}'))).not.toContain(
      'unexpected',
    );
    expect(codeOf({ steps: [{ id: 'constructor' }] })).toBe('recipe/unknown-step constructor');
  });
});

test("a variant's key depends on the steps and the model, not on name and runtime", () => {
  const recipe = (change: object) => {
    const parsed = parseRecipe({ name: 'a', steps: [{ id: 'lift-constants' }], ...change });
    if (!parsed.ok) throw parsed.error;
    return parsed.value;
  };
  const key = variantKey('model', recipe({}));
  expect(variantKey('model', recipe({ name: 'b', runtime: { graphOptimizationLevel: 'basic' } }))).toBe(key);
  expect(variantKey('other', recipe({}))).not.toBe(key);
  expect(variantKey('model', recipe({ steps: [] }))).not.toBe(key);
});

describe('formFields', () => {
  test('draws each kind of parameter', () => {
    const schema = z.object({
      bits: z
        .union([z.literal(4), z.literal(8)])
        .default(4)
        .meta({ title: 'Bits', description: 'd', unit: 'bit' }),
      mode: z
        .enum(['a', 'b'])
        .default('a')
        .meta({ title: 'Mode', optionTitles: { a: 'A!' } }),
      on: z.boolean().default(true).meta({ title: 'On' }),
      ratio: z.number().min(0).max(1).default(0.5).meta({ title: 'Ratio' }),
      names: z.array(z.string()).default([]).meta({ title: 'Names' }),
      fifth: z.boolean().default(true).meta({ title: 'Fifth' }),
      late: z.boolean().default(true).meta({ title: 'Late', advanced: false }),
    });
    expect(formFields(schema)).toEqual([
      {
        key: 'bits',
        title: 'Bits',
        description: 'd',
        unit: 'bit',
        kind: 'enum',
        default: 4,
        options: [4, 8],
        optionTitles: {},
      },
      {
        key: 'mode',
        title: 'Mode',
        description: '',
        kind: 'enum',
        default: 'a',
        options: ['a', 'b'],
        optionTitles: { a: 'A!' },
      },
      { key: 'on', title: 'On', description: '', kind: 'boolean', default: true },
      { key: 'ratio', title: 'Ratio', description: '', kind: 'number', default: 0.5, integer: false, min: 0, max: 1 },
      { key: 'names', title: 'Names', description: '', kind: 'string-list', default: [], advanced: true },
      { key: 'fifth', title: 'Fifth', description: '', kind: 'boolean', default: true, advanced: true },
      { key: 'late', title: 'Late', description: '', kind: 'boolean', default: true },
    ]);
  });
  test('a parameter that nothing can draw, or without a title, is refused', () => {
    expect(() => formFields(z.object({ x: z.object({}).default({}).meta({ title: 'X' }) }))).toThrow(/no form control/);
    expect(() => formFields(z.object({ x: z.string().default('') }))).toThrow(/no title/);
  });
});

test('canonicalRecipe is idempotent', () => {
  for (const { recipe } of presets) {
    const once = canonicalRecipe(recipe);
    if (!once.ok) throw once.error;
    expect(canonicalRecipe(once.value)).toEqual(once);
  }
});
